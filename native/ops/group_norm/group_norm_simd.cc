// group_norm row by row, a row being one group of one sample: its moments, then channel by channel the result, so that a
// row stays in the cache between the two. The gradient takes two sums of each channel, of which those of the row are
// weighted sums. A lane of a sum adds at most 64 values before they go into f64.
#include "ops/group_norm/group_norm_simd.h"

#include "core/cpu/row_moments.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

template <class T>
double value_at(const T* p, int64_t i, double otherwise) {
  return p ? static_cast<double>(static_cast<compute_t<T>>(p[i])) : otherwise;
}

template <class T>
void forward(const void* x_data, void* y_data, const ChannelGroups& g, int64_t first, int64_t last,
             const void* weight_data, const void* bias_data, double eps, void* mean_data,
             void* rstd_data) {
  using C = compute_t<T>;
  auto *weight = static_cast<const T*>(weight_data), *bias = static_cast<const T*>(bias_data);
  auto *mean = static_cast<C*>(mean_data), *rstd = static_cast<C*>(rstd_data);
  for (int64_t r = first; r < last; ++r) {
    const T* x = static_cast<const T*>(x_data) + r * g.size();
    T* y = static_cast<T*>(y_data) + r * g.size();
    const Moments at = moments(x, g.size());
    const double scale = 1 / __builtin_sqrt((at.variance < 0 ? 0 : at.variance) + eps);
    mean[r] = static_cast<C>(at.mean);
    rstd[r] = static_cast<C>(scale);
    const Vec<C> around = broadcast<C>(mean[r]);
    for (int64_t k = 0; k < g.channels; ++k, x += g.inner, y += g.inner) {
      const int64_t c = r % g.groups * g.channels + k;
      const Vec<C> factor = broadcast<C>(static_cast<C>(scale * value_at(weight, c, 1))),
                   shift = broadcast<C>(static_cast<C>(value_at(bias, c, 0)));
      for_each_vector<C>(
          g.inner, [&](int64_t i, int, int count) __attribute__((always_inline)) {
            store_narrow<T>(y + i, (load_wide(x + i, count) - around) * factor + shift, count);
          });
    }
  }
}

struct ChannelSums {
  double sum, dot;
};

// Of dout, and of dout (x - around).
template <class T>
TG_SIMD ChannelSums channel_sums(const T* dout, const T* x, int64_t n, Wide<T> around) {
  using C = compute_t<T>;
  constexpr int64_t kRun = 256 * kLanes<C>;
  ChannelSums total{0, 0};
  for (int64_t first = 0; first < n; first += kRun) {
    const int64_t length = n - first < kRun ? n - first : kRun;
    Vec<C> s[4] = {}, q[4] = {};
    for_each_vector<C>(
        length, [&](int64_t i, int k, int count) __attribute__((always_inline)) {
          const Vec<C> d = load_wide(dout + first + i, count);
          s[k] += d;
          const Vec<C> off = load_wide(x + first + i, count) - around;
          q[k] += first_lanes<C>(d * off, count, Vec<C>{});
        });
    total.sum += static_cast<double>(sum_lanes<C>((s[0] + s[1]) + (s[2] + s[3])));
    total.dot += static_cast<double>(sum_lanes<C>((q[0] + q[1]) + (q[2] + q[3])));
  }
  return total;
}

template <class T>
void backward(const void* dout_data, const void* x_data, void* dx_data, const ChannelGroups& g,
              int64_t first, int64_t last, const void* weight_data, const void* mean_data,
              const void* rstd_data, double* sums, double* dots) {
  using C = compute_t<T>;
  auto* weight = static_cast<const T*>(weight_data);
  const double n = static_cast<double>(g.size());
  for (int64_t r = first; r < last; ++r) {
    const int64_t start = r * g.size(), channel = r % g.groups * g.channels;
    const T *dout = static_cast<const T*>(dout_data) + start,
            *x = static_cast<const T*>(x_data) + start;
    T* dx = static_cast<T*>(dx_data) + start;
    const double scale = static_cast<double>(static_cast<const C*>(rstd_data)[r]);
    const Vec<C> around = broadcast<C>(static_cast<const C*>(mean_data)[r]);
    double sum = 0, dot = 0;
    for (int64_t k = 0; k < g.channels; ++k) {
      const ChannelSums of = channel_sums(dout + k * g.inner, x + k * g.inner, g.inner, around);
      sums[r * g.channels + k] = of.sum;
      dots[r * g.channels + k] = of.dot * scale;
      sum += of.sum * value_at(weight, channel + k, 1);
      dot += of.dot * scale * value_at(weight, channel + k, 1);
    }
    // dx = rstd (weight dout - sum / n - xhat dot / n)
    const Vec<C> slope = broadcast<C>(static_cast<C>(-scale * scale * dot / n)),
                 shift = broadcast<C>(static_cast<C>(-scale * sum / n));
    for (int64_t k = 0; k < g.channels; ++k, dout += g.inner, x += g.inner, dx += g.inner) {
      const Vec<C> factor = broadcast<C>(static_cast<C>(scale * value_at(weight, channel + k, 1)));
      for_each_vector<C>(
          g.inner, [&](int64_t i, int, int count) __attribute__((always_inline)) {
            const Vec<C> off = (load_wide(x + i, count) - around) * slope;
            store_narrow<T>(dx + i, load_wide(dout + i, count) * factor + (off + shift), count);
          });
    }
  }
}

}  // namespace

GroupNormKernels group_norm_kernels(DType dtype) {
  TG_DISPATCH_FLOAT(dtype, T, return (GroupNormKernels{forward<T>, backward<T>}))
  return {};
}

}  // namespace tilegrad::TILEGRAD_ISA
