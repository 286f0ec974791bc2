// Log-sum-exp, target sums and logit gradients of cross_entropy, vectorised over the classes of a
// row or over neighbouring columns. Each pass reads its logits once, from the cache after the first.
#include "ops/cross_entropy/cross_entropy_simd.h"

#include "core/cpu/row_moments.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

template <class T>
TG_SIMD void log_sums_rows(const T* x, const ClassLayout& layout, compute_t<T>* largest,
                           compute_t<T>* log_sum) {
  using C = compute_t<T>;
  const int64_t n = layout.n;
  for (int64_t r = 0; r < layout.count; ++r, x += n) {
    largest[r] = row_max(x, n);
    const Vec<C> shift = broadcast<C>(largest[r]);
    log_sum[r] = static_cast<C>(long_sum<C>(
        n, [&](int64_t i, int count)
               __attribute__((always_inline)) { return exp(load_wide(x + i, count) - shift); }));
  }
  for_each_vector<C>(
      layout.count, [&](int64_t i, int, int count) __attribute__((always_inline)) {
        store_narrow<C>(log_sum + i, log(load_wide<C>(log_sum + i, count)), count);
      });
}

// Calls body(first column, lanes) for each vector of columns.
template <class T, class Body>
TG_SIMD void for_columns(const ClassLayout& layout, Body&& body) {
  for (int64_t c = 0; c < layout.count; c += kWide<T>)
    body(c, layout.count - c < kWide<T> ? static_cast<int>(layout.count - c) : kWide<T>);
}

template <class T>
void log_sums(const void* x_data, const ClassLayout& layout, void* largest_data, void* sum_data) {
  using C = compute_t<T>;
  auto* x = static_cast<const T*>(x_data);
  auto* largest = static_cast<C*>(largest_data);
  auto* log_sum = static_cast<C*>(sum_data);
  if (layout.rows) return log_sums_rows(x, layout, largest, log_sum);
  for_columns<T>(
      layout, [&](int64_t c, int lanes) __attribute__((always_inline)) {
        Vec<C> most = broadcast<C>(kLowest<C>);
        for (int64_t i = 0; i < layout.n; ++i)
          most = larger<C>(load_wide(x + c + i * layout.stride, lanes), most);
        const Vec<C> sum = column_sum<C>(
            layout.n, [&](int64_t i) __attribute__((always_inline)) {
              return exp(load_wide(x + c + i * layout.stride, lanes) - most);
            });
        store_narrow<C>(largest + c, most, lanes);
        store_narrow<C>(log_sum + c, log(sum), lanes);
      });
}

// Classes from i on of a row: the vector of target values.
template <class T>
TG_SIMD Wide<T> row_target(const ClassTarget& target, int64_t row, int64_t i, int count) {
  using C = compute_t<T>;
  Vec<C> t = broadcast<C>(static_cast<C>(target.b));
  if (target.probability)
    t += load_wide(static_cast<const T*>(target.probability) + row + i, count) *
         static_cast<C>(target.a);
  if (target.weight) t *= load_wide(static_cast<const T*>(target.weight) + i, count);
  return t;
}

// Class i of the columns from `at` on.
template <class T>
TG_SIMD Wide<T> column_target(const ClassTarget& target, int64_t at, int64_t i, int lanes) {
  using C = compute_t<T>;
  Vec<C> t = broadcast<C>(static_cast<C>(target.b));
  if (target.probability)
    t +=
        load_wide(static_cast<const T*>(target.probability) + at, lanes) * static_cast<C>(target.a);
  if (target.weight) t *= static_cast<C>(static_cast<const T*>(target.weight)[i]);
  return t;
}

