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

// The same bits at any number of threads.
void conv2d_forward(const ConvShape& shape, const float* x, const float* weight,
                    const ConvEpilogue<float>& epilogue, float* y);
void conv2d_forward(const ConvShape& shape, const double* x, const double* weight,
                    const ConvEpilogue<double>& epilogue, double* y);

// dx (n, c, h, w) from dy (n, k, p, q).
void conv2d_input_gradient(const ConvShape& shape, const float* dy, const float* weight, float* dx);
void conv2d_input_gradient(const ConvShape& shape, const double* dy, const double* weight,
                           double* dx);

// dweight (k, c / groups, r, s) from x and dy.
void conv2d_weight_gradient(const ConvShape& shape, const float* x, const float* dy,
                            float* dweight);
void conv2d_weight_gradient(const ConvShape& shape, const double* x, const double* dy,
                            double* dweight);

}  // namespace tilegrad
