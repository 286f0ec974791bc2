// The convolution with pooling by 2 x 2 windows, and its gradients, on CUDA. Forward: the columns of the product are the four
// pixels of a window after one another, so that a thread has whole windows among its sums and writes their largest value
// and its place: neither the result before pooling nor its activation goes through memory. Gradients: that of the result
// before pooling is written once, four times the size of dy, and goes to the kernels of conv2d.
// Bytes moved: as conv2d, with a quarter of the results and one byte of tap for each.
#pragma once

#include "core/cuda/reduce.cuh"
#include "ops/conv2d/conv2d_channels.cuh"

namespace tilegrad {

struct ConvPooled : ConvForward<float> {
  uint8_t* taps;  // or null

  __host__ __device__ int64_t plane() const { return int64_t{z.p / 2} * (z.q / 2); }
  __host__ __device__ int64_t windows() const { return z.n * plane(); }
  __host__ __device__ int64_t columns() const { return 4 * windows(); }
  __device__ Column column(int64_t index) const {
    const cuda::Pixel at(index / 4, z.p / 2, z.q / 2);
    const int tap = static_cast<int>(index % 4);
    return {at.image * z.x_image(), (2 * at.row + tap / 2) * z.stride_h - z.pad_top,
            (2 * at.column + tap % 2) * z.stride_w - z.pad_left};
  }
  __device__ void select(int group) {
    x += int64_t{group} * z.c * z.h * z.w;
    weight += group * z.k * depth();
    if (bias) bias += group * z.k;
    y += int64_t{group} * z.k * plane();
    if (taps) taps += int64_t{group} * z.k * plane();
  }
  // The largest of a window's sums and its tap; the first of equals, and a NaN.
  __device__ void store_window(int64_t row, int64_t window, const float (&sum)[4]) const {
    const float add = bias ? bias[row] : 0.0f;
    float best = sum[0] + add;
    int tap = 0;
#pragma unroll
    for (int i = 1; i < 4; i++) {
      const float value = sum[i] + add;
      if (value > best || value != value) best = value, tap = i;
    }
    if (activation != ConvActivation::none && best < 0.0f) best = 0.0f;
    if (activation == ConvActivation::relu6 && best > 6.0f) best = 6.0f;
    const int64_t image = window / plane();
    const int64_t at = (image * z.k * z.groups + row) * plane() + window - image * plane();
    y[at] = best;
    if (taps) taps[at] = static_cast<uint8_t>(tap);
  }
};

// Blocks: x tiles, row by row; z groups.
template <int kRows, int kColumns>
__global__ void __launch_bounds__(kConvThreads) conv_pool_product(const ConvPooled problem) {
  const int64_t across = ceil_div<int64_t>(problem.columns(), kColumns);
  const int64_t row0 = blockIdx.x / across * kRows, column0 = blockIdx.x % across * kColumns;
  const int t = static_cast<int>(threadIdx.x);
  const int64_t row = row0 + t / (kColumns / 4) * 4, column = column0 + t % (kColumns / 4) * 4;
  for (int group = blockIdx.z; group < problem.z.groups; group += gridDim.z) {
    ConvPooled part = problem;
    part.select(group);
    float sum[4][4] = {};  // (row, pixel of the window)
    sum_tile<kRows, kColumns>(part, row0, column0, 0, part.depth(), sum);
#pragma unroll
    for (int i = 0; i < 4; i++)
      if (row + i < part.rows() && column < part.columns())
        part.store_window(row + i, column / 4, sum[i]);
  }
}

// Few channels: a thread sums all rows of a window. Blocks: x windows, y groups (and on).
static __global__ void __launch_bounds__(kConvThreads) conv_windows(const ConvPooled problem) {
  DYNAMIC_SHARED(float, weights);  // (step, kConvMost)
  for (int group = blockIdx.y; group < problem.z.groups; group += gridDim.y) {
    ConvPooled part = problem;
    part.select(group);
    load_weights(part, weights);
    const int depth = static_cast<int>(part.depth()), rows = static_cast<int>(part.rows());
    for (int64_t window = int64_t{blockIdx.x} * kConvThreads + threadIdx.x; window < part.windows();
         window += int64_t{kConvThreads} * gridDim.x) {
      ConvPooled::Column column[4];
#pragma unroll
      for (int i = 0; i < 4; i++) column[i] = part.column(4 * window + i);
      float sum[kConvMost][4] = {};
      for (int k = 0; k < depth; k++) {
        const auto step = part.step(k);
        float x[4];
#pragma unroll
        for (int i = 0; i < 4; i++) x[i] = part.b(step, column[i]);
#pragma unroll
        for (int row = 0; row < kConvMost; row++) {
#pragma unroll
          for (int i = 0; i < 4; i++) sum[row][i] += weights[k * kConvMost + row] * x[i];
        }
      }
#pragma unroll
      for (int row = 0; row < kConvMost; row++)
        if (row < rows) part.store_window(row, window, sum[row]);
    }
    __syncthreads();
  }
}

// What passes the activation, by the output.
__device__ inline float passing(float dy, float y, ConvActivation activation) {
  const bool passes = activation == ConvActivation::none ||
                      (y > 0.0f && (activation == ConvActivation::relu || y < 6.0f));
  return passes ? dy : 0.0f;
}

// The gradient (planes, p, q) of the result before pooling, from dy, y and taps (planes, p / 2, q / 2).
static __global__ void __launch_bounds__(kConvThreads)
    unpool(const float* __restrict__ dy, const float* __restrict__ y,
           const uint8_t* __restrict__ taps, float* __restrict__ out, int64_t n, int p, int q,
           ConvActivation activation) {
  for (int64_t i = int64_t{blockIdx.x} * kConvThreads + threadIdx.x; i < n;
       i += int64_t{kConvThreads} * gridDim.x) {
    const cuda::Pixel at(i, p, q);
    const int row = at.row / 2, column = at.column / 2;
    float value = 0;
    if (row < p / 2 && column < q / 2) {
      const int64_t from = (int64_t{at.image} * (p / 2) + row) * (q / 2) + column;
      if (taps[from] == at.row % 2 * 2 + at.column % 2)
        value = passing(dy[from], y[from], activation);
    }
    out[i] = value;
  }
}

// Blocks: filters. The sum over images (n, k, plane), each thread's in order.
static __global__ void __launch_bounds__(kConvThreads)
    sum_filters(const float* __restrict__ dy, const float* __restrict__ y, float* __restrict__ out,
                int64_t images, int64_t filters, int64_t plane, ConvActivation activation) {
  for (int64_t k = blockIdx.x; k < filters; k += gridDim.x) {
    float sum = 0;
    for (int64_t image = 0; image < images; image++) {
      const int64_t first = (image * filters + k) * plane;
      for (int64_t i = threadIdx.x; i < plane; i += kConvThreads)
        sum += passing(dy[first + i], y[first + i], activation);
    }
    sum = cuda::block_reduce<kConvThreads>(sum, cuda::Sum{});
    if (threadIdx.x == 0) out[k] = sum;
  }
}

}  // namespace tilegrad
