#include "core/layout.h"

#include <algorithm>

#include "core/error.h"

namespace tilegrad {

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '[';
  for (int i = 0; i < shape.rank; ++i) out << (i ? ", " : "") << shape.dims[i];
  return out << ']';
}

void check_shape(const char* what, const Shape& shape) {
  int64_t n = 1;
  for (int i = 0; i < shape.rank; ++i) {
    int64_t d = shape[i];
    if (d < 0) fail(ErrorCode::shape, what, ": dimension ", i, " of shape ", shape, " is negative");
    // A zero makes the tensor empty, but the strides still multiply the other sizes.
    if (d > 0 && (__builtin_mul_overflow(n, d, &n) || n > kMaxNumel))
      fail(ErrorCode::shape, what, ": shape ", shape, " has more than 2^53 elements");
  }
}

Layout Layout::contiguous(const Shape& shape) {
  Layout layout;
  layout.shape = shape;
  int64_t stride = 1;
  for (int i = shape.rank - 1; i >= 0; --i) {
    layout.strides[i] = stride;
    stride *= std::max<int64_t>(shape[i], 1);
  }
  return layout;
}

bool Layout::is_contiguous() const {
  int64_t expected = 1;
  for (int i = rank() - 1; i >= 0; --i) {
    if (shape[i] == 0) return true;
    if (shape[i] != 1 && strides[i] != expected) {
      // A jump can only be forgiven if an outer dimension is empty.
      for (int j = 0; j < i; ++j)
        if (shape[j] == 0) return true;
      return false;
    }
    expected *= shape[i];
  }
  return true;
}

Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b) {
  Shape out;
  out.rank = std::max(a.rank, b.rank);
  for (int i = 0; i < out.rank; ++i) {
    int64_t da = i < out.rank - a.rank ? 1 : a[i - (out.rank - a.rank)];
    int64_t db = i < out.rank - b.rank ? 1 : b[i - (out.rank - b.rank)];
    if (da != db && da != 1 && db != 1)
      fail(ErrorCode::shape, op, ": shapes ", a, " and ", b, " do not broadcast (", da, " against ",
           db, " in dimension ", i - out.rank, ")");
    out[i] = da == 1 ? db : da;
  }
  return out;
}

Layout broadcast_to(const Layout& layout, const Shape& shape) {
  Layout out;
  out.shape = shape;
  out.offset = layout.offset;
  int lead = shape.rank - layout.rank();
  for (int i = lead; i < shape.rank; ++i)
    out.strides[i] = layout.shape[i - lead] == 1 && shape[i] != 1 ? 0 : layout.strides[i - lead];
  return out;
}

bool try_reshape(const Layout& layout, const Shape& shape, Layout* out) {
  if (layout.is_contiguous()) {
    *out = Layout::contiguous(shape);
    out->offset = layout.offset;
    return true;
  }
  *out = Layout::contiguous(shape);
  out->offset = layout.offset;
  // Walk both shapes from the left in groups of equal element count; each old group must be one even run.
  int i = 0, j = 0;
  while (i < layout.rank() && j < shape.rank) {
    int i0 = i, j0 = j;
    int64_t a = layout.shape[i++], b = shape[j++];
    while (a != b) {
      if (a < b) {
        if (i == layout.rank()) return false;
        a *= layout.shape[i++];
      } else {
        if (j == shape.rank) return false;
        b *= shape[j++];
      }
    }
    int64_t inner = 0;  // stride of the group's last real dimension; 0 until one was met
    bool met = false;
    int64_t expected = 0;
    for (int k = i - 1; k >= i0; --k) {
      if (layout.shape[k] == 1) continue;
      if (!met) {
        inner = layout.strides[k];
        met = true;
      } else if (layout.strides[k] != expected) {
        return false;
      }
      expected = layout.strides[k] * layout.shape[k];
    }
    int64_t stride = inner;
    for (int k = j - 1; k >= j0; --k) {
      out->strides[k] = stride;
      stride *= shape[k];
    }
  }
  return true;
}

void collapse_dims(Layout* layouts, int n) {
  int rank = layouts[0].rank();
  const Shape shape = layouts[0].shape;
  int out = -1;  // index of the dimension that is being grown
  for (int d = 0; d < rank; ++d) {
    if (shape[d] == 1) continue;
    bool merge = out >= 0;
    for (int k = 0; merge && k < n; ++k)
      merge = layouts[k].strides[out] == layouts[k].strides[d] * shape[d];
    if (!merge) ++out;
    for (int k = 0; k < n; ++k) {
      layouts[k].shape[out] = merge ? layouts[k].shape[out] * shape[d] : shape[d];
      layouts[k].strides[out] = layouts[k].strides[d];
    }
  }
  for (int k = 0; k < n; ++k) {
    if (out < 0) {
      layouts[k].shape[0] = 1;
      layouts[k].strides[0] = 0;
    }
    layouts[k].shape.rank = out < 0 ? 1 : out + 1;
  }
}

}  // namespace tilegrad
