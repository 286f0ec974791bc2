// Operands of an elementwise function whose rows are short (a broadcast along channels that lie last, say): several rows are
// computed at once, over copies of those operands that are not contiguous.
#pragma once

#include <cstdint>

#include "core/row_walk.h"
#include "core/tensor.h"

namespace tilegrad {

constexpr int64_t kShortRow = 32;        // elements of the longest such row
constexpr int64_t kShortRowBlock = 512;  // elements that are computed at once

/// Several rows of one operand, one behind the other.
class ShortRows {
 public:
  /// The rows of `layout` (a view of `x`, collapsed) from row `first` on, `rows` at a time at most.
  ShortRows(const View& x, const Layout& layout, int64_t first, int64_t rows);
  ShortRows(const ShortRows&) = delete;
  ShortRows& operator=(const ShortRows&) = delete;

  /// The elements of the next `rows` rows, `stride()` apart.
  const void* next(int64_t rows);
  int64_t stride() const { return kind_ == Kind::one ? 0 : 1; }

 private:
  enum class Kind { one, whole, repeated, copied };

  const char* data_;
  const Layout& layout_;
  RowWalk<1> walk_;
  int64_t size_, n_;
  Kind kind_;
  alignas(64) char rows_[kShortRowBlock * 8];
};

}  // namespace tilegrad
