// Convolutions of few channels per group on CUDA, depthwise ones among them: no tile would be filled. Forward and input
// gradient: a thread sums kConvMost channels of one pixel, or the only one, over all taps; a block has one image and group,
// whose weights it keeps in shared memory. Weight gradient: a thread sums one weight over every L-th pixel of a range of
// rows of output, where a block of 256 has L threads for each weight; those and then the ranges are added in order.
// f32 sums for 16-bit and f32, f64 for f64. Bytes moved: images once (neighbouring taps meet in L1), weights once a block.
#include <algorithm>

#include "core/cuda/copy.h"
#include "core/cuda/split_k.h"
#include "ops/conv2d/conv2d_channels.cuh"

namespace tilegrad {

namespace {

constexpr int kThreads = kConvThreads;

// Blocks: x pixels, y groups (and on). The problem's columns are the pixels of all images.
template <int Rows, class Problem>
__global__ void __launch_bounds__(kThreads) conv_pixels(const Problem problem) {
  using Sum = compute_t<typename Problem::Element>;
  DYNAMIC_SHARED(Sum, weights);  // (step, kConvMost)
  for (int group = blockIdx.y; group < problem.z.groups; group += gridDim.y) {
    Problem part = problem;
    part.select(group);
    load_weights(part, weights);
    const int depth = static_cast<int>(part.depth()), rows = static_cast<int>(part.rows());
    for (int64_t index = int64_t{blockIdx.x} * kThreads + threadIdx.x; index < part.columns();
         index += int64_t{kThreads} * gridDim.x) {
      const auto column = part.column(index);
      Sum sum[Rows] = {};
      for (int k = 0; k < depth; k++) {
        const Sum x = static_cast<Sum>(part.b(part.step(k), column));
#pragma unroll
        for (int row = 0; row < Rows; row++) sum[row] += weights[k * kConvMost + row] * x;
      }
#pragma unroll
      for (int row = 0; row < Rows; row++)
        if (row < rows) part.store(row, index, sum[row]);
    }
    __syncthreads();
  }
}

// Blocks: x ranges of `length` rows of output (n, p), y groups. Sums go to (range, group, weight).
template <class T>
__global__ void __launch_bounds__(kThreads)
    conv_weight_rows(const ConvWeightGrad<T> problem, int length,
                     compute_t<T>* __restrict__ partial) {
  using Sum = compute_t<T>;
  SHARED_ARRAY(sums, Sum[kThreads]);
  const ConvSizes& z = problem.z;
  const int weights = static_cast<int>(problem.rows() * problem.columns());
  const int lanes = kThreads / weights, t = static_cast<int>(threadIdx.x);
  const int weight = t % weights, lane = t / weights;
  const int64_t rows = z.n * z.p, first = int64_t{blockIdx.x} * length;
  const int64_t last = rows - first < length ? rows : first + length;
  for (int group = blockIdx.y; group < z.groups; group += gridDim.y) {
    ConvWeightGrad<T> part = problem;
    part.select(group);
    Sum sum = 0;
    if (lane < lanes) {
      const int columns = static_cast<int>(part.columns());
      const int k = weight / columns;
      const auto column = part.column(weight - k * columns);
      for (int64_t row = first; row < last; row++) {
        const int64_t image = row / z.p;
        const auto p = static_cast<int>(row - image * z.p);
        const T* dy = part.dy + image * z.y_image() + (int64_t{k} * z.p + p) * z.q;
        const int h = p * z.stride_h - z.pad_top + column.h;
        if (h < 0 || h >= z.h) continue;
        const T* x = part.x + image * z.x_image() + column.offset + int64_t{h} * z.w;
        for (int q = lane; q < z.q; q += lanes) {
          const int w = q * z.stride_w - z.pad_left + column.w;
          if (w >= 0 && w < z.w) sum += static_cast<Sum>(dy[q]) * static_cast<Sum>(x[w]);
        }
      }
    }
    sums[t] = sum;
    __syncthreads();
    if (t < weights) {
      for (int other = 1; other < lanes; other++) sum += sums[other * weights + t];
      partial[(int64_t{blockIdx.x} * z.groups + group) * weights + t] = sum;
    }
    __syncthreads();
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    add_row_ranges(const compute_t<T>* __restrict__ partial, T* __restrict__ dw, int64_t n,
                   int ranges) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x) {
    compute_t<T> sum = 0;
    for (int range = 0; range < ranges; range++) sum += partial[range * n + i];
    dw[i] = static_cast<T>(sum);
  }
}

template <class Problem>
bool run_pixels(cuda::CudaStream& stream, const Problem& problem) {
  using Sum = compute_t<typename Problem::Element>;
  if (problem.rows() > kConvMost || problem.depth() > kConvMostWeights) return false;
  const size_t shared = static_cast<size_t>(problem.depth()) * kConvMost * sizeof(Sum);
  const dim3 grid(static_cast<unsigned>(cuda::grid_size(stream, problem.columns(), kThreads)),
                  static_cast<unsigned>(std::min(problem.z.groups, 65535)));
  auto* kernel = problem.rows() == 1 ? conv_pixels<1, Problem> : conv_pixels<kConvMost, Problem>;
  cuda::check(launch(kernel, grid, dim3(kThreads), shared, stream.handle(), problem),
              "conv_pixels");
  return true;
}

}  // namespace

template <class T>
bool try_conv2d_channels(cuda::CudaStream& stream, const ConvForward<T>& conv) {
  return run_pixels(stream, conv);
}

template <class T>
bool try_conv2d_channels(cuda::CudaStream& stream, const ConvInputGrad<T>& conv) {
  return run_pixels(stream, conv);
}

template <class T>
bool try_conv2d_channels(cuda::CudaStream& stream, const ConvWeightGrad<T>& conv) {
  const ConvSizes& z = conv.z;
  const int64_t weights = conv.rows() * conv.columns(), rows = z.n * z.p;
  if (weights > kThreads || weights == 0 || rows > INT32_MAX / 2) return false;
  // Enough blocks for a large device and not too many partial sums, by the shape alone.
  const int64_t most =
      std::clamp<int64_t>(2048 / z.groups, 1, std::clamp<int64_t>(rows / 4, 1, 128));
  const auto length = static_cast<int>(std::max<int64_t>(ceil_div<int64_t>(rows, most), 1));
  const int ranges = static_cast<int>(std::max<int64_t>(ceil_div<int64_t>(rows, length), 1));
  const int64_t numel = weights * z.groups;
  const BufferRef space =
      cuda::workspace(stream, static_cast<size_t>(numel * ranges) * sizeof(compute_t<T>));
  auto* partial = static_cast<compute_t<T>*>(space->data);
  const dim3 grid(static_cast<unsigned>(ranges), static_cast<unsigned>(std::min(z.groups, 65535)));
  cuda::check(
      launch(conv_weight_rows<T>, grid, dim3(kThreads), 0, stream.handle(), conv, length, partial),
      "conv_weight_rows");
  cuda::check(launch(add_row_ranges<T>, dim3(cuda::grid_size(stream, numel, kThreads)),
                     dim3(kThreads), 0, stream.handle(), partial, conv.dw, numel, ranges),
              "add_row_ranges");
  return true;
}

#define TG_CONV_CHANNELS(T)                                                      \
  template bool try_conv2d_channels(cuda::CudaStream&, const ConvForward<T>&);   \
  template bool try_conv2d_channels(cuda::CudaStream&, const ConvInputGrad<T>&); \
  template bool try_conv2d_channels(cuda::CudaStream&, const ConvWeightGrad<T>&);
TG_CONV_CHANNELS(float)
TG_CONV_CHANNELS(double)
TG_CONV_CHANNELS(f16)
TG_CONV_CHANNELS(bf16)
#undef TG_CONV_CHANNELS

}  // namespace tilegrad
