// Depthwise convolution, plane by plane: what it asks of its SIMD file.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"
#include "ops/conv2d/conv2d_simd.h"

namespace tilegrad {

// Kernels of 3 x 3, 5 x 5 or 7 x 7 at stride 1 or 2. `kernel` rows and columns; in (in_h, in_w), out (out_h, out_w).
template <class T>
struct DepthwisePlane {
  int kernel, stride;
  int64_t pad_top, pad_left;
  const T* in;
  int64_t in_h, in_w;
  T* out;
  int64_t out_h, out_w;
  const T* weight;  // (kernel, kernel)
  bool flipped;     // taps from the last to the first, as the input gradient of stride 1 takes them
  const T* bias;    // one, or null
  const T* residual;
  ConvActivation activation;
};

// dx (in_h, in_w) from dy (out_h, out_w) at stride 2.
template <class T>
struct DepthwiseSpread {
  int kernel;
  int64_t pad_top, pad_left;
  const T* dy;
  int64_t out_h, out_w;
  const T* weight;
  T* dx;
  int64_t in_h, in_w;
};

// dweight (kernel, kernel) over planes of `images` images, which lie in_stride and out_stride apart.
template <class T>
struct DepthwiseWeight {
  int kernel, stride;
  int64_t pad_top, pad_left;
  int64_t images, in_stride, out_stride;
  const T* in;
  int64_t in_h, in_w;
  const T* dy;
  int64_t out_h, out_w;
  T* dweight;
};

TILEGRAD_SIMD_DECLARE(void, depthwise_plane_f32, (const DepthwisePlane<float>& c))
TILEGRAD_SIMD_DECLARE(void, depthwise_plane_f64, (const DepthwisePlane<double>& c))
TILEGRAD_SIMD_DECLARE(void, depthwise_spread_f32, (const DepthwiseSpread<float>& c))
TILEGRAD_SIMD_DECLARE(void, depthwise_spread_f64, (const DepthwiseSpread<double>& c))
TILEGRAD_SIMD_DECLARE(void, depthwise_weight_f32, (const DepthwiseWeight<float>& c))
TILEGRAD_SIMD_DECLARE(void, depthwise_weight_f64, (const DepthwiseWeight<double>& c))

}  // namespace tilegrad
