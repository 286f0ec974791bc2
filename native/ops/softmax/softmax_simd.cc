// softmax and log_softmax in three passes over a slice: largest, sum of exp(x - largest), result;
// the slice stays in the cache between them. softmax keeps its exponentials, in the output or, for
// 16-bit dtypes, in f32 scratch, so each is computed once. Sums run in 4 vectors of partial sums.
// A slice with NaN, with +inf or of -inf alone becomes NaN, as in PyTorch.
#include "ops/softmax/softmax_simd.h"

#include "core/cpu/row_moments.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

template <class T>
TG_SIMD void softmax_row(const T* x, T* y, int64_t n, float* scratch) {
  using C = compute_t<T>;
  C* kept;
  if constexpr (std::is_same_v<T, C>)
    kept = y;
  else
    kept = scratch;
  const Vec<C> largest = broadcast<C>(row_max(x, n));
  const auto sum = static_cast<C>(long_sum<C>(
      n, [&](int64_t i, int count) __attribute__((always_inline)) {
        __builtin_prefetch(x + n + i);  // of the next row, as that of y below
        const Vec<C> e = exp(load_wide(x + i, count) - largest);
        store_narrow<C>(kept + i, e, count);
        return e;
      }));
  const Vec<C> scale = broadcast<C>(C(1) / sum);
  for_each_vector<C>(
      n, [&](int64_t i, int, int count) __attribute__((always_inline)) {
        __builtin_prefetch(y + n + i, 1);
        store_narrow<T>(y + i, load_wide<C>(kept + i, count) * scale, count);
      });
}

template <class T>
TG_SIMD void log_softmax_row(const T* x, T* y, int64_t n) {
  using C = compute_t<T>;
  const Vec<C> largest = broadcast<C>(row_max(x, n));
  const auto sum = static_cast<C>(long_sum<C>(
      n, [&](int64_t i, int count)
             __attribute__((always_inline)) { return exp(load_wide(x + i, count) - largest); }));
  const Vec<C> log_sum = broadcast<C>(math::log(sum));
  for_each_vector<C>(
      n, [&](int64_t i, int, int count) __attribute__((always_inline)) {
        store_narrow<T>(y + i, load_wide(x + i, count) - largest - log_sum, count);
      });
}

template <class T, bool kLog>
void softmax_rows(const void* x_data, void* y_data, int64_t rows, int64_t n, float* scratch) {
  auto* x = static_cast<const T*>(x_data);
  auto* y = static_cast<T*>(y_data);
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    if constexpr (kLog)
      log_softmax_row(x, y, n);
    else
      softmax_row(x, y, n, scratch);
  }
}

// K vectors of columns; `count` lanes of the last one.
template <class T, bool kLog, int K>
TG_SIMD void softmax_columns_block(const T* x, T* y, int64_t n, int64_t stride, int count) {
  using C = compute_t<T>;
  constexpr int W = kWide<T>;
  Vec<C> largest[K], sum[K];
  for (int k = 0; k < K; ++k) {
    largest[k] = broadcast<C>(kLowest<C>);
    sum[k] = Vec<C>{};
  }
  for (int64_t i = 0; i < n; ++i)
#pragma GCC unroll 4
    for (int k = 0; k < K; ++k)
      largest[k] = larger<C>(load_wide(x + i * stride + k * W, count), largest[k]);
  for (int64_t first = 0; first < n; first += kColumnRun) {
    const int64_t last = n - first < kColumnRun ? n : first + kColumnRun;
    Vec<C> run[K] = {};
    for (int64_t i = first; i < last; ++i)
#pragma GCC unroll 4
      for (int k = 0; k < K; ++k)
        run[k] += exp(load_wide(x + i * stride + k * W, count) - largest[k]);
#pragma GCC unroll 4
    for (int k = 0; k < K; ++k) sum[k] += run[k];
  }
#pragma GCC unroll 4
  for (int k = 0; k < K; ++k) sum[k] = kLog ? log(sum[k]) : C(1) / sum[k];
  for (int64_t i = 0; i < n; ++i)
#pragma GCC unroll 4
    for (int k = 0; k < K; ++k) {
      const Vec<C> shifted = load_wide(x + i * stride + k * W, count) - largest[k];
      store_narrow<T>(y + i * stride + k * W, kLog ? shifted - sum[k] : exp(shifted) * sum[k],
                      count);
    }
}

