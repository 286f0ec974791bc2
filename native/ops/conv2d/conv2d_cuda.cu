// Convolutions on CUDA: on tensor cores where they suit (conv2d_mma_cuda.cu), pixel by pixel where groups have few
// channels (conv2d_channels_cuda.cu), else here, as implicit matrix products by conv2d_simt.cuh; the operands
// are gathered from where they lie (conv2d_problems.cuh), no patch matrix is written. Sums run in order of k. The weight gradient has few results and long sums, so ranges of k go to blocks of
// their own, whose partial sums a second kernel adds in order. f32 sums for 16-bit and f32, f64 for f64.
// Bytes moved: A once per tile of columns, B once per tile of rows and tap.
#include <algorithm>
#include <cstdint>

#include "core/cuda/copy.h"
#include "core/cuda/cuda_device.h"
#include "core/precision.h"
#include "ops/conv2d/conv2d.h"
#include "ops/conv2d/conv2d_channels.cuh"
#include "ops/conv2d/conv2d_mma.cuh"
#include "ops/conv2d/conv2d_problems.cuh"
#include "ops/conv2d/conv2d_simt.cuh"

namespace tilegrad {

namespace {

constexpr int kThreads = kConvThreads;

// Blocks: x tiles, row by row; z groups.
template <int kRows, int kColumns, class Problem>
__global__ void __launch_bounds__(kThreads) conv_product(Problem problem) {
  using Sum = compute_t<typename Problem::Element>;
  const int64_t across = ceil_div<int64_t>(problem.columns(), kColumns);
  const int64_t row0 = blockIdx.x / across * kRows, column0 = blockIdx.x % across * kColumns;
  for (int group = blockIdx.z; group < problem.z.groups; group += gridDim.z) {
    Problem part = problem;
    part.select(group);
    Sum sum[4][4] = {};
    sum_tile<kRows, kColumns>(part, row0, column0, 0, part.depth(), sum);
    store_tile<kColumns>(part, row0, column0, sum, [&](int64_t row, int64_t column, Sum value) {
      part.store(row, column, value);
    });
  }
}

// The same for k in range y of `length`; partial sums go to (range, group, row, column).
template <int kRows, int kColumns, class Problem, class Sum>
__global__ void __launch_bounds__(kThreads)
    conv_partial(Problem problem, int64_t length, Sum* __restrict__ partial) {
  const int64_t columns = problem.columns(), size = problem.rows() * columns;
  const int64_t across = ceil_div<int64_t>(columns, kColumns);
  const int64_t row0 = blockIdx.x / across * kRows, column0 = blockIdx.x % across * kColumns;
  const int64_t k_begin = blockIdx.y * length;
  const int64_t k_end = k_begin + length < problem.depth() ? k_begin + length : problem.depth();
  for (int group = blockIdx.z; group < problem.z.groups; group += gridDim.z) {
    Problem part = problem;
    part.select(group);
    Sum sum[4][4] = {};
    sum_tile<kRows, kColumns>(part, row0, column0, k_begin, k_end, sum);
    Sum* out = partial + (int64_t{blockIdx.y} * problem.z.groups + group) * size;
    store_tile<kColumns>(part, row0, column0, sum, [&](int64_t row, int64_t column, Sum value) {
      out[row * columns + column] = value;
    });
  }
}

template <class T, class Sum>
__global__ void __launch_bounds__(kThreads)
    add_partials(const Sum* __restrict__ partial, T* __restrict__ out, int64_t n, int ranges) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x) {
    Sum sum = 0;
    for (int range = 0; range < ranges; range++) sum += partial[range * n + i];
    out[i] = static_cast<T>(sum);
  }
}

int64_t tile_count(int64_t rows, int64_t columns, int tile_rows, int tile_columns) {
  return ceil_div<int64_t>(rows, tile_rows) * ceil_div<int64_t>(columns, tile_columns);
}

// Flat tiles for few channels.
template <class Problem>
void run_product(cuda::CudaStream& stream, const Problem& problem) {
  const bool flat = problem.rows() <= 16;
  const int64_t tiles =
      tile_count(problem.rows(), problem.columns(), flat ? 16 : 64, flat ? 256 : 64);
  const unsigned groups = static_cast<unsigned>(std::min(problem.z.groups, 65535));
  const dim3 grid(static_cast<unsigned>(tiles), 1, groups);
  cuda::check(flat ? launch(conv_product<16, 256, Problem>, grid, dim3(kThreads), 0,
                            stream.handle(), problem)
                   : launch(conv_product<64, 64, Problem>, grid, dim3(kThreads), 0, stream.handle(),
                            problem),
              "launch");
}

