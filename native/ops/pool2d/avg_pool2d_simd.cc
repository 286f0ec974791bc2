// Means over rectangles. The rows of a window are added into one row of sums, whose columns are then added: neighbouring
// outputs in one vector where the windows are regular. The gradient does the same backwards: a row of dy is spread over
// the columns once and stored or added to the rows of its windows.
// Bytes moved: each input and output once (from memory); rows of sums stay in the first cache.
#include "ops/pool2d/avg_pool2d_kernels.h"
#include "ops/pool2d/pool2d_simd.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

template <class T>
TG_SIMD T divisor_of(const AvgPool& pool, const PoolSpan& rows, const PoolSpan& cols) {
  return static_cast<T>(pool.divisor != 0 ? pool.divisor
                                          : static_cast<double>(rows.size) * cols.size);
}

template <class T>
TG_SIMD T sum_short_run(const T* x, int64_t n) {
  constexpr int W = kLanes<T>;
  Vec<T> a = {}, b = {}, c = {}, d = {};
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
    a += load(x + i);
    b += load(x + i + W);
    c += load(x + i + 2 * W);
    d += load(x + i + 3 * W);
  }
  for (; i + W <= n; i += W) a += load(x + i);
  b += load_partial(x + i, static_cast<int>(n - i));
  return sum_lanes<T>((a + b) + (c + d));
}

// However long: an f32 that has counted to 2^24 sees no further values.
template <class T>
TG_SIMD T sum_run(const T* x, int64_t n) {
  constexpr int64_t kRun = 1 << 16;
  T total = 0;
  for (; n > kRun; x += kRun, n -= kRun) total += sum_short_run(x, kRun);
  return total + sum_short_run(x, n);
}

// y[q] for regular cells from the row of sums.
template <class T, int Step>
struct Means {
  const PoolAxis& cols;
  const T* sums;
  T divisor;
  T* y;

  template <int N>
  inline __attribute__((always_inline)) void run(int64_t q) const {
    const T* p = sums + q * cols.stride + cols.shift;
    Lanes<T, N> total = load_step<T, N, Step>(p, cols.stride);
    for (int64_t c = 1; c < cols.width; ++c) total += load_step<T, N, Step>(p + c, cols.stride);
    store_lanes<T, N>(y + q, total / divisor);
  }
};

template <class T>
void mean_cells(const AvgPool& pool, const PoolSpan& rows, const T* sums, int64_t from, int64_t to,
                T* y) {
  for (int64_t q = from; q < to; ++q) {
    const PoolSpan& cols = pool.cols.cells[q];
    T total = 0;
    if (cols.end - cols.begin >= 16) {
      total = sum_run(sums + cols.begin, cols.end - cols.begin);
    } else {
      for (int64_t w = cols.begin; w < cols.end; ++w) total += sums[w];
    }
    y[q] = cols.begin < cols.end ? total / divisor_of<T>(pool, rows, cols) : T(0);
  }
}

template <class T>
TG_SIMD void mean_row(const AvgPool& pool, const PoolSpan& rows, const T* sums, T* y) {
  constexpr int W = kLanes<T>, kLeast = 16 / static_cast<int>(sizeof(T));
  const PoolAxis& cols = pool.cols;
  bool done = false;
  if (cols.first < cols.last) {
    const T divisor = divisor_of<T>(pool, rows, cols.cells[cols.first]);
    if (cols.stride == 1) {
      done = cover<W, kLeast>(cols.first, cols.last, Means<T, 1>{cols, sums, divisor, y});
    } else if (cols.stride == 2) {
      done = cover<W, kLeast>(cols.first, cols.last, Means<T, 2>{cols, sums, divisor, y});
    } else if (cols.width < 16) {
      done = cover<W, kLeast>(cols.first, cols.last, Means<T, 0>{cols, sums, divisor, y});
    }
  }
  mean_cells(pool, rows, sums, 0, done ? cols.first : cols.count, y);
  if (done) mean_cells(pool, rows, sums, cols.last, cols.count, y);
}

template <class T>
TG_SIMD void add_rows(const T* __restrict__ x, int64_t rows, int64_t w, T* __restrict__ sums) {
  if (rows == 2) {
    for (int64_t i = 0; i < w; ++i) sums[i] = x[i] + x[w + i];
  } else if (rows == 3) {
    for (int64_t i = 0; i < w; ++i) sums[i] = x[i] + x[w + i] + x[2 * w + i];
  } else {
    for (int64_t i = 0; i < w; ++i) sums[i] = x[i];
    for (int64_t r = 1; r < rows; ++r) {
      for (int64_t i = 0; i < w; ++i) sums[i] += x[r * w + i];
    }
  }
}

