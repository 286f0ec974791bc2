// batch_norm on CUDA. A block of 256 takes one channel: its threads walk the values 256 apart for the sums,
// which are joined in f64 in a fixed order, and again for the result. Bytes moved: in training x read three
// times and y written once; the gradient reads x and dout twice.
#include "core/cuda/block_sum.cuh"
#include "core/cuda/copy.h"
#include "core/cuda/cuda_device.h"
#include "core/math.h"
#include "core/normalization.h"
#include "ops/batch_norm/batch_norm.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;

struct Channels {
  int64_t batch, channels, inner;

  explicit Channels(const Shape& x) : batch(x[0]), channels(x[1]), inner(1) {
    for (int d = 2; d < x.rank; d++) inner *= x[d];
  }
  __host__ __device__ int64_t count() const { return batch * inner; }
  // Offset of value i of a channel.
  __device__ int64_t at(int64_t c, int64_t i) const {
    return (i / inner * channels + c) * inner + i % inner;
  }
};

template <class T>
struct Forward {
  const T *x, *weight, *bias, *running_mean, *running_var;
  T* y;
  compute_t<T>*mean, *rstd;
  double eps;
  bool training;
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    batch_norm_forward(const Forward<T> call, const Channels layout) {
  using C = compute_t<T>;
  const double n = static_cast<double>(layout.count());
  for (int64_t c = blockIdx.x; c < layout.channels; c += gridDim.x) {
    double mean, variance;
    if (call.training) {
      const auto value = [&](int64_t i) { return static_cast<C>(call.x[layout.at(c, i)]); };
      mean = cuda::block_sum<kThreads>(layout.count(), value) / n;
      variance = cuda::block_variance<kThreads>(layout.count(), n, mean, value);
    } else {
      mean = static_cast<double>(static_cast<C>(call.running_mean[c]));
      variance = static_cast<double>(static_cast<C>(call.running_var[c]));
    }
    const double r = 1 / math::sqrt(variance + call.eps);
    const C center = static_cast<C>(mean),
            scale = static_cast<C>(
                call.weight ? r * static_cast<double>(static_cast<C>(call.weight[c])) : r),
            shift = call.bias ? static_cast<C>(call.bias[c]) : C(0);
    for (int64_t i = threadIdx.x; i < layout.count(); i += kThreads) {
      const int64_t at = layout.at(c, i);
      call.y[at] = static_cast<T>((static_cast<C>(call.x[at]) - center) * scale + shift);
    }
    if (threadIdx.x == 0) {
      call.mean[c] = center;
      call.rstd[c] = static_cast<C>(r);
    }
  }
}

template <class T>
struct Backward {
  const T *dout, *x, *weight;
  const compute_t<T>*mean, *rstd;
  T *dx, *dweight, *dbias;
  bool training;
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    batch_norm_backward(const Backward<T> call, const Channels layout) {
  using C = compute_t<T>;
  const double n = static_cast<double>(layout.count());
  for (int64_t c = blockIdx.x; c < layout.channels; c += gridDim.x) {
    const C center = call.mean[c];
    const double sum = cuda::block_sum<kThreads>(
        layout.count(), [&](int64_t i) { return static_cast<C>(call.dout[layout.at(c, i)]); });
    const double dot = cuda::block_sum<kThreads>(layout.count(), [&](int64_t i) {
      const int64_t at = layout.at(c, i);
      return static_cast<C>(call.dout[at]) * (static_cast<C>(call.x[at]) - center);
    });
    const double r = static_cast<double>(call.rstd[c]);
    const double s = call.weight ? r * static_cast<double>(static_cast<C>(call.weight[c])) : r;
    const C scale = static_cast<C>(s),
            slope = call.training ? static_cast<C>(-s * r * r * dot / n) : C(0),
            shift = call.training ? static_cast<C>(-s * sum / n) : C(0);
    for (int64_t i = threadIdx.x; i < layout.count(); i += kThreads) {
      const int64_t at = layout.at(c, i);
      // With running statistics x takes no part, be it NaN.
      const C own = call.training ? (static_cast<C>(call.x[at]) - center) * slope + shift : C(0);
      call.dx[at] = static_cast<T>(static_cast<C>(call.dout[at]) * scale + own);
    }
    if (threadIdx.x == 0) {
      call.dweight[c] = static_cast<T>(static_cast<C>(dot * r));
      call.dbias[c] = static_cast<T>(static_cast<C>(sum));
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    move_statistics(T* running_mean, T* running_var, int64_t mean_stride, int64_t var_stride,
                    const compute_t<T>* mean, const compute_t<T>* rstd, int64_t channels,
                    double momentum, double eps, double n) {
  using C = compute_t<T>;
  for (int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x; c < channels;
       c += int64_t{kThreads} * gridDim.x) {
    const double r = static_cast<double>(rstd[c]), biased = 1 / (r * r) - eps;
    const double to[2] = {static_cast<double>(mean[c]), (biased < 0 ? 0 : biased) * n / (n - 1)};
    T* value[2] = {running_mean + c * mean_stride, running_var + c * var_stride};
    for (int k = 0; k < 2; k++) {
      const double now = static_cast<double>(static_cast<C>(*value[k]));
      *value[k] = static_cast<T>(static_cast<C>(now + momentum * (to[k] - now)));
    }
  }
}

template <class T>
void forward(KernelArgs& args) {
  using C = compute_t<T>;
  const Channels layout(args.inputs[kBnX].shape());
  const Forward<T> call{args.inputs[kBnX].as<T>(),
                        optional_input<T>(args, kBnWeight),
                        optional_input<T>(args, kBnBias),
                        optional_input<T>(args, kBnRunningMean),
                        optional_input<T>(args, kBnRunningVar),
                        args.outputs[0].as<T>(),
                        args.outputs[1].as<C>(),
                        args.outputs[2].as<C>(),
                        args.attrs.number("eps"),
                        args.attrs.boolean("training")};
  auto& stream = cuda::stream_of(args.stream);
  cuda::check(launch(batch_norm_forward<T>, dim3(cuda::grid_size(stream, layout.channels, 1)),
                     dim3(kThreads), 0, stream.handle(), call, layout),
              "launch");
}

template <class T>
void backward(KernelArgs& args) {
  using C = compute_t<T>;
  const Channels layout(args.inputs[kBnGradX].shape());
  const Backward<T> call{args.inputs[kBnDout].as<T>(),
                         args.inputs[kBnGradX].as<T>(),
                         optional_input<T>(args, kBnGradWeight),
                         args.inputs[kBnMean].as<C>(),
                         args.inputs[kBnRstd].as<C>(),
                         args.outputs[0].as<T>(),
                         args.outputs[1].as<T>(),
                         args.outputs[2].as<T>(),
                         args.attrs.boolean("training")};
  auto& stream = cuda::stream_of(args.stream);
  cuda::check(launch(batch_norm_backward<T>, dim3(cuda::grid_size(stream, layout.channels, 1)),
                     dim3(kThreads), 0, stream.handle(), call, layout),
              "launch");
}

template <class T>
void update(KernelArgs& args) {
  using C = compute_t<T>;
  const View &mean = args.inputs[0], &variance = args.inputs[1];
  auto& stream = cuda::stream_of(args.stream);
  BufferRef kept[2];
  const View from[2] = {cuda::contiguous_cuda(stream, args.inputs[2], &kept[0]),
                        cuda::contiguous_cuda(stream, args.inputs[3], &kept[1])};
  cuda::check(launch(move_statistics<T>, dim3(cuda::grid_size(stream, mean.numel(), kThreads)),
                     dim3(kThreads), 0, stream.handle(), mean.as<T>(), variance.as<T>(),
                     mean.layout.strides[0], variance.layout.strides[0], from[0].as<C>(),
                     from[1].as<C>(), mean.numel(), args.attrs.number("momentum"),
                     args.attrs.number("eps"), static_cast<double>(args.attrs.integer("count"))),
              "launch");
}

}  // namespace

void batch_norm_cuda(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[kBnX].dtype, T, forward<T>(args))
}
void batch_norm_grad_cuda(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[kBnGradX].dtype, T, backward<T>(args))
}
void batch_norm_update_cuda(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[0].dtype, T, update<T>(args))
}

}  // namespace tilegrad
