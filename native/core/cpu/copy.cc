// Strided copy: dimensions are collapsed, then rows of the innermost one are copied in parallel. Where the source lies
// contiguous along another dimension, blocks of both are transposed, so that both sides use whole cache lines.
// Bytes moved: one read and one write per element.
#include "core/cpu/copy.h"

#include <algorithm>
#include <cstring>

#include "core/ceil_div.h"
#include "core/cpu/transpose_copy.h"
#include "core/parallel.h"
#include "core/row_walk.h"

namespace tilegrad {

namespace {

constexpr int64_t kGrain = 16384;     // elements per parallel chunk
constexpr int64_t kBlockBytes = 512;  // of a block's row, in the source and in the target

template <class T>
void copy_row(const T* in, int64_t in_stride, T* out, int64_t out_stride, int64_t n) {
  const auto bytes = n * static_cast<int64_t>(sizeof(T));
  if (out_stride == 1 && in_stride == 1) {
    copy_bytes(reinterpret_cast<char*>(out), reinterpret_cast<const char*>(in), bytes);
  } else if (out_stride == 1 && in_stride == 0) {
    const T value = *in;  // which `out` could hold, for all that the compiler knows
    for (int64_t i = 0; i < n; ++i) out[i] = value;
  } else if (out_stride == 1) {
    for (int64_t i = 0; i < n; ++i) out[i] = in[i * in_stride];
  } else {
    for (int64_t i = 0; i < n; ++i) out[i * out_stride] = in[i * in_stride];
  }
}

template <class T>
void copy_rows(const T* src, T* dst, const Layout* layouts) {
  const Layout &s = layouts[0], &d = layouts[1];
  const int last = s.rank() - 1;
  const int64_t n = s.shape[last], in_stride = s.strides[last], out_stride = d.strides[last];
  if (last == 0)
    return parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
      copy_row(src + s.offset + begin * in_stride, in_stride, dst + d.offset + begin * out_stride,
               out_stride, end - begin);
    });
  parallel_for(s.numel() / n, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
    RowWalk<2> rows(layouts, 2, 1, begin);
    for (int64_t r = begin; r < end; ++r, rows.next())
      copy_row(src + rows.offsets[0], in_stride, dst + rows.offsets[1], out_stride, n);
  });
}

// The two innermost dimensions (rows, cols) are copied by blocks; the source is contiguous along rows, the target along cols.
void copy_blocks(const char* src, char* dst, const Layout* layouts, int64_t size) {
  const Layout &s = layouts[0], &d = layouts[1];
  const int last = s.rank() - 1;
  const int64_t cols = s.shape[last], rows = s.shape[last - 1], side = kBlockBytes / size;
  // Where one side is short the other is the longer.
  const int64_t height = std::min(rows, side * side / std::min(cols, side));
  const int64_t width = std::min(cols, side * side / std::min(rows, side));
  const int64_t down = ceil_div(rows, height), across = ceil_div(cols, width);
  const auto transpose = TILEGRAD_SIMD(transpose_copy);
  parallel_for(
      s.numel() / (rows * cols) * down * across, grain_for(height * width, kGrain),
      [&](int64_t begin, int64_t end) {
        int64_t plane = -1;
        RowWalk<2> planes(layouts, 2, 2, begin / (down * across));
        for (int64_t block = begin; block < end; ++block) {
          if (const int64_t of = block / (down * across); of != plane) {
            if (plane >= 0) planes.next();
            plane = of;
          }
          const int64_t r = block / across % down * height, c = block % across * width;
          const int64_t from = planes.offsets[0] + r + c * s.strides[last];
          const int64_t to = planes.offsets[1] + r * d.strides[last - 1] + c;
          transpose({src + from * size, dst + to * size, s.strides[last], d.strides[last - 1],
                     std::min(height, rows - r), std::min(width, cols - c), size});
        }
      });
}

// Moves the dimension along which the source is contiguous before the last one; false where that is no transposition.
bool order_for_blocks(Layout* layouts) {
  const int last = layouts[0].rank() - 1;
  if (layouts[1].strides[last] != 1 || layouts[0].strides[last] < 2) return false;
  int unit = last - 1;
  while (unit >= 0 && layouts[0].strides[unit] != 1) --unit;
  if (unit < 0) return false;
  for (int k = 0; k < 2; ++k) {
    Layout& l = layouts[k];
    std::rotate(l.shape.dims + unit, l.shape.dims + unit + 1, l.shape.dims + last);
    std::rotate(l.strides + unit, l.strides + unit + 1, l.strides + last);
  }
  return true;
}

}  // namespace

void copy_strided_cpu(const View& source, const View& target) {
  if (source.numel() == 0) return;
  Layout layouts[2] = {source.layout, target.layout};
  collapse_dims(layouts, 2);
  if (order_for_blocks(layouts))
    return copy_blocks(static_cast<const char*>(source.data), static_cast<char*>(target.data),
                       layouts, static_cast<int64_t>(dtype_size(source.dtype)));
  TG_DISPATCH_SIZE(source.dtype, T, {
    copy_rows(static_cast<const T*>(source.data), static_cast<T*>(target.data), layouts);
  });
}

}  // namespace tilegrad