// The ranges depend on the shapes alone, so the bits do not depend on the device's size.
template <class T>
void run_weight_grad(cuda::CudaStream& stream, const ConvWeightGrad<T>& problem) {
  using Sum = compute_t<T>;
  const int64_t size = problem.rows() * problem.columns() * problem.z.groups;
  const int64_t tiles = tile_count(problem.rows(), problem.columns(), 64, 64) * problem.z.groups;
  const int64_t most = std::max<int64_t>(1, std::min<int64_t>(512 / tiles, problem.depth() / 512));
  const int64_t length =
      ceil_div<int64_t>(ceil_div<int64_t>(problem.depth(), most), kConvStep) * kConvStep;
  const int ranges =
      static_cast<int>(ceil_div<int64_t>(problem.depth(), std::max<int64_t>(length, 1)));
  if (ranges <= 1) return run_product(stream, problem);
  const BufferRef space = cuda::workspace(stream, static_cast<size_t>(size) * ranges * sizeof(Sum));
  auto* partial = static_cast<Sum*>(space->data);
  const bool flat = problem.rows() <= 16;
  const int64_t blocks =
      tile_count(problem.rows(), problem.columns(), flat ? 16 : 64, flat ? 256 : 64);
  const unsigned groups = static_cast<unsigned>(std::min(problem.z.groups, 65535));
  const dim3 grid(static_cast<unsigned>(blocks), static_cast<unsigned>(ranges), groups);
  cuda::check(flat ? launch(conv_partial<16, 256, ConvWeightGrad<T>, Sum>, grid, dim3(kThreads), 0,
                            stream.handle(), problem, length, partial)
                   : launch(conv_partial<64, 64, ConvWeightGrad<T>, Sum>, grid, dim3(kThreads), 0,
                            stream.handle(), problem, length, partial),
              "launch");
  cuda::check(launch(add_partials<T, Sum>, dim3(cuda::grid_size(stream, size, kThreads)),
                     dim3(kThreads), 0, stream.handle(), partial, problem.dw, size, ranges),
              "launch");
}

// Enqueues the problem there if device, sizes and precision allow it.
template <class Problem>
bool on_tensor_cores(cuda::CudaStream& stream, const KernelArgs& args, const Problem& problem) {
  using T = typename Problem::Element;
  if constexpr (sizeof(T) < 8) {
    constexpr bool kImages = !std::is_same_v<Problem, ConvInputGrad<T>>;
    const Float32Precision precision = float32_precision(args.attrs);
    if (!conv2d_mma_takes<T>(stream, problem.z, kImages, precision)) return false;
    conv2d_mma(stream, problem, {args.forms[0], args.forms[1]}, precision);
    return true;
  }
  return false;
}

}  // namespace

// Positions within an image and numbers of weights are 32-bit numbers in the kernels.
ConvSizes conv_sizes(const Attrs& attrs, const Shape& x, const Shape& weight) {
  const ConvShape z = conv_shape(attrs, x, weight);
  const int64_t bottom =
      std::max((z.p - 1) * z.stride_h + (z.r - 1) * z.dilation_h, z.h + z.pad_top);
  const int64_t right =
      std::max((z.q - 1) * z.stride_w + (z.s - 1) * z.dilation_w, z.w + z.pad_left);
  const int64_t taps = std::max(z.c, z.k) * z.r * z.s;
  if (std::max({bottom, right, taps}) > INT32_MAX)
    fail(ErrorCode::unsupported, "images or weights beyond 2^31 (input ", x, ", weight ", weight,
         ") have no CUDA kernel");
  return ConvSizes(z);
}

template <class T>
void conv2d_simt(cuda::CudaStream& stream, const ConvForward<T>& conv) {
  if (!try_conv2d_channels(stream, conv)) run_product(stream, conv);
}
template <class T>
void conv2d_simt(cuda::CudaStream& stream, const ConvInputGrad<T>& conv) {
  if (!try_conv2d_channels(stream, conv)) run_product(stream, conv);
}
template <class T>
void conv2d_simt(cuda::CudaStream& stream, const ConvWeightGrad<T>& conv) {
  if (!try_conv2d_channels(stream, conv)) run_weight_grad(stream, conv);
}
// Those that other files ask for.
template void conv2d_simt(cuda::CudaStream&, const ConvInputGrad<float>&);
template void conv2d_simt(cuda::CudaStream&, const ConvWeightGrad<float>&);

void conv2d_cuda(KernelArgs& args) {
  auto& stream = cuda::stream_of(args.stream);
  const View &x = args.inputs[0], &weight = args.inputs[1], &y = args.outputs[0];
  const ConvSizes sizes = conv_sizes(args.attrs, x.shape(), weight.shape());
  const auto activation = static_cast<ConvActivation>(args.attrs.choice("activation"));
  TG_DISPATCH_FLOAT(y.dtype, T, {
    const T* bias = args.has(2) ? args.inputs[2].as<T>() : nullptr;
    const T* residual = args.has(3) ? args.inputs[3].as<T>() : nullptr;
    const ConvForward<T> conv = {sizes,    x.as<T>(),  weight.as<T>(), bias,
                                 residual, activation, y.as<T>()};
    if (!on_tensor_cores(stream, args, conv)) conv2d_simt(stream, conv);
  })
}

void conv2d_input_grad_cuda(KernelArgs& args) {
  auto& stream = cuda::stream_of(args.stream);
  const View &dy = args.inputs[0], &weight = args.inputs[1], &dx = args.outputs[0];
  const ConvSizes sizes = conv_sizes(args.attrs, dx.shape(), weight.shape());
  TG_DISPATCH_FLOAT(dx.dtype, T, {
    const ConvInputGrad<T> conv = {sizes, dy.as<T>(), weight.as<T>(), dx.as<T>()};
    if (!on_tensor_cores(stream, args, conv)) conv2d_simt(stream, conv);
  })
}

void conv2d_weight_grad_cuda(KernelArgs& args) {
  auto& stream = cuda::stream_of(args.stream);
  const View &x = args.inputs[0], &dy = args.inputs[1], &dw = args.outputs[0];
  const ConvSizes sizes = conv_sizes(args.attrs, x.shape(), dw.shape());
  TG_DISPATCH_FLOAT(dw.dtype, T, {
    const ConvWeightGrad<T> conv = {sizes, x.as<T>(), dy.as<T>(), dw.as<T>()};
    if (!on_tensor_cores(stream, args, conv)) conv2d_simt(stream, conv);
  })
}

}  // namespace tilegrad
