// batch_norm on CUDA: a block for each channel sums it in f64 (twice, the second time around the mean), then a thread for
// each element normalizes. The gradient: a block for each channel sums dout and dout (x - mean), then a thread for each
// element. Sums in an order that is fixed. Bytes moved: x read 3 times, y written once; its gradient reads both twice.
#include <cmath>

#include "core/cuda/copy.h"
#include "core/cuda/cuda_device.h"
#include "core/cuda/reduce.cuh"
#include "core/math.h"
#include "ops/batch_norm/batch_norm.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;

// x as (batch, channels, inner).
struct Channels {
  int64_t batch, channels, inner = 1;
  explicit Channels(const Shape& x) : batch(x[0]), channels(x[1]) {
    for (int d = 2; d < x.rank; ++d) inner *= x[d];
  }
  __host__ __device__ int64_t per_channel() const { return batch * inner; }
  // Offset of value i of a channel.
  __device__ int64_t at(int64_t channel, int64_t i) const {
    if (inner == 1) return i * channels + channel;
    const int64_t image = quotient(i, inner);
    return (image * channels + channel) * inner + i - image * inner;
  }
  __device__ int64_t channel_of(int64_t index) const {
    const int64_t row = quotient(index, inner);
    return row - quotient(row, channels) * channels;
  }
  // 32-bit division is several times cheaper.
  __device__ static int64_t quotient(int64_t a, int64_t b) {
    if (a <= 0x7fffffff && b <= 0x7fffffff)
      return static_cast<uint32_t>(a) / static_cast<uint32_t>(b);
    return a / b;
  }
};

// Every thread gets the sum of value(i) over the channel.
template <class Value>
__device__ double channel_sum(const Channels& s, Value&& value) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < s.per_channel(); i += kThreads) sum += value(i);
  return cuda::block_reduce<kThreads>(sum, cuda::Sum());
}

template <class T, class C = compute_t<T>>
__global__ void __launch_bounds__(kThreads)
    batch_statistics(const Channels s, const T* __restrict__ x, double eps, C* __restrict__ mean,
                     C* __restrict__ rstd) {
  const double n = static_cast<double>(s.per_channel());
  for (int64_t c = blockIdx.x; c < s.channels; c += gridDim.x) {
    const double m =
        channel_sum(s,
                    [&](int64_t i) { return static_cast<double>(static_cast<C>(x[s.at(c, i)])); }) /
        n;
    const double variance =
        channel_sum(s,
                    [&](int64_t i) {
                      const double d = static_cast<double>(static_cast<C>(x[s.at(c, i)])) - m;
                      return d * d;
                    }) /
        n;
    if (threadIdx.x == 0) {
      mean[c] = static_cast<C>(m);
      rstd[c] = static_cast<C>(1 / math::sqrt(variance + eps));
    }
  }
}

template <class T, class C = compute_t<T>>
__global__ void __launch_bounds__(kThreads)
    running_statistics(int64_t channels, const T* __restrict__ running_mean,
                       const T* __restrict__ running_var, double eps, C* __restrict__ mean,
                       C* __restrict__ rstd) {
  for (int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x; c < channels;
       c += int64_t{kThreads} * gridDim.x) {
    mean[c] = static_cast<C>(running_mean[c]);
    rstd[c] =
        static_cast<C>(1 / math::sqrt(static_cast<double>(static_cast<C>(running_var[c])) + eps));
  }
}

template <class T, class C = compute_t<T>>
__global__ void __launch_bounds__(kThreads)
    normalize(const Channels s, const T* __restrict__ x, const C* __restrict__ mean,
              const C* __restrict__ rstd, const T* __restrict__ weight, const T* __restrict__ bias,
              T* __restrict__ y) {
  const int64_t n = s.per_channel() * s.channels;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x) {
    const int64_t c = s.channel_of(i);
    const C scale = weight ? rstd[c] * static_cast<C>(weight[c]) : rstd[c];
    const C value = (static_cast<C>(x[i]) - mean[c]) * scale;
    y[i] = static_cast<T>(bias ? value + static_cast<C>(bias[c]) : value);
  }
}

// factors: what dx takes of dout, of x - mean, and what is added, for each channel.
template <class T, class C = compute_t<T>>
__global__ void __launch_bounds__(kThreads)
    gradient_sums(const Channels s, const T* __restrict__ dout, const T* __restrict__ x,
                  const C* __restrict__ mean, const C* __restrict__ rstd,
                  const T* __restrict__ weight, bool training, T* __restrict__ dweight,
                  T* __restrict__ dbias, C* __restrict__ factors) {
  const double n = static_cast<double>(s.per_channel());
  for (int64_t c = blockIdx.x; c < s.channels; c += gridDim.x) {
    const double sum = channel_sum(
        s, [&](int64_t i) { return static_cast<double>(static_cast<C>(dout[s.at(c, i)])); });
    const double dot = channel_sum(s, [&](int64_t i) {
      const int64_t at = s.at(c, i);
      return static_cast<double>(static_cast<C>(dout[at])) *
             static_cast<double>(static_cast<C>(x[at]) - mean[c]);
    });
    if (threadIdx.x != 0) continue;
    const double r = static_cast<double>(rstd[c]);
    const double scale = weight ? r * static_cast<double>(static_cast<C>(weight[c])) : r;
    dweight[c] = static_cast<T>(static_cast<C>(dot * r));
    dbias[c] = static_cast<T>(static_cast<C>(sum));
    factors[c] = static_cast<C>(scale);
    factors[s.channels + c] = training ? static_cast<C>(-scale * r * r * dot / n) : C(0);
    factors[2 * s.channels + c] = training ? static_cast<C>(-scale * sum / n) : C(0);
  }
}

