// 2-D convolution on the CPU, forward and its two gradients, over raw pointers.
#pragma once

#include <cstdint>

namespace tilegrad {

// Tensors are contiguous: x (n, c, h, w), weight (k, c / groups, r, s), y (n, k, p, q). k and c are
// multiples of groups; p and q are what padding, stride and dilation give. Padding may differ from
// side to side; the far sides only enter through p and q.
struct ConvShape {
  int64_t n = 0, c = 0, h = 0, w = 0;
  int64_t k = 0, r = 0, s = 0;
  int64_t stride_h = 1, stride_w = 1;
  int64_t pad_top = 0, pad_left = 0;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;
  int64_t p = 0, q = 0;
};

// The same bits at any number of threads. bias (k) may be null; ReLU keeps NaN.
void conv2d_forward(const ConvShape& shape, const float* x, const float* weight, const float* bias,
                    bool relu, float* y);
void conv2d_forward(const ConvShape& shape, const double* x, const double* weight,
                    const double* bias, bool relu, double* y);

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