template <class T, bool kLog>
void softmax_columns(const void* x_data, void* y_data, int64_t n, int64_t stride, int64_t columns) {
  constexpr int W = kWide<T>;
  auto* x = static_cast<const T*>(x_data);
  auto* y = static_cast<T*>(y_data);
  int64_t c = 0;
  for (; c + 4 * W <= columns; c += 4 * W)
    softmax_columns_block<T, kLog, 4>(x + c, y + c, n, stride, W);
  for (; c + W <= columns; c += W) softmax_columns_block<T, kLog, 1>(x + c, y + c, n, stride, W);
  if (c < columns)
    softmax_columns_block<T, kLog, 1>(x + c, y + c, n, stride, static_cast<int>(columns - c));
}

// softmax: y (dout - <dout, y>); log_softmax: dout - exp(y) sum(dout).
template <class C, bool kLog>
TG_SIMD Vec<C> gradient(Vec<C> dout, Vec<C> y, Vec<C> total) {
  if constexpr (kLog)
    return dout - exp(y) * total;
  else
    return y * (dout - total);
}

template <class T, bool kLog>
void softmax_grad_rows(const void* dout_data, const void* y_data, void* dx_data, int64_t rows,
                       int64_t n) {
  using C = compute_t<T>;
  auto* dout = static_cast<const T*>(dout_data);
  auto* y = static_cast<const T*>(y_data);
  auto* dx = static_cast<T*>(dx_data);
  for (int64_t r = 0; r < rows; ++r, dout += n, y += n, dx += n) {
    const auto sum = static_cast<C>(long_sum<C>(
        n, [&](int64_t i, int count) __attribute__((always_inline)) {
          const Vec<C> g = load_wide(dout + i, count);
          return kLog ? g : g * load_wide(y + i, count);
        }));
    const Vec<C> total = broadcast<C>(sum);
    for_each_vector<C>(
        n, [&](int64_t i, int, int count) __attribute__((always_inline)) {
          __builtin_prefetch(dout + n + i);  // of the next row
          __builtin_prefetch(y + n + i);
          __builtin_prefetch(dx + n + i, 1);
          store_narrow<T>(
              dx + i, gradient<C, kLog>(load_wide(dout + i, count), load_wide(y + i, count), total),
              count);
        });
  }
}

template <class T, bool kLog>
void softmax_grad_columns(const void* dout_data, const void* y_data, void* dx_data, int64_t n,
                          int64_t stride, int64_t columns) {
  using C = compute_t<T>;
  constexpr int W = kWide<T>;
  auto* dout = static_cast<const T*>(dout_data);
  auto* y = static_cast<const T*>(y_data);
  auto* dx = static_cast<T*>(dx_data);
  for (int64_t c = 0; c < columns; c += W) {
    const int count = columns - c < W ? static_cast<int>(columns - c) : W;
    const Vec<C> total = column_sum<C>(
        n, [&](int64_t i) __attribute__((always_inline)) {
          const Vec<C> g = load_wide(dout + c + i * stride, count);
          return kLog ? g : g * load_wide(y + c + i * stride, count);
        });
    for (int64_t at = c; at < c + n * stride; at += stride)
      store_narrow<T>(
          dx + at, gradient<C, kLog>(load_wide(dout + at, count), load_wide(y + at, count), total),
          count);
  }
}

template <class T>
SoftmaxKernels kernels_of(bool log) {
  if (log)
    return {softmax_rows<T, true>, softmax_columns<T, true>, softmax_grad_rows<T, true>,
            softmax_grad_columns<T, true>};
  return {softmax_rows<T, false>, softmax_columns<T, false>, softmax_grad_rows<T, false>,
          softmax_grad_columns<T, false>};
}

}  // namespace

SoftmaxKernels softmax_kernels(DType dtype, bool log) {
  TG_DISPATCH_FLOAT(dtype, T, return kernels_of<T>(log))
  return {};
}

}  // namespace tilegrad::TILEGRAD_ISA
