// layer_norm row by row: mean and variance, result, each a pass over a row that stays in the cache. The gradient
// of a row needs the sums of g and g xhat, g = dout weight; those of weight and bias add up over the rows, kRunRows rows
// in the compute type, then in f64. A lane of a row's sum adds at most 64 values before they go into f64.
#include "ops/layer_norm/layer_norm_simd.h"

#include "core/cpu/row_moments.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

constexpr int64_t kRunRows = 64;

template <class T>
TG_SIMD void forward_row(const T* x, T* y, const NormRows& rows, double eps, compute_t<T>* mean,
                         compute_t<T>* rstd) {
  using C = compute_t<T>;
  const int64_t n = rows.n;
  const Moments at = rows.center ? moments(x, n) : mean_square(x, n);
  *mean = static_cast<C>(at.mean);
  *rstd = static_cast<C>(1 / __builtin_sqrt((at.variance < 0 ? 0 : at.variance) + eps));
  const Vec<C> around = broadcast<C>(*mean), scale = broadcast<C>(*rstd);
  auto* weight = static_cast<const T*>(rows.weight);
  auto* bias = static_cast<const T*>(rows.bias);
  for_each_vector<C>(
      n, [&](int64_t i, int, int count) __attribute__((always_inline)) {
        // Of the next row; that of y costs more than it saves.
        __builtin_prefetch(x + n + i);
        Vec<C> v = (load_wide(x + i, count) - around) * scale;
        if (weight) v *= load_wide(weight + i, count);
        if (bias) v += load_wide(bias + i, count);
        store_narrow<T>(y + i, v, count);
      });
}

template <class T>
void forward(const void* x_data, void* y_data, const NormRows& rows, double eps, void* mean_data,
             void* rstd_data) {
  using C = compute_t<T>;
  auto* x = static_cast<const T*>(x_data);
  auto* y = static_cast<T*>(y_data);
  for (int64_t r = 0; r < rows.rows; ++r)
    forward_row(x + r * rows.n, y + r * rows.n, rows, eps, static_cast<C*>(mean_data) + r,
                static_cast<C*>(rstd_data) + r);
}

template <class T>
TG_SIMD Wide<T> weighted(const T* dout, const T* weight, int64_t i, int count) {
  const Wide<T> g = load_wide(dout + i, count);
  return weight ? g * load_wide(weight + i, count) : g;
}

template <class T>
TG_SIMD void backward_row(const T* dout, const T* x, T* dx, const NormRows& rows, compute_t<T> mean,
                          compute_t<T> rstd, compute_t<T>* run) {
  using C = compute_t<T>;
  const int64_t n = rows.n;
  auto* weight = static_cast<const T*>(rows.weight);
  const Vec<C> around = broadcast<C>(mean), scale = broadcast<C>(rstd);
  double sum = 0;
  if (rows.center)
    sum = long_sum<C>(
        n, [=](int64_t i, int count)
               __attribute__((always_inline)) { return weighted(dout, weight, i, count); });
  const double dot = long_sum<C>(
      n, [=](int64_t i, int count) __attribute__((always_inline)) {
        return weighted(dout, weight, i, count) * ((load_wide(x + i, count) - around) * scale);
      });
  const Vec<C> average = broadcast<C>(static_cast<C>(sum / static_cast<double>(n))),
               slope = broadcast<C>(static_cast<C>(dot / static_cast<double>(n)));
  for_each_vector<C>(
      n, [&](int64_t i, int, int count) __attribute__((always_inline)) {
        const Vec<C> xhat = (load_wide(x + i, count) - around) * scale;
        store_narrow<T>(dx + i, (weighted(dout, weight, i, count) - average - xhat * slope) * scale,
                        count);
        if (!run) return;
        const Vec<C> g = load_wide(dout + i, count);
        store_narrow<C>(run + i, load_wide<C>(run + i, count) + g * xhat, count);
        store_narrow<C>(run + n + i, load_wide<C>(run + n + i, count) + g, count);
      });
}

template <class T>
void backward(const void* dout_data, const void* x_data, void* dx_data, const NormRows& rows,
              const void* mean_data, const void* rstd_data, void* run_data, double* dweight,
              double* dbias) {
  using C = compute_t<T>;
  auto* dout = static_cast<const T*>(dout_data);
  auto* x = static_cast<const T*>(x_data);
  auto* dx = static_cast<T*>(dx_data);
  auto* mean = static_cast<const C*>(mean_data);
  auto* rstd = static_cast<const C*>(rstd_data);
  auto* run = dweight ? static_cast<C*>(run_data) : nullptr;
  for (int64_t first = 0; first < rows.rows; first += kRunRows) {
    const int64_t last = rows.rows - first < kRunRows ? rows.rows : first + kRunRows;
    for (int64_t i = 0; run && i < 2 * rows.n; ++i) run[i] = 0;
    for (int64_t r = first; r < last; ++r)
      backward_row(dout + r * rows.n, x + r * rows.n, dx + r * rows.n, rows, mean[r], rstd[r], run);
    for (int64_t i = 0; run && i < rows.n; ++i) {
      dweight[i] += static_cast<double>(run[i]);
      dbias[i] += static_cast<double>(run[rows.n + i]);
    }
  }
}

}  // namespace

LayerNormKernels layer_norm_kernels(DType dtype) {
  TG_DISPATCH_FLOAT(dtype, T, return (LayerNormKernels{forward<T>, backward<T>}))
  return {};
}

}  // namespace tilegrad::TILEGRAD_ISA