template <class T, class C = compute_t<T>>
__global__ void __launch_bounds__(kThreads)
    gradient(const Channels s, const T* __restrict__ dout, const T* __restrict__ x,
             const C* __restrict__ mean, const C* __restrict__ factors, T* __restrict__ dx) {
  const int64_t n = s.per_channel() * s.channels;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x) {
    const int64_t c = s.channel_of(i);
    dx[i] = static_cast<T>(static_cast<C>(dout[i]) * factors[c] +
                           (static_cast<C>(x[i]) - mean[c]) * factors[s.channels + c] +
                           factors[2 * s.channels + c]);
  }
}

template <class T>
struct Strip {
  T* data;
  int64_t stride;
  explicit Strip(const View& view) : data(view.as<T>()), stride(view.layout.strides[0]) {}
  __device__ T& operator[](int64_t i) const { return data[i * stride]; }
};

template <class T, class C = compute_t<T>>
__global__ void __launch_bounds__(kThreads)
    move_running(int64_t channels, const Strip<T> running_mean, const Strip<T> running_var,
                 const Strip<C> mean, const Strip<C> rstd, double momentum, double eps, double n) {
  const auto move = [momentum](T& value, double to) {
    const double now = static_cast<double>(static_cast<C>(value));
    value = static_cast<T>(static_cast<C>(now + momentum * (to - now)));
  };
  for (int64_t c = int64_t{blockIdx.x} * kThreads + threadIdx.x; c < channels;
       c += int64_t{kThreads} * gridDim.x) {
    const double r = static_cast<double>(rstd[c]), variance = 1 / (r * r) - eps;
    move(running_mean[c], static_cast<double>(mean[c]));
    move(running_var[c], (variance < 0 ? 0 : variance) * n / (n - 1));
  }
}

template <class T>
const T* optional(const KernelArgs& args, int i) {
  return args.has(i) ? args.inputs[i].as<T>() : nullptr;
}

// A launch over n threads, or over n blocks.
template <class... P, class... A>
void run(KernelArgs& args, int64_t n, int per_block, void (*kernel)(P...), A... values) {
  auto& stream = cuda::stream_of(args.stream);
  cuda::check(launch(kernel, dim3(cuda::grid_size(stream, n, per_block)), dim3(kThreads), 0,
                     stream.handle(), values...),
              "launch");
}

template <class T>
void forward(KernelArgs& args) {
  using C = compute_t<T>;
  const Channels s(args.inputs[kBnX].shape());
  const T* x = args.inputs[kBnX].as<T>();
  C *mean = args.outputs[1].as<C>(), *rstd = args.outputs[2].as<C>();
  const double eps = args.attrs.number("eps");
  if (args.attrs.boolean("training"))
    run(args, s.channels, 1, batch_statistics<T>, s, x, eps, mean, rstd);
  else
    run(args, s.channels, kThreads, running_statistics<T>, s.channels,
        args.inputs[kBnRunningMean].as<T>(), args.inputs[kBnRunningVar].as<T>(), eps, mean, rstd);
  run(args, s.per_channel() * s.channels, kThreads, normalize<T>, s, x, mean, rstd,
      optional<T>(args, kBnWeight), optional<T>(args, kBnBias), args.outputs[0].as<T>());
}

template <class T>
void backward(KernelArgs& args) {
  using C = compute_t<T>;
  const Channels s(args.inputs[kBnGradX].shape());
  const T *dout = args.inputs[kBnDout].as<T>(), *x = args.inputs[kBnGradX].as<T>();
  const C *mean = args.inputs[kBnMean].as<C>(), *rstd = args.inputs[kBnRstd].as<C>();
  const BufferRef space = cuda::workspace(cuda::stream_of(args.stream),
                                          static_cast<size_t>(3 * s.channels) * sizeof(C));
  auto* factors = static_cast<C*>(space->data);
  run(args, s.channels, 1, gradient_sums<T>, s, dout, x, mean, rstd,
      optional<T>(args, kBnGradWeight), args.attrs.boolean("training"), args.outputs[1].as<T>(),
      args.outputs[2].as<T>(), factors);
  run(args, s.per_channel() * s.channels, kThreads, gradient<T>, s, dout, x, mean, factors,
      args.outputs[0].as<T>());
}

template <class T>
void update(KernelArgs& args) {
  using C = compute_t<T>;
  const int64_t channels = args.inputs[0].numel();
  if (channels == 0) return;
  run(args, channels, kThreads, move_running<T>, channels, Strip<T>(args.inputs[0]),
      Strip<T>(args.inputs[1]), Strip<C>(args.inputs[2]), Strip<C>(args.inputs[3]),
      args.attrs.number("momentum"), args.attrs.number("eps"),
      static_cast<double>(args.attrs.integer("count")));
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
