// group_norm on CUDA. A block of 256 takes one group of one sample: its threads walk the values 256 apart for the sums,
// which are joined in f64 in a fixed order, and again for the result. For the gradients of weight and bias a block takes
// a channel. Bytes moved: forward x read three times, y written once; backward x and dout read three times, dx written
// once.
#include "core/cuda/block_sum.cuh"
#include "core/cuda/cuda_device.h"
#include "core/math.h"
#include "core/normalization.h"
#include "ops/group_norm/group_norm.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;

template <class T>
__device__ double value_at(const T* p, int64_t i, double otherwise) {
  return p ? static_cast<double>(static_cast<compute_t<T>>(p[i])) : otherwise;
}

template <class T>
struct Forward {
  const T *x, *weight, *bias;
  T* y;
  compute_t<T>*mean, *rstd;
  ChannelGroups groups;
  double eps;
};

template <class T>
__global__ void __launch_bounds__(kThreads) group_norm_forward(const Forward<T> call) {
  using C = compute_t<T>;
  const ChannelGroups& g = call.groups;
  const int64_t size = g.channels * g.inner;
  const double n = static_cast<double>(size > 0 ? size : 1);
  for (int64_t r = blockIdx.x; r < g.samples * g.groups; r += gridDim.x) {
    const T* x = call.x + r * size;
    const auto value = [&](int64_t i) { return static_cast<C>(x[i]); };
    const double mean = cuda::block_sum<kThreads>(size, value) / n;
    const double variance = cuda::block_variance<kThreads>(size, n, mean, value);
    const double scale = 1 / math::sqrt(variance + call.eps);
    const C center = static_cast<C>(mean);
    for (int64_t i = threadIdx.x; i < size; i += kThreads) {
      const int64_t c = r % g.groups * g.channels + i / g.inner;
      const C factor = static_cast<C>(scale * value_at(call.weight, c, 1)),
              shift = static_cast<C>(value_at(call.bias, c, 0));
      call.y[r * size + i] = static_cast<T>((static_cast<C>(x[i]) - center) * factor + shift);
    }
    if (threadIdx.x == 0) {
      call.mean[r] = center;
      call.rstd[r] = static_cast<C>(scale);
    }
  }
}

template <class T>
struct Backward {
  const T *dout, *x, *weight;
  const compute_t<T>*mean, *rstd;
  T *dx, *dweight, *dbias;
  ChannelGroups groups;
};

template <class T>
__global__ void __launch_bounds__(kThreads) group_norm_backward(const Backward<T> call) {
  using C = compute_t<T>;
  const ChannelGroups& g = call.groups;
  const int64_t size = g.channels * g.inner;
  const double n = static_cast<double>(size);
  for (int64_t r = blockIdx.x; r < g.samples * g.groups; r += gridDim.x) {
    const T *x = call.x + r * size, *dout = call.dout + r * size;
    const C center = call.mean[r], scale = call.rstd[r];
    const auto given = [&](int64_t i) {
      const double weight = value_at(call.weight, r % g.groups * g.channels + i / g.inner, 1);
      return static_cast<double>(static_cast<C>(dout[i])) * weight;
    };
    const auto xhat = [&](int64_t i) { return (static_cast<C>(x[i]) - center) * scale; };
    const double average = cuda::block_sum<kThreads>(size, given) / n;
    const double slope =
        cuda::block_sum<kThreads>(
            size, [&](int64_t i) { return given(i) * static_cast<double>(xhat(i)); }) /
        n;
    for (int64_t i = threadIdx.x; i < size; i += kThreads)
      call.dx[r * size + i] = static_cast<T>(
          (static_cast<C>(given(i)) - static_cast<C>(average) - xhat(i) * static_cast<C>(slope)) *
          scale);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) group_norm_weight_grads(const Backward<T> call) {
  using C = compute_t<T>;
  const ChannelGroups& g = call.groups;
  const int64_t channels = g.groups * g.channels;
  for (int64_t c = blockIdx.x; c < channels; c += gridDim.x) {
    // Offset of value i of the channel, and the group that it lies in.
    const auto at = [&](int64_t i) { return (i / g.inner * channels + c) * g.inner + i % g.inner; };
    const auto row = [&](int64_t i) { return i / g.inner * g.groups + c / g.channels; };
    const int64_t count = g.samples * g.inner;
    const double bias = cuda::block_sum<kThreads>(
        count, [&](int64_t i) { return static_cast<C>(call.dout[at(i)]); });
    const double weight = cuda::block_sum<kThreads>(count, [&](int64_t i) {
      const C xhat = (static_cast<C>(call.x[at(i)]) - call.mean[row(i)]) * call.rstd[row(i)];
      return static_cast<C>(call.dout[at(i)]) * xhat;
    });
    if (threadIdx.x == 0) {
      call.dweight[c] = static_cast<T>(static_cast<C>(weight));
      call.dbias[c] = static_cast<T>(static_cast<C>(bias));
    }
  }
}

template <class T>
void forward(KernelArgs& args) {
  using C = compute_t<T>;
  const Forward<T> call{args.inputs[kGnX].as<T>(),
                        optional_input<T>(args, kGnWeight),
                        optional_input<T>(args, kGnBias),
                        args.outputs[0].as<T>(),
                        args.outputs[1].as<C>(),
                        args.outputs[2].as<C>(),
                        channel_groups(args, args.inputs[kGnX]),
                        args.attrs.number("eps")};
  if (call.groups.rows() == 0) return;
  auto& stream = cuda::stream_of(args.stream);
  cuda::check(launch(group_norm_forward<T>, dim3(cuda::grid_size(stream, call.groups.rows(), 1)),
                     dim3(kThreads), 0, stream.handle(), call),
              "launch");
}

template <class T>
void backward(KernelArgs& args) {
  using C = compute_t<T>;
  const Backward<T> call{args.inputs[kGnDout].as<T>(),
                         args.inputs[kGnGradX].as<T>(),
                         optional_input<T>(args, kGnGradWeight),
                         args.inputs[kGnMean].as<C>(),
                         args.inputs[kGnRstd].as<C>(),
                         args.outputs[0].as<T>(),
                         args.outputs[1].as<T>(),
                         args.outputs[2].as<T>(),
                         channel_groups(args, args.inputs[kGnGradX])};
  const ChannelGroups& g = call.groups;
  auto& stream = cuda::stream_of(args.stream);
  if (g.rows() * g.size() > 0)
    cuda::check(launch(group_norm_backward<T>, dim3(cuda::grid_size(stream, g.rows(), 1)),
                       dim3(kThreads), 0, stream.handle(), call),
                "launch");
  if (g.groups * g.channels == 0) return;
  cuda::check(
      launch(group_norm_weight_grads<T>, dim3(cuda::grid_size(stream, g.groups * g.channels, 1)),
             dim3(kThreads), 0, stream.handle(), call),
      "launch");
}

}  // namespace

void group_norm_cuda(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[kGnX].dtype, T, forward<T>(args))
}
void group_norm_grad_cuda(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[kGnGradX].dtype, T, backward<T>(args))
}

}  // namespace tilegrad