// All windows of 2 x 2 at stride 2 inside the plane: each input is loaded once and no row of sums is kept.
TG_SIMD bool is_2x2(const PoolAxis& axis) {
  return axis.width == 2 && axis.stride == 2 && axis.shift == 0 && axis.first == 0 &&
         axis.last == axis.count;
}

template <class T>
struct Means2x2 {
  const T *top, *bottom;
  T divisor;
  T* y;

  template <int N>
  inline __attribute__((always_inline)) void run(int64_t q) const {
    const auto pairs = [&](const T* p) __attribute__((always_inline)) {
      const Lanes<T, N> lo = load_lanes<T, N>(p + 2 * q), hi = load_lanes<T, N>(p + 2 * q + N);
      return every_second<T, N>(lo, hi, 0) + every_second<T, N>(lo, hi, 1);
    };
    store_lanes<T, N>(y + q, (pairs(top) + pairs(bottom)) / divisor);
  }
};

template <class T>
TG_SIMD void mean_rows_2x2(const AvgPool& pool, int64_t p0, int64_t p1, const T* x, T* y) {
  constexpr int W = kLanes<T>, kLeast = 16 / static_cast<int>(sizeof(T));
  const T divisor = divisor_of<T>(pool, pool.rows.cells[0], pool.cols.cells[0]);
  for (int64_t p = p0; p < p1; ++p) {
    const T* top = x + 2 * p * pool.w;
    cover<W, kLeast>(0, pool.cols.count,
                     Means2x2<T>{top, top + pool.w, divisor, y + p * pool.cols.count});
  }
}

template <class T>
TG_SIMD void plane_means(const T* x, int64_t n, int64_t planes, T* y) {
  const T divisor = static_cast<T>(n);
  for (int64_t plane = 0; plane < planes; ++plane) y[plane] = sum_run(x + plane * n, n) / divisor;
}

template <class T>
TG_SIMD void mean_rows(const AvgPool& pool, int64_t p0, int64_t p1, const T* x, T* y, T* work) {
  const int64_t count = pool.cols.count;
  if (is_2x2(pool.rows) && is_2x2(pool.cols) && count * sizeof(T) >= 16)
    return mean_rows_2x2<T>(pool, p0, p1, x, y);
  for (int64_t p = p0; p < p1; ++p) {
    const PoolSpan& rows = pool.rows.cells[p];
    T* out = y + p * count;
    const T* from = x + rows.begin * pool.w;
    if (rows.begin >= rows.end) {
      for (int64_t q = 0; q < count; ++q) out[q] = T(0);
    } else if (count == 1 && pool.cols.cells[0].end - pool.cols.cells[0].begin == pool.w) {
      const T total = sum_run(from, (rows.end - rows.begin) * pool.w);
      out[0] = total / divisor_of<T>(pool, rows, pool.cols.cells[0]);
    } else if (rows.end - rows.begin == 1) {
      mean_row<T>(pool, rows, from, out);
    } else {
      add_rows<T>(from, rows.end - rows.begin, pool.w, work);
      mean_row<T>(pool, rows, work, out);
    }
  }
}

// Regular windows of two columns side by side.
template <class T>
struct Doubles {
  const T* shares;
  T* row;

  template <int N>
  inline __attribute__((always_inline)) void run(int64_t q) const {
    const Lanes<T, N> v = load_lanes<T, N>(shares + q);
    store_interleaved<T, N>(row + 2 * q, v, v);
  }
};

// row[w] = sum of the shares of the cells that hold column w.
template <class T>
TG_SIMD void spread(const AvgPool& pool, const T* __restrict__ shares, T* __restrict__ row) {
  constexpr int W = kLanes<T>, kLeast = 16 / static_cast<int>(sizeof(T));
  const PoolAxis& cols = pool.cols;
  const bool all = cols.first == 0 && cols.last == cols.count;
  if (all && cols.stride == 2 && cols.width == 2 && cols.shift == 0 && cols.count >= kLeast) {
    cover<W, kLeast>(0, cols.count, Doubles<T>{shares, row});
    for (int64_t w = 2 * cols.count; w < pool.w; ++w) row[w] = T(0);
    return;
  }
  for (int64_t w = 0; w < pool.w; ++w) row[w] = T(0);
  int64_t from = cols.count, to = cols.count;
  if (cols.stride == 1) {
    from = cols.first, to = cols.last;
    for (int64_t c = 0; c < cols.width; ++c) {
      T* at = row + cols.shift + c;
      for (int64_t q = from; q < to; ++q) at[q] += shares[q];
    }
  }
  for (int64_t q = 0; q < cols.count; ++q) {
    if (q == from) q = to;
    if (q >= cols.count) break;
    for (int64_t w = cols.cells[q].begin; w < cols.cells[q].end; ++w) row[w] += shares[q];
  }
}

