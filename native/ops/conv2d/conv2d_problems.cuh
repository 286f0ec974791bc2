// The three products of a convolution as a matrix product whose operands are gathered: what lies at (row, k) of A, at
// (k, column) of B, and where a sum of C goes. Each works on one group. A Step is what a kernel keeps of a k, a Column
// what it keeps of a column, so that the divisions are not repeated for every element.
#pragma once

#include "core/conv_shape.h"
#include "core/cuda/pixel.cuh"
#include "core/dtype.h"
#include "ops/conv2d/conv2d_simd.h"

namespace tilegrad {

// Sizes in 32 bits: conv_shape has checked that each is below 2^31.
struct ConvSizes {
  int c, h, w, k, r, s;  // channels are those of one group
  int p, q;
  int stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;
  int groups;
  int64_t n;

  explicit ConvSizes(const ConvShape& shape)
      : c(static_cast<int>(shape.c / shape.groups)),
        h(static_cast<int>(shape.h)),
        w(static_cast<int>(shape.w)),
        k(static_cast<int>(shape.k / shape.groups)),
        r(static_cast<int>(shape.r)),
        s(static_cast<int>(shape.s)),
        p(static_cast<int>(shape.p)),
        q(static_cast<int>(shape.q)),
        stride_h(static_cast<int>(shape.stride_h)),
        stride_w(static_cast<int>(shape.stride_w)),
        pad_top(static_cast<int>(shape.pad_top)),
        pad_left(static_cast<int>(shape.pad_left)),
        dilation_h(static_cast<int>(shape.dilation_h)),
        dilation_w(static_cast<int>(shape.dilation_w)),
        groups(static_cast<int>(shape.groups)),
        n(shape.n) {}
  __host__ __device__ int64_t x_image() const { return int64_t{c} * groups * h * w; }
  __host__ __device__ int64_t y_image() const { return int64_t{k} * groups * p * q; }
};

// Where pixel `index` of all images lies in the first channel. 32-bit division where it can be used.
__device__ inline int64_t image_offset(int64_t index, int64_t area, int64_t image_size) {
  if (index <= INT32_MAX && area <= INT32_MAX) {
    const uint32_t image = static_cast<uint32_t>(index) / static_cast<uint32_t>(area);
    return image * image_size + (index - image * area);
  }
  const int64_t image = index / area;
  return image * image_size + (index - image * area);
}

// y (k, (n, p, q)) = weight (k, (c, r, s)) patches of x ((c, r, s), (n, p, q)) + bias (k) + residual,
// then the activation, which keeps NaN.
template <class T>
struct ConvForward {
  using Element = T;
  static constexpr bool kAlongK = false;  // B is read along its columns
  ConvSizes z;
  const T *x, *weight, *bias, *residual;
  ConvActivation activation;
  T* y;

  struct Step {
    int64_t offset;  // of the channel
    int k, h, w;     // h, w: the tap's distance from the patch's corner
  };
  struct Column {
    int64_t offset;  // of the image
    int h, w;        // the patch's corner
  };
  __host__ __device__ int64_t rows() const { return z.k; }
  __host__ __device__ int64_t columns() const { return z.n * z.p * z.q; }
  __host__ __device__ int64_t depth() const { return int64_t{z.c} * z.r * z.s; }
  __device__ void select(int group) {
    x += int64_t{group} * z.c * z.h * z.w;
    weight += group * z.k * depth();
    if (bias) bias += group * z.k;
    if (residual) residual += int64_t{group} * z.k * z.p * z.q;
    y += int64_t{group} * z.k * z.p * z.q;
  }
  __device__ Step step(int64_t index) const {
    const auto k = static_cast<uint32_t>(index), taps = static_cast<uint32_t>(z.r * z.s);
    const uint32_t c = k / taps, tap = k - c * taps, r = tap / static_cast<uint32_t>(z.s);
    return {int64_t{c} * z.h * z.w, static_cast<int>(k), static_cast<int>(r) * z.dilation_h,
            static_cast<int>(tap - r * z.s) * z.dilation_w};
  }
  __device__ Column column(int64_t index) const {
    const cuda::Pixel at(index, z.p, z.q);
    return {at.image * z.x_image(), at.row * z.stride_h - z.pad_top,
            at.column * z.stride_w - z.pad_left};
  }
  __device__ T a(int64_t row, const Step& step) const { return weight[row * depth() + step.k]; }
  __device__ T b(const Step& step, const Column& column) const {
    const int h = column.h + step.h, w = column.w + step.w;
    const bool inside = h >= 0 && h < z.h && w >= 0 && w < z.w;
    return inside ? x[column.offset + step.offset + int64_t{h} * z.w + w] : T(0.0f);
  }
  __device__ int64_t place(int64_t index) const {
    return image_offset(index, int64_t{z.p} * z.q, z.y_image());
  }
  template <class Sum>
  __device__ void put(int64_t row, int64_t place, Sum sum) const {
    if (bias) sum += static_cast<Sum>(bias[row]);
    const int64_t at = place + row * z.p * z.q;
    if (residual) sum += static_cast<Sum>(residual[at]);
    if (activation != ConvActivation::none && sum < Sum(0)) sum = Sum(0);
    if (activation == ConvActivation::relu6 && sum > Sum(6)) sum = Sum(6);
    y[at] = static_cast<T>(sum);
  }
  template <class Sum>
  __device__ void store(int64_t row, int64_t index, Sum sum) const {
    put(row, place(index), sum);
  }
};

// dx (c, (n, h, w)) = weight^T (c, (k, r, s)) dy ((k, r, s), (n, h, w)), where a tap meets an output.
template <class T>
struct ConvInputGrad {
  using Element = T;
  static constexpr bool kAlongK = false;
  ConvSizes z;
  const T *dy, *weight;
  T* dx;

