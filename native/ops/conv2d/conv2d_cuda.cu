// Convolutions on CUDA: on tensor cores where they suit (conv2d_mma_cuda.cu), pixel by pixel where groups have few
// channels (conv2d_channels_cuda.cu), else here, as implicit matrix products: a block of 256 threads computes
// a kRows x kColumns tile of one group, each thread 4x4 of it, in steps of 16 through shared memory; the
// operands are gathered from where they lie (conv2d_problems.cuh), no patch matrix is written. Sums run
// in order of k. The weight gradient has few results and long sums, so ranges of k go to blocks of
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

namespace tilegrad {

namespace {

constexpr int kThreads = 256;
constexpr int kStep = 16;

// The sums of one tile over k in [k_begin, k_end), 4x4 for each thread.
template <int kRows, int kColumns, class Sum, class Problem>
__device__ void sum_tile(const Problem& problem, int64_t row0, int64_t column0, int64_t k_begin,
                         int64_t k_end, Sum (&sum)[4][4]) {
  SHARED_ARRAY(tile_a, Sum[kStep][kRows + 4]);     // (K, M)
  SHARED_ARRAY(tile_b, Sum[kStep][kColumns + 4]);  // (K, N)
  constexpr int kA = kRows * kStep / kThreads, kB = kColumns * kStep / kThreads;
  // Items i of a thread: A at row a_row + 16 i of k a_k; B along k like A, or at k b_k + i of its column.
  constexpr bool kAlongK = Problem::kAlongK;
  constexpr int kColumnSteps = kThreads / kColumns;  // k's that all threads read at once
  const int t = static_cast<int>(threadIdx.x);
  const int a_row = t / kStep, a_k = t % kStep;
  const int b_column = kAlongK ? t / kStep : t % kColumns;
  const int64_t rows = problem.rows(), columns = problem.columns();

  typename Problem::Column column[kAlongK ? kB : 1];
#pragma unroll
  for (int i = 0; i < (kAlongK ? kB : 1); i++) {
    const int64_t index = column0 + b_column + i * kStep;
    column[i] = problem.column(index < columns ? index : 0);
  }
  const int thread_row = t / (kColumns / 4) * 4, thread_column = t % (kColumns / 4) * 4;

  for (int64_t k0 = k_begin; k0 < k_end; k0 += kStep) {
    const bool a_inside = k0 + a_k < k_end;
    const auto step = problem.step(a_inside ? k0 + a_k : k_begin);
#pragma unroll
    for (int i = 0; i < kA; i++) {
      const int64_t row = row0 + a_row + i * kStep;
      tile_a[a_k][a_row + i * kStep] =
          a_inside && row < rows ? static_cast<Sum>(problem.a(row, step)) : Sum(0);
    }
#pragma unroll
    for (int i = 0; i < kB; i++) {
      if constexpr (kAlongK) {
        const bool inside = a_inside && column0 + b_column + i * kStep < columns;
        tile_b[a_k][b_column + i * kStep] =
            inside ? static_cast<Sum>(problem.b(step, column[i])) : Sum(0);
      } else {
        const int k = t / kColumns + i * kColumnSteps;
        const bool inside = k0 + k < k_end && column0 + b_column < columns;
        tile_b[k][b_column] =
            inside ? static_cast<Sum>(problem.b(problem.step(k0 + k), column[0])) : Sum(0);
      }
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kStep; k++) {
      Sum left[4], right[4];
#pragma unroll
      for (int i = 0; i < 4; i++) left[i] = tile_a[k][thread_row + i];
#pragma unroll
      for (int j = 0; j < 4; j++) right[j] = tile_b[k][thread_column + j];
#pragma unroll
      for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) sum[i][j] += left[i] * right[j];
      }
    }
    __syncthreads();
  }
}

// Calls store(row, column, sum) for the thread's results that lie inside.
template <int kColumns, class Sum, class Problem, class Store>
__device__ void store_tile(const Problem& problem, int64_t row0, int64_t column0,
                           const Sum (&sum)[4][4], Store&& store) {
  const int t = static_cast<int>(threadIdx.x);
  const int64_t row = row0 + t / (kColumns / 4) * 4, column = column0 + t % (kColumns / 4) * 4;
#pragma unroll
  for (int i = 0; i < 4; i++) {
#pragma unroll
    for (int j = 0; j < 4; j++) {
      if (row + i < problem.rows() && column + j < problem.columns())
        store(row + i, column + j, sum[i][j]);
    }
  }
}

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

// Positions within an image and numbers of weights are 32-bit numbers in the kernels.
ConvSizes sizes_of(const Attrs& attrs, const Shape& x, const Shape& weight) {
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
  const int64_t length = ceil_div<int64_t>(ceil_div<int64_t>(problem.depth(), most), kStep) * kStep;
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

void conv2d_cuda(KernelArgs& args) {
  auto& stream = cuda::stream_of(args.stream);
  const View &x = args.inputs[0], &weight = args.inputs[1], &y = args.outputs[0];
  const ConvSizes sizes = sizes_of(args.attrs, x.shape(), weight.shape());
  const auto activation = static_cast<ConvActivation>(args.attrs.choice("activation"));
  TG_DISPATCH_FLOAT(y.dtype, T, {
    const T* bias = args.has(2) ? args.inputs[2].as<T>() : nullptr;
    const T* residual = args.has(3) ? args.inputs[3].as<T>() : nullptr;
    const ConvForward<T> conv = {sizes,    x.as<T>(),  weight.as<T>(), bias,
                                 residual, activation, y.as<T>()};
    if (!on_tensor_cores(stream, args, conv) && !try_conv2d_channels(stream, conv))
      run_product(stream, conv);
  })
}

void conv2d_input_grad_cuda(KernelArgs& args) {
  auto& stream = cuda::stream_of(args.stream);
  const View &dy = args.inputs[0], &weight = args.inputs[1], &dx = args.outputs[0];
  const ConvSizes sizes = sizes_of(args.attrs, dx.shape(), weight.shape());
  TG_DISPATCH_FLOAT(dx.dtype, T, {
    const ConvInputGrad<T> conv = {sizes, dy.as<T>(), weight.as<T>(), dx.as<T>()};
    if (!on_tensor_cores(stream, args, conv) && !try_conv2d_channels(stream, conv))
      run_product(stream, conv);
  })
}

void conv2d_weight_grad_cuda(KernelArgs& args) {
  auto& stream = cuda::stream_of(args.stream);
  const View &x = args.inputs[0], &dy = args.inputs[1], &dw = args.outputs[0];
  const ConvSizes sizes = sizes_of(args.attrs, x.shape(), dw.shape());
  TG_DISPATCH_FLOAT(dw.dtype, T, {
    const ConvWeightGrad<T> conv = {sizes, x.as<T>(), dy.as<T>(), dw.as<T>()};
    if (!on_tensor_cores(stream, args, conv) && !try_conv2d_channels(stream, conv))
      run_weight_grad(stream, conv);
  })
}

}  // namespace tilegrad
