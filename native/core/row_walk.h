// Walks the rows of layouts of one shape in row-major order: a step costs an addition, not a division per dimension.
#pragma once

#include <cstdint>

#include "core/layout.h"

namespace tilegrad {

/// Offsets of row `first` of `count` (at most kMax) layouts, and with each next() of the row behind it. A row is what the
/// last `inner` dimensions span.
template <int kMax>
class RowWalk {
 public:
  RowWalk(const Layout* layouts, int count, int inner, int64_t first)
      : layouts_(layouts), count_(count), outer_(layouts[0].rank() - inner) {
    for (int k = 0; k < count; ++k) offsets[k] = layouts[k].offset;
    for (int d = outer_ - 1; d >= 0; --d) {
      index_[d] = first % layouts[0].shape[d];
      first /= layouts[0].shape[d];
      for (int k = 0; k < count; ++k) offsets[k] += index_[d] * layouts[k].strides[d];
    }
  }

  void next() {
    for (int d = outer_ - 1; d >= 0; --d) {
      const bool more = ++index_[d] < layouts_[0].shape[d];
      const int64_t steps = more ? 1 : 1 - layouts_[0].shape[d];
      for (int k = 0; k < count_; ++k) offsets[k] += steps * layouts_[k].strides[d];
      if (more) return;
      index_[d] = 0;
    }
  }

  int64_t offsets[kMax];

 private:
  const Layout* layouts_;
  int count_, outer_;
  int64_t index_[kMaxRank];
};

}  // namespace tilegrad