  struct Step {
    int64_t weight, dy;  // offsets of (k, 0, r, s) and of channel k
    int h, w;
  };
  struct Column {
    int64_t offset;
    int h, w;  // the pixel, from the corner of the padded image
  };
  __host__ __device__ int64_t rows() const { return z.c; }
  __host__ __device__ int64_t columns() const { return z.n * z.h * z.w; }
  __host__ __device__ int64_t depth() const { return int64_t{z.k} * z.r * z.s; }
  __device__ void select(int group) {
    dy += int64_t{group} * z.k * z.p * z.q;
    weight += int64_t{group} * z.k * z.c * z.r * z.s;
    dx += int64_t{group} * z.c * z.h * z.w;
  }
  __device__ Step step(int64_t index) const {
    const auto i = static_cast<uint32_t>(index), taps = static_cast<uint32_t>(z.r * z.s);
    const uint32_t k = i / taps, tap = i - k * taps, r = tap / static_cast<uint32_t>(z.s);
    return {int64_t{k} * z.c * taps + tap, int64_t{k} * z.p * z.q,
            static_cast<int>(r) * z.dilation_h, static_cast<int>(tap - r * z.s) * z.dilation_w};
  }
  __device__ Column column(int64_t index) const {
    const cuda::Pixel at(index, z.h, z.w);
    return {at.image * z.y_image(), at.row + z.pad_top, at.column + z.pad_left};
  }
  __device__ T a(int64_t row, const Step& step) const {
    return weight[step.weight + row * z.r * z.s];
  }
  __device__ T b(const Step& step, const Column& column) const {
    int h = column.h - step.h, w = column.w - step.w;
    bool inside = h >= 0 && w >= 0;
    if (z.stride_h != 1 || z.stride_w != 1) {
      const int p = h / z.stride_h, q = w / z.stride_w;
      inside = inside && p * z.stride_h == h && q * z.stride_w == w;
      h = p;
      w = q;
    }
    inside = inside && h < z.p && w < z.q;
    return inside ? dy[column.offset + step.dy + int64_t{h} * z.q + w] : T(0.0f);
  }
  __device__ int64_t place(int64_t index) const {
    return image_offset(index, int64_t{z.h} * z.w, z.x_image());
  }
  template <class Sum>
  __device__ void put(int64_t row, int64_t place, Sum sum) const {
    dx[place + row * z.h * z.w] = static_cast<T>(sum);
  }
  template <class Sum>
  __device__ void store(int64_t row, int64_t index, Sum sum) const {
    put(row, place(index), sum);
  }
};

// dw (k, (c, r, s)) = dy (k, (n, p, q)) patches of x^T ((n, p, q), (c, r, s)): few results, long sums.
template <class T>
struct ConvWeightGrad {
  using Element = T;
  static constexpr bool kAlongK = true;
  ConvSizes z;
  const T *x, *dy;
  T* dw;

  struct Step {
    int64_t x, dy;  // offsets of the image and of the output pixel
    int h, w;
  };
  struct Column {
    int64_t offset;
    int h, w;
  };
  __host__ __device__ int64_t rows() const { return z.k; }
  __host__ __device__ int64_t columns() const { return int64_t{z.c} * z.r * z.s; }
  __host__ __device__ int64_t depth() const { return z.n * z.p * z.q; }
  __device__ void select(int group) {
    x += int64_t{group} * z.c * z.h * z.w;
    dy += int64_t{group} * z.k * z.p * z.q;
    dw += group * z.k * columns();
  }
  __device__ Step step(int64_t index) const {
    const cuda::Pixel at(index, z.p, z.q);
    return {at.image * z.x_image(), at.image * z.y_image() + int64_t{at.row} * z.q + at.column,
            at.row * z.stride_h - z.pad_top, at.column * z.stride_w - z.pad_left};
  }
  __device__ Column column(int64_t index) const {
    const auto i = static_cast<uint32_t>(index), taps = static_cast<uint32_t>(z.r * z.s);
    const uint32_t c = i / taps, tap = i - c * taps, r = tap / static_cast<uint32_t>(z.s);
    return {int64_t{c} * z.h * z.w, static_cast<int>(r) * z.dilation_h,
            static_cast<int>(tap - r * z.s) * z.dilation_w};
  }
  __device__ T a(int64_t row, const Step& step) const { return dy[step.dy + row * z.p * z.q]; }
  __device__ T b(const Step& step, const Column& column) const {
    const int h = column.h + step.h, w = column.w + step.w;
    const bool inside = h >= 0 && h < z.h && w >= 0 && w < z.w;
    return inside ? x[step.x + column.offset + int64_t{h} * z.w + w] : T(0.0f);
  }
  template <class Sum>
  __device__ void store(int64_t row, int64_t index, Sum sum) const {
    dw[row * columns() + index] = static_cast<T>(sum);
  }
};

}  // namespace tilegrad
