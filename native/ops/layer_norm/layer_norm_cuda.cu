// layer_norm on CUDA. A block of 256 takes a row: its threads walk the values 256 apart for the sums, which are
// joined in f64 in a fixed order, and again for the result. For the gradients of weight and bias a warp takes 32
// neighbouring columns, and 8 warps share the rows. Bytes moved: forward x read three times, y written once;
// backward x and dout read three times, dx written once.
#include "core/cuda/block_sum.cuh"
#include "core/cuda/cuda_device.h"
#include "core/math.h"
#include "core/normalization.h"
#include "ops/layer_norm/layer_norm.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;
constexpr int kRows = kThreads / 32;

template <class T>
struct Forward {
  const T *x, *weight, *bias;
  T* y;
  compute_t<T>*mean, *rstd;
  int64_t rows, n;
  double eps;
  bool center;
};

template <class T>
__global__ void __launch_bounds__(kThreads) layer_norm_forward(const Forward<T> call) {
  using C = compute_t<T>;
  const double n = static_cast<double>(call.n);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const T* x = call.x + r * call.n;
    const auto value = [&](int64_t i) { return static_cast<C>(x[i]); };
    const double mean = call.center ? cuda::block_sum<kThreads>(call.n, value) / n : 0.0;
    const double variance = cuda::block_variance<kThreads>(call.n, n, mean, value);
    const C center = static_cast<C>(mean),
            scale = static_cast<C>(1 / math::sqrt(variance + call.eps));
    for (int64_t i = threadIdx.x; i < call.n; i += kThreads) {
      C v = (static_cast<C>(x[i]) - center) * scale;
      if (call.weight) v *= static_cast<C>(call.weight[i]);
      if (call.bias) v += static_cast<C>(call.bias[i]);
      call.y[r * call.n + i] = static_cast<T>(v);
    }
    if (threadIdx.x == 0) {
      call.mean[r] = center;
      call.rstd[r] = scale;
    }
  }
}

template <class T>
struct Backward {
  const T *dout, *x, *weight;
  const compute_t<T>*mean, *rstd;
  T *dx, *dweight, *dbias;
  int64_t rows, n;
  bool center;
};

template <class T>
__global__ void __launch_bounds__(kThreads) layer_norm_backward(const Backward<T> call) {
  using C = compute_t<T>;
  const double n = static_cast<double>(call.n);
  for (int64_t r = blockIdx.x; r < call.rows; r += gridDim.x) {
    const T *x = call.x + r * call.n, *dout = call.dout + r * call.n;
    const C center = call.mean[r], scale = call.rstd[r];
    const auto given = [&](int64_t i) {
      const C g = static_cast<C>(dout[i]);
      return call.weight ? g * static_cast<C>(call.weight[i]) : g;
    };
    const auto xhat = [&](int64_t i) { return (static_cast<C>(x[i]) - center) * scale; };
    const double sum = call.center ? cuda::block_sum<kThreads>(call.n, given) : 0.0;
    const double dot =
        cuda::block_sum<kThreads>(call.n, [&](int64_t i) { return given(i) * xhat(i); });
    const C average = static_cast<C>(sum / n), slope = static_cast<C>(dot / n);
    for (int64_t i = threadIdx.x; i < call.n; i += kThreads)
      call.dx[r * call.n + i] = static_cast<T>((given(i) - average - xhat(i) * slope) * scale);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) layer_norm_weight_grads(const Backward<T> call) {
  using C = compute_t<T>;
  SHARED_ARRAY(shared, double[2][kRows][32]);  // (weight and bias, kRows, columns)
  const int column = threadIdx.x % 32, row = threadIdx.x / 32;
  const int64_t blocks = (call.n + 31) / 32;
  for (int64_t block = blockIdx.x; block < blocks; block += gridDim.x) {
    const int64_t i = block * 32 + column;
    double weight = 0, bias = 0;
    for (int64_t r = row; i < call.n && r < call.rows; r += kRows) {
      const C g = static_cast<C>(call.dout[r * call.n + i]);
      const C xhat = (static_cast<C>(call.x[r * call.n + i]) - call.mean[r]) * call.rstd[r];
      weight += static_cast<double>(g * xhat);
      bias += static_cast<double>(g);
    }
    shared[0][row][column] = weight;
    shared[1][row][column] = bias;
    __syncthreads();
    if (row < 2 && i < call.n) {
      double total = 0;
      for (int k = 0; k < kRows; k++) total += shared[row][k][column];
      (row == 0 ? call.dweight : call.dbias)[i] = static_cast<T>(static_cast<C>(total));
    }
    __syncthreads();  // the next block of columns writes shared again
  }
}

template <class T>
void forward(KernelArgs& args) {
  using C = compute_t<T>;
  const NormRows rows = norm_rows(args, args.inputs[kLnX]);
  const Forward<T> call{args.inputs[kLnX].as<T>(),
                        optional_input<T>(args, kLnWeight),
                        optional_input<T>(args, kLnBias),
                        args.outputs[0].as<T>(),
                        args.outputs[1].as<C>(),
                        args.outputs[2].as<C>(),
                        rows.rows,
                        rows.n,
                        args.attrs.number("eps"),
                        rows.center};
  auto& stream = cuda::stream_of(args.stream);
  cuda::check(launch(layer_norm_forward<T>, dim3(cuda::grid_size(stream, rows.rows, 1)),
                     dim3(kThreads), 0, stream.handle(), call),
              "launch");
}

template <class T>
void backward(KernelArgs& args) {
  using C = compute_t<T>;
  const NormRows rows = norm_rows(args, args.inputs[kLnGradX]);
  const bool affine = args.output_count > 1;
  const Backward<T> call{args.inputs[kLnDout].as<T>(),
                         args.inputs[kLnGradX].as<T>(),
                         optional_input<T>(args, kLnGradWeight),
                         args.inputs[kLnMean].as<C>(),
                         args.inputs[kLnRstd].as<C>(),
                         args.outputs[0].as<T>(),
                         affine ? args.outputs[1].as<T>() : nullptr,
                         affine ? args.outputs[2].as<T>() : nullptr,
                         rows.rows,
                         rows.n,
                         rows.center};
  auto& stream = cuda::stream_of(args.stream);
  cuda::check(launch(layer_norm_backward<T>, dim3(cuda::grid_size(stream, rows.rows, 1)),
                     dim3(kThreads), 0, stream.handle(), call),
              "launch");
  if (!affine) return;
  cuda::check(launch(layer_norm_weight_grads<T>, dim3(cuda::grid_size(stream, rows.n, 32)),
                     dim3(kThreads), 0, stream.handle(), call),
              "launch");
}

}  // namespace

void layer_norm_cuda(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[kLnX].dtype, T, forward<T>(args))
}
void layer_norm_grad_cuda(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[kLnGradX].dtype, T, backward<T>(args))
}

}  // namespace tilegrad
