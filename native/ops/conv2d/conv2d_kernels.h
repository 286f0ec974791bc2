// 2-D convolution on the CPU, forward and its two gradients, over raw pointers.
#pragma once

#include "core/conv_shape.h"
#include "core/packed_forms.h"
#include "ops/conv2d/conv2d_simd.h"

namespace tilegrad {

// y = activation(convolution + bias + residual), or of the largest of each 2 x 2 window without a residual.
template <class T>
struct ConvEpilogue {
  const T* bias = nullptr;      // (k), or null
  const T* residual = nullptr;  // as y, or null
  ConvActivation activation = ConvActivation::none;
  bool pool = false;
  uint8_t* taps = nullptr;        // with pool: where the largest stood, as y, or null
  PackedForms* packed = nullptr;  // of the weight, or null
};

// The gradient of a convolution's result (n, k, p, q), as it lies, or as what stands behind an activation and
// pooling by 2 x 2 windows, (n, k, p / 2, q / 2): it is spread where it is used then.
template <class T>
struct ConvGradient {
  const T* dy;
  int64_t height, width;  // p and q
  const T* y = nullptr;
  const uint8_t* taps = nullptr;  // of each window's largest; null: dy is the gradient as it lies
  ConvActivation activation = ConvActivation::none;

  bool pooled() const { return taps != nullptr; }
  // That of the planes from number `first` on.
  ConvGradient from_plane(int64_t first) const;
  // `count` planes (p, q) from number `first` on, spread to `space` where they are pooled.
  const T* planes(int64_t first, int64_t count, T* space) const;
};

// The same bits at any number of threads. With `winograd`, f32 kernels of 3 x 3 may be computed so.
void conv2d_forward(const ConvShape& shape, const float* x, const float* weight,
                    const ConvEpilogue<float>& epilogue, bool winograd, float* y);
void conv2d_forward(const ConvShape& shape, const double* x, const double* weight,
                    const ConvEpilogue<double>& epilogue, bool winograd, double* y);

// dx (n, c, h, w) from dy (n, k, p, q).
void conv2d_input_gradient(const ConvShape& shape, const ConvGradient<float>& dy,
                           const float* weight, bool winograd, float* dx);
void conv2d_input_gradient(const ConvShape& shape, const ConvGradient<double>& dy,
                           const double* weight, bool winograd, double* dx);

// dweight (k, c / groups, r, s) from x and dy.
void conv2d_weight_gradient(const ConvShape& shape, const float* x, const ConvGradient<float>& dy,
                            bool winograd, float* dweight);
void conv2d_weight_gradient(const ConvShape& shape, const double* x, const ConvGradient<double>& dy,
                            bool winograd, double* dweight);

}  // namespace tilegrad
