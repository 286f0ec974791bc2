// batch_norm of images on the CPU, a chunk of channels at a time: in training the statistics, then the normalization, find
// the channels in the cache where they fit; tables are in batch_norm_table.cc. Bytes moved: x read up to 3 times, y
// written once; its gradient reads x and dout twice. The divisor of the statistics is the count of a channel's values.
#include <cmath>

#include "core/cpu/scratch.h"
#include "core/normalization.h"
#include "core/sweep.h"
#include "ops/batch_norm/batch_norm.h"
#include "ops/batch_norm/batch_norm_simd.h"

namespace tilegrad {

namespace {

constexpr int64_t kChunk = 16384;  // elements

ChannelLayout layout_of(const Shape& x) {
  ChannelLayout l{x[0], x[1], 1};
  for (int d = 2; d < x.rank; ++d) l.inner *= x[d];
  return l;
}

template <class Body>
void for_channels(const ChannelLayout& l, Body&& body) {
  sweep_for(l.channels, grain_for(l.per_channel(), kChunk), l.channels * l.per_channel() * 8, body);
}

template <class T>
void forward(KernelArgs& args) {
  using C = compute_t<T>;
  const ChannelLayout l = layout_of(args.inputs[kBnX].shape());
  if (l.inner == 1) return batch_norm_table_cpu(args);
  const BatchNormKernels kernels = TILEGRAD_SIMD(batch_norm_kernels)(args.inputs[kBnX].dtype);
  const T *x = args.inputs[kBnX].as<T>(), *weight = optional_input<T>(args, kBnWeight),
          *bias = optional_input<T>(args, kBnBias),
          *running_mean = optional_input<T>(args, kBnRunningMean),
          *running_var = optional_input<T>(args, kBnRunningVar);
  C *mean = args.outputs[1].as<C>(), *rstd = args.outputs[2].as<C>();
  const bool training = args.attrs.boolean("training");
  const double eps = args.attrs.number("eps");
  const size_t channels = static_cast<size_t>(l.channels);
  auto* means = static_cast<double*>(
      scratch(ScratchSlot::region, channels * 2 * (sizeof(double) + sizeof(C))));
  double* variances = means + channels;
  auto* scale = reinterpret_cast<C*>(variances + channels);
  C* shift = scale + channels;
  for_channels(l, [&](int64_t first, int64_t last) {
    if (training) kernels.moments(x, l, first, last, means, variances);
    for (int64_t c = first; c < last; ++c) {
      if (!training) {
        means[c] = static_cast<double>(static_cast<C>(running_mean[c]));
        variances[c] = static_cast<double>(static_cast<C>(running_var[c]));
      }
      mean[c] = static_cast<C>(means[c]);
      const double r = 1 / std::sqrt(variances[c] + eps);
      rstd[c] = static_cast<C>(r);
      scale[c] = static_cast<C>(weight ? r * static_cast<double>(static_cast<C>(weight[c])) : r);
      shift[c] = bias ? static_cast<C>(bias[c]) : C(0);
    }
    kernels.normalize(x, args.outputs[0].data, l, first, last, mean, scale, shift);
  });
}

template <class T>
void backward(KernelArgs& args) {
  using C = compute_t<T>;
  const ChannelLayout l = layout_of(args.inputs[kBnGradX].shape());
  if (l.inner == 1) return batch_norm_table_grad_cpu(args);
  const BatchNormKernels kernels = TILEGRAD_SIMD(batch_norm_kernels)(args.inputs[kBnGradX].dtype);
  const T *dout = args.inputs[kBnDout].as<T>(), *x = args.inputs[kBnGradX].as<T>(),
          *weight = optional_input<T>(args, kBnGradWeight);
  const C *mean = args.inputs[kBnMean].as<C>(), *rstd = args.inputs[kBnRstd].as<C>();
  T *dweight = args.outputs[1].as<T>(), *dbias = args.outputs[2].as<T>();
  const bool training = args.attrs.boolean("training");
  const double n = static_cast<double>(l.per_channel());
  const size_t channels = static_cast<size_t>(l.channels);
  auto* sum = static_cast<double*>(
      scratch(ScratchSlot::region, channels * (2 * sizeof(double) + 3 * sizeof(C))));
  double* dot = sum + channels;
  auto* scale = reinterpret_cast<C*>(dot + channels);
  C *slope = scale + channels, *shift = slope + channels;
  for_channels(l, [&](int64_t first, int64_t last) {
    kernels.gradient_sums(dout, x, l, first, last, mean, sum, dot);
    for (int64_t c = first; c < last; ++c) {
      const double r = static_cast<double>(rstd[c]);
      const double s = weight ? r * static_cast<double>(static_cast<C>(weight[c])) : r;
      dweight[c] = static_cast<T>(static_cast<C>(dot[c] * r));
      dbias[c] = static_cast<T>(static_cast<C>(sum[c]));
      scale[c] = static_cast<C>(s);
      slope[c] = training ? static_cast<C>(-s * r * r * dot[c] / n) : C(0);
      shift[c] = training ? static_cast<C>(-s * sum[c] / n) : C(0);
    }
    kernels.gradient(dout, training ? x : nullptr, args.outputs[0].data, l, first, last, mean,
                     scale, slope, shift);
  });
}

template <class T>
void update(KernelArgs& args) {
  using C = compute_t<T>;
  const View &running_mean = args.inputs[0], &running_var = args.inputs[1];
  const C *mean = args.inputs[2].as<C>(), *rstd = args.inputs[3].as<C>();
  const double momentum = args.attrs.number("momentum"), eps = args.attrs.number("eps"),
               n = static_cast<double>(args.attrs.integer("count"));
  const auto move = [&](const View& view, int64_t c, double to) {
    T& value = view.as<T>()[c * view.layout.strides[0]];
    const double now = static_cast<double>(static_cast<C>(value));
    value = static_cast<T>(static_cast<C>(now + momentum * (to - now)));
  };
  for (int64_t c = 0; c < running_mean.numel(); ++c) {
    const double r = static_cast<double>(rstd[c * args.inputs[3].layout.strides[0]]);
    const double biased = 1 / (r * r) - eps, variance = biased < 0 ? 0 : biased;  // NaN stays
    move(running_mean, c, static_cast<double>(mean[c * args.inputs[2].layout.strides[0]]));
    move(running_var, c, variance * n / (n - 1));
  }
}

}  // namespace

void batch_norm_cpu(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[kBnX].dtype, T, forward<T>(args))
}
void batch_norm_grad_cpu(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[kBnGradX].dtype, T, backward<T>(args))
}
void batch_norm_update_cpu(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[0].dtype, T, update<T>(args))
}

}  // namespace tilegrad