template <class T>
void target_sums(const void* x_data, const ClassLayout& layout, const ClassTarget& target,
                 const void* largest_data, const void* sum_data, void* dot_data, void* total_data) {
  using C = compute_t<T>;
  auto* x = static_cast<const T*>(x_data);
  auto* largest = static_cast<const C*>(largest_data);
  auto* log_sum = static_cast<const C*>(sum_data);
  auto* dot = static_cast<C*>(dot_data);
  auto* total = static_cast<C*>(total_data);
  const int64_t n = layout.n;
  for (int64_t r = 0; layout.rows && r < layout.count; ++r) {
    const Vec<C> shift = broadcast<C>(largest[r]), log_total = broadcast<C>(log_sum[r]);
    const T* row = x + r * n;
    dot[r] = static_cast<C>(long_sum<C>(
        n, [&](int64_t i, int count) __attribute__((always_inline)) {
          return row_target<T>(target, r * n, i, count) *
                 (load_wide(row + i, count) - shift - log_total);
        }));
    total[r] = static_cast<C>(long_sum<C>(
        n, [&](int64_t i, int count)
               __attribute__((always_inline)) { return row_target<T>(target, r * n, i, count); }));
  }
  if (layout.rows) return;
  for_columns<T>(
      layout, [&](int64_t c, int lanes) __attribute__((always_inline)) {
        const Vec<C> shift = load_wide<C>(largest + c, lanes),
                     log_total = load_wide<C>(log_sum + c, lanes);
        Vec<C> products = {}, sum = {};
        for (int64_t first = 0; first < n; first += kColumnRun) {
          const int64_t last = n - first < kColumnRun ? n : first + kColumnRun;
          Vec<C> run_products = {}, run_sum = {};
          for (int64_t i = first; i < last; ++i) {
            const int64_t at = c + i * layout.stride;
            const Vec<C> t = column_target<T>(target, at, i, lanes);
            run_products += t * (load_wide(x + at, lanes) - shift - log_total);
            run_sum += t;
          }
          products += run_products;
          sum += run_sum;
        }
        store_narrow<C>(dot + c, products, lanes);
        store_narrow<C>(total + c, sum, lanes);
      });
}

template <class T>
void gradients(const void* x_data, void* dx_data, const ClassLayout& layout,
               const ClassTarget& target, const void* largest_data, const void* sum_data,
               const void* slope_data, const void* scale_data) {
  using C = compute_t<T>;
  auto* x = static_cast<const T*>(x_data);
  auto* dx = static_cast<T*>(dx_data);
  auto* largest = static_cast<const C*>(largest_data);
  auto* log_sum = static_cast<const C*>(sum_data);
  auto* slope = static_cast<const C*>(slope_data);
  auto* scale = static_cast<const C*>(scale_data);
  const int64_t n = layout.n;
  for (int64_t r = 0; layout.rows && r < layout.count; ++r) {
    const Vec<C> shift = broadcast<C>(largest[r]), log_total = broadcast<C>(log_sum[r]),
                 k = broadcast<C>(slope ? slope[r] : C(0)), s = broadcast<C>(scale[r]);
    for_each_vector<C>(
        n, [&](int64_t i, int, int count) __attribute__((always_inline)) {
          const int64_t at = r * n + i;
          Vec<C> g = -s * row_target<T>(target, r * n, i, count);
          if (slope) g += k * exp(load_wide(x + at, count) - shift - log_total);
          store_narrow<T>(dx + at, g, count);
        });
  }
  if (layout.rows) return;
  for_columns<T>(
      layout, [&](int64_t c, int lanes) __attribute__((always_inline)) {
        const Vec<C> shift = load_wide<C>(largest + c, lanes),
                     log_total = load_wide<C>(log_sum + c, lanes),
                     k = slope ? load_wide<C>(slope + c, lanes) : Vec<C>{},
                     s = load_wide<C>(scale + c, lanes);
        for (int64_t i = 0; i < n; ++i) {
          const int64_t at = c + i * layout.stride;
          Vec<C> g = -s * column_target<T>(target, at, i, lanes);
          if (slope) g += k * exp(load_wide(x + at, lanes) - shift - log_total);
          store_narrow<T>(dx + at, g, lanes);
        }
      });
}

}  // namespace

CrossEntropyKernels cross_entropy_kernels(DType dtype) {
  TG_DISPATCH_FLOAT(dtype, T,
                    return (CrossEntropyKernels{log_sums<T>, target_sums<T>, gradients<T>}))
  return {};
}

}  // namespace tilegrad::TILEGRAD_ISA
