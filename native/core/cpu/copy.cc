// Strided copy: dimensions are collapsed, then rows of the innermost one are copied in parallel. A transposition (the
// source's unit stride is not innermost) goes through 16x16 tiles, so that both sides use whole cache lines.
// Bytes moved: one read and one write per element.
#include "core/cpu/copy.h"

#include <algorithm>
#include <cstring>

#include "core/parallel.h"

namespace tilegrad {

namespace {

constexpr int64_t kGrain = 16384;  // elements per parallel chunk
constexpr int64_t kTile = 16;

// Offsets of row `index` over all dimensions but the last `inner`, which the caller walks.
inline void row_offsets(const Layout& a, const Layout& b, int inner, int64_t index, int64_t* ao,
                        int64_t* bo) {
  *ao = a.offset;
  *bo = b.offset;
  for (int d = a.rank() - 1 - inner; d >= 0; --d) {
    int64_t i = index % a.shape[d];
    index /= a.shape[d];
    *ao += i * a.strides[d];
    *bo += i * b.strides[d];
  }
}

template <class T>
void copy_rows(const T* src, T* dst, const Layout& s, const Layout& d) {
  int last = s.rank() - 1;
  int64_t n = s.shape[last], ss = s.strides[last], ds = d.strides[last];
  int64_t rows = s.numel() / n;
  parallel_for(rows, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      int64_t so, to;
      row_offsets(s, d, 1, r, &so, &to);
      const T* in = src + so;
      T* out = dst + to;
      if (ss == 1 && ds == 1) {
        std::memcpy(out, in, static_cast<size_t>(n) * sizeof(T));
      } else if (ss == 0 && ds == 1) {
        std::fill_n(out, n, *in);
      } else {
        for (int64_t i = 0; i < n; ++i) out[i * ds] = in[i * ss];
      }
    }
  });
}

// The two innermost dimensions (rows, cols) are copied by tiles; the source is contiguous along rows.
template <class T>
void copy_tiles(const T* src, T* dst, const Layout& s, const Layout& d) {
  int last = s.rank() - 1;
  int64_t cols = s.shape[last], rows = s.shape[last - 1];
  int64_t row_tiles = (rows + kTile - 1) / kTile;
  int64_t outer = s.numel() / (rows * cols);
  parallel_for(outer * row_tiles, std::max<int64_t>(1, kGrain / (kTile * cols)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t t = begin; t < end; ++t) {
                   int64_t so, to;
                   row_offsets(s, d, 2, t / row_tiles, &so, &to);
                   int64_t r0 = t % row_tiles * kTile, r1 = std::min(rows, r0 + kTile);
                   for (int64_t c0 = 0; c0 < cols; c0 += kTile) {
                     int64_t c1 = std::min(cols, c0 + kTile);
                     for (int64_t r = r0; r < r1; ++r)
                       for (int64_t c = c0; c < c1; ++c)
                         dst[to + r * d.strides[last - 1] + c * d.strides[last]] =
                             src[so + r * s.strides[last - 1] + c * s.strides[last]];
                   }
                 }
               });
}

}  // namespace

void copy_strided_cpu(const View& source, const View& target) {
  if (source.numel() == 0) return;
  Layout layouts[2] = {source.layout, target.layout};
  collapse_dims(layouts, 2);
  const Layout &s = layouts[0], &d = layouts[1];
  int last = s.rank() - 1;
  bool transposes =
      last >= 1 && s.strides[last] != 1 && s.strides[last - 1] == 1 && s.shape[last - 1] >= 4;
  TG_DISPATCH_SIZE(source.dtype, T, {
    if (transposes)
      copy_tiles(static_cast<const T*>(source.data), static_cast<T*>(target.data), s, d);
    else
      copy_rows(static_cast<const T*>(source.data), static_cast<T*>(target.data), s, d);
  });
}

}  // namespace tilegrad
