// 2-D convolution on the CPU, forward and its two gradients, over raw pointers.
#pragma once

#include "core/conv_shape.h"
#include "ops/conv2d/conv2d_simd.h"

namespace tilegrad {

// y = activation(convolution + bias + residual).
template <class T>
struct ConvEpilogue {
  const T* bias = nullptr;      // (k), or null
  const T* residual = nullptr;  // as y, or null
  ConvActivation activation = ConvActivation::none;
};

// The same bits at any number of threads. With `winograd`, f32 kernels of 3 x 3 may be computed so.
void conv2d_forward(const ConvShape& shape, const float* x, const float* weight,
                    const ConvEpilogue<float>& epilogue, bool winograd, float* y);
void conv2d_forward(const ConvShape& shape, const double* x, const double* weight,
                    const ConvEpilogue<double>& epilogue, bool winograd, double* y);

// dx (n, c, h, w) from dy (n, k, p, q).
void conv2d_input_gradient(const ConvShape& shape, const float* dy, const float* weight,
                           bool winograd, float* dx);
void conv2d_input_gradient(const ConvShape& shape, const double* dy, const double* weight,
                           bool winograd, double* dx);

// dweight (k, c / groups, r, s) from x and dy.
void conv2d_weight_gradient(const ConvShape& shape, const float* x, const float* dy,
                            float* dweight);
void conv2d_weight_gradient(const ConvShape& shape, const double* x, const double* dy,
                            double* dweight);

}  // namespace tilegrad
