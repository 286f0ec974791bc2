// Shape, strides and offset of a tensor, and the algebra on them. Trivially copyable: layouts travel to kernels by value.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <ostream>

#include "core/platform.h"

namespace tilegrad {

inline constexpr int kMaxRank = 8;
// Element counts stay below 2^53, so that they are exact in a JavaScript number.
inline constexpr int64_t kMaxNumel = int64_t{1} << 53;

struct Shape {
  int rank = 0;
  int64_t dims[kMaxRank] = {};

  Shape() = default;
  Shape(std::initializer_list<int64_t> list) {
    for (int64_t d : list) dims[rank++] = d;
  }
  int64_t operator[](int i) const { return dims[i]; }
  int64_t& operator[](int i) { return dims[i]; }
  int64_t numel() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= dims[i];
    return n;
  }
  void push(int64_t d) { dims[rank++] = d; }
};

inline bool operator==(const Shape& a, const Shape& b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; ++i)
    if (a.dims[i] != b.dims[i]) return false;
  return true;
}
inline bool operator!=(const Shape& a, const Shape& b) { return !(a == b); }
std::ostream& operator<<(std::ostream& out, const Shape& shape);

/// Throws ERR_SHAPE, named after `what`, for a negative dimension or an element count beyond kMaxNumel.
void check_shape(const char* what, const Shape& shape);

/// Strides are in elements, never negative; 0 marks a broadcast dimension. Offset in elements from the buffer's start.
struct Layout {
  Shape shape;
  int64_t strides[kMaxRank] = {};
  int64_t offset = 0;

  static Layout contiguous(const Shape& shape);
  int rank() const { return shape.rank; }
  int64_t numel() const { return shape.numel(); }
  /// Row-major without gaps; the strides of dimensions of size 1 do not matter, and an empty tensor is contiguous.
  bool is_contiguous() const;
};

/// NumPy broadcasting of two shapes; throws ERR_SHAPE naming `op` and both shapes.
Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);
/// The layout seen as `shape` (which it must broadcast to): strides become 0 where a dimension is repeated.
Layout broadcast_to(const Layout& layout, const Shape& shape);
/// The layout with `shape` (same element count) if no copy is needed for it; returns false otherwise.
bool try_reshape(const Layout& layout, const Shape& shape, Layout* out);

/// Drops dimensions of size 1 and merges neighbours that all `n` layouts (same shape) walk without a jump.
/// What remains has the fewest loops; rank 0 becomes rank 1 of size 1.
void collapse_dims(Layout* layouts, int n);

}  // namespace tilegrad
