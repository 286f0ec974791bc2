// How a reduction walks its input, whatever the layout.
#pragma once

#include "core/layout.h"

namespace tilegrad {

/// A dimension of the input: its size, its stride there, and what one step along it adds to the index of the result (a
/// kept dimension) or to the index among the elements of one result (a reduced one).
struct ReduceAxis {
  int64_t size, stride, step;
};

struct ReduceAxes {
  int count = 0;
  ReduceAxis axes[kMaxRank];

  int64_t numel() const {
    int64_t n = 1;
    for (int i = 0; i < count; ++i) n *= axes[i].size;
    return n;
  }
  /// Offset in the input and index after `position` steps in row-major order.
  void locate(int64_t position, int64_t* offset, int64_t* index) const {
    for (int i = count - 1; i >= 0; --i) {
      const int64_t at = position % axes[i].size;
      position /= axes[i].size;
      *offset += at * axes[i].stride;
      *index += at * axes[i].step;
    }
  }
  ReduceAxis take(int i) {
    const ReduceAxis axis = axes[i];
    for (--count; i < count; ++i) axes[i] = axes[i + 1];
    return axis;
  }
};

/// The dimensions with the fewest loops, and the one to walk innermost: that with the smallest stride, so that memory is
/// read in order. Rows: it is reduced. Columns: it is kept, and `along` is the reduced one next to it.
struct ReducePlan {
  ReduceAxes kept, reduced;  // without `inner` and `along`
  ReduceAxis inner{1, 1, 1}, along{1, 0, 0};
  bool rows = true;
  int64_t per_result = 1;  // elements
  int64_t results = 1;

  ReducePlan(const Layout& x, unsigned mask);
};

}  // namespace tilegrad
