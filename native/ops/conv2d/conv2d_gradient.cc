// A gradient behind pooling and activation is spread where a kernel of the convolution reads it.
#include "ops/conv2d/conv2d_kernels.h"

namespace tilegrad {

template <class T>
ConvGradient<T> ConvGradient<T>::from_plane(int64_t first) const {
  ConvGradient rest = *this;
  rest.dy += first * (pooled() ? height / 2 * (width / 2) : height * width);
  if (pooled()) rest.y += rest.dy - dy, rest.taps += rest.dy - dy;
  return rest;
}

template <class T>
const T* ConvGradient<T>::planes(int64_t first, int64_t count, T* space) const {
  if (!pooled()) return dy + first * height * width;
  const int64_t rows = height / 2, cols = width / 2, at = first * rows * cols;
  const ConvKernels<T>& kernels = ConvKernels<T>::chosen();
  kernels.unpool({count, rows, cols, dy + at, y + at, taps + at, activation, space, height, width});
  return space;
}

template struct ConvGradient<float>;
template struct ConvGradient<double>;

}  // namespace tilegrad