template <class T>
struct Spread2x2 {
  const T* dy;
  T divisor;
  T *top, *bottom;

  template <int N>
  inline __attribute__((always_inline)) void run(int64_t q) const {
    const Lanes<T, N> v = load_lanes<T, N>(dy + q) / divisor;
    store_interleaved<T, N>(top + 2 * q, v, v);
    store_interleaved<T, N>(bottom + 2 * q, v, v);
  }
};

template <class T>
TG_SIMD void unpool_2x2(const AvgPool& pool, const T* dy, T* dx) {
  constexpr int W = kLanes<T>, kLeast = 16 / static_cast<int>(sizeof(T));
  const int64_t rows = pool.rows.count, count = pool.cols.count, w = pool.w;
  const T divisor = divisor_of<T>(pool, pool.rows.cells[0], pool.cols.cells[0]);
  for (int64_t p = 0; p < rows; ++p) {
    T *top = dx + 2 * p * w, *bottom = top + w;
    cover<W, kLeast>(0, count, Spread2x2<T>{dy + p * count, divisor, top, bottom});
    for (int64_t i = 2 * count; i < w; ++i) top[i] = bottom[i] = T(0);
  }
  for (int64_t i = 2 * rows * w; i < pool.h * w; ++i) dx[i] = T(0);
}

template <class T>
TG_SIMD void unpool(const AvgPool& pool, const T* dy, T* __restrict__ dx, T* __restrict__ work) {
  const int64_t count = pool.cols.count, w = pool.w;
  if (is_2x2(pool.rows) && is_2x2(pool.cols) && count * sizeof(T) >= 16)
    return unpool_2x2<T>(pool, dy, dx);
  T *shares = work, *row = work + count;
  int64_t done = 0;  // rows of dx before it hold something
  for (int64_t p = 0; p < pool.rows.count; ++p, dy += count) {
    const PoolSpan& rows = pool.rows.cells[p];
    if (rows.begin >= rows.end) continue;
    for (int64_t q = 0; q < count; ++q)
      shares[q] = dy[q] / divisor_of<T>(pool, rows, pool.cols.cells[q]);
    spread<T>(pool, shares, row);
    for (; done < rows.begin; ++done) {
      for (int64_t i = 0; i < w; ++i) dx[done * w + i] = T(0);
    }
    for (int64_t h = rows.begin; h < rows.end; ++h) {
      T* __restrict__ to = dx + h * w;
      if (h < done) {
        for (int64_t i = 0; i < w; ++i) to[i] += row[i];
      } else {
        for (int64_t i = 0; i < w; ++i) to[i] = row[i];
      }
    }
    if (rows.end > done) done = rows.end;
  }
  for (int64_t i = done * w; i < pool.h * w; ++i) dx[i] = T(0);
}

}  // namespace

void avg_pool_rows_f32(const AvgPool& pool, int64_t p0, int64_t p1, const float* x, float* y,
                       float* work) {
  mean_rows(pool, p0, p1, x, y, work);
}
void avg_pool_rows_f64(const AvgPool& pool, int64_t p0, int64_t p1, const double* x, double* y,
                       double* work) {
  mean_rows(pool, p0, p1, x, y, work);
}
void avg_unpool_f32(const AvgPool& pool, const float* dy, float* dx, float* work) {
  unpool(pool, dy, dx, work);
}
void avg_unpool_f64(const AvgPool& pool, const double* dy, double* dx, double* work) {
  unpool(pool, dy, dx, work);
}

void plane_means_f32(const float* x, int64_t n, int64_t planes, float* y) {
  plane_means(x, n, planes, y);
}
void plane_means_f64(const double* x, int64_t n, int64_t planes, double* y) {
  plane_means(x, n, planes, y);
}

}  // namespace tilegrad::TILEGRAD_ISA
