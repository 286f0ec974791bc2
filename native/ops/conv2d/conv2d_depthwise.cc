// A task is some planes, for the weight gradient some channels through all images: the bits do not depend on threads.
#include "ops/conv2d/conv2d_depthwise.h"

#include <algorithm>

#include "core/parallel.h"
#include "ops/conv2d/conv2d_depthwise_simd.h"

namespace tilegrad {
namespace {

constexpr int64_t kTaskWork = 1 << 17;  // multiply-adds

template <class T>
struct DepthwiseKernels;
template <>
struct DepthwiseKernels<float> {
  void (*plane)(const DepthwisePlane<float>&) = TILEGRAD_SIMD(depthwise_plane_f32);
  void (*spread)(const DepthwiseSpread<float>&) = TILEGRAD_SIMD(depthwise_spread_f32);
  void (*weight)(const DepthwiseWeight<float>&) = TILEGRAD_SIMD(depthwise_weight_f32);
};
template <>
struct DepthwiseKernels<double> {
  void (*plane)(const DepthwisePlane<double>&) = TILEGRAD_SIMD(depthwise_plane_f64);
  void (*spread)(const DepthwiseSpread<double>&) = TILEGRAD_SIMD(depthwise_spread_f64);
  void (*weight)(const DepthwiseWeight<double>&) = TILEGRAD_SIMD(depthwise_weight_f64);
};

template <class T>
bool suits(const ConvShape& s) {
  // 49 taps of few lanes are loads more than sums.
  const ConvGeometry& geometry = ConvKernels<T>::chosen().geometry;
  return s.c == s.groups && s.k == s.groups && s.r == s.s && s.r % 2 == 1 && s.r >= 3 && s.r <= 7 &&
         s.stride_h == s.stride_w && s.stride_h <= 2 && s.dilation_h * s.dilation_w == 1 &&
         s.n * s.c * s.p * s.q != 0 && (s.r < 7 || geometry.split_vectors) &&
         geometry.masked_stores;
}

int64_t grain(const ConvShape& s, int64_t planes) {
  return grain_for(planes * s.p * s.q * s.r * s.s, kTaskWork);
}

template <class T>
bool forward(const ConvShape& s, const T* x, const T* weight, const ConvEpilogue<T>& epilogue,
             T* y) {
  if (!suits<T>(s) || epilogue.pool) return false;
  const DepthwiseKernels<T> kernels;
  parallel_for(s.n * s.c, grain(s, 1), [&](int64_t begin, int64_t end) {
    DepthwisePlane<T> c = {};
    c.kernel = static_cast<int>(s.r), c.stride = static_cast<int>(s.stride_h);
    c.pad_top = s.pad_top, c.pad_left = s.pad_left;
    c.in_h = s.h, c.in_w = s.w, c.out_h = s.p, c.out_w = s.q;
    c.activation = epilogue.activation;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t channel = i % s.c, at = i * s.p * s.q;
      c.in = x + i * s.h * s.w, c.out = y + at;
      c.weight = weight + channel * s.r * s.s;
      c.bias = epilogue.bias != nullptr ? epilogue.bias + channel : nullptr;
      c.residual = epilogue.residual != nullptr ? epilogue.residual + at : nullptr;
      kernels.plane(c);
    }
  });
  return true;
}

// At stride 1 a convolution of dy with the kernel turned around.
template <class T>
bool input_gradient(const ConvShape& s, const T* dy, const T* weight, T* dx) {
  if (!suits<T>(s)) return false;
  const DepthwiseKernels<T> kernels;
  const int kernel = static_cast<int>(s.r);
  parallel_for(s.n * s.c, grain(s, 1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T *from = dy + i * s.p * s.q, *w = weight + i % s.c * s.r * s.s;
      T* out = dx + i * s.h * s.w;
      if (s.stride_h == 2) {
        kernels.spread({kernel, s.pad_top, s.pad_left, from, s.p, s.q, w, out, s.h, s.w});
      } else {
        kernels.plane({kernel, 1, s.r - 1 - s.pad_top, s.s - 1 - s.pad_left, from, s.p, s.q, out,
                       s.h, s.w, w, true, nullptr, nullptr, ConvActivation::none});
      }
    }
  });
  return true;
}

template <class T>
bool weight_gradient(const ConvShape& s, const T* x, const T* dy, T* dw) {
  // Wide rows of stride 1 are read as whole vectors by the general kernel.
  const bool narrow = s.stride_h == 2 || s.q <= ConvKernels<T>::chosen().geometry.lanes;
  if (!suits<T>(s) || !narrow) return false;
  const DepthwiseKernels<T> kernels;
  const int kernel = static_cast<int>(s.r), stride = static_cast<int>(s.stride_h);
  const int64_t in_plane = s.h * s.w, out_plane = s.p * s.q;
  parallel_for(s.c, grain(s, s.n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      kernels.weight({kernel, stride, s.pad_top, s.pad_left, s.n, s.c * in_plane, s.c * out_plane,
                      x + i * in_plane, s.h, s.w, dy + i * out_plane, s.p, s.q,
                      dw + i * s.r * s.s});
    }
  });
  return true;
}

}  // namespace

bool depthwise_forward(const ConvShape& s, const float* x, const float* weight,
                       const ConvEpilogue<float>& epilogue, float* y) {
  return forward(s, x, weight, epilogue, y);
}
bool depthwise_forward(const ConvShape& s, const double* x, const double* weight,
                       const ConvEpilogue<double>& epilogue, double* y) {
  return forward(s, x, weight, epilogue, y);
}
bool depthwise_input_gradient(const ConvShape& s, const float* dy, const float* weight, float* dx) {
  return input_gradient(s, dy, weight, dx);
}
bool depthwise_input_gradient(const ConvShape& s, const double* dy, const double* weight,
                              double* dx) {
  return input_gradient(s, dy, weight, dx);
}
bool depthwise_weight_gradient(const ConvShape& s, const float* x, const float* dy, float* dw) {
  return weight_gradient(s, x, dy, dw);
}
bool depthwise_weight_gradient(const ConvShape& s, const double* x, const double* dy, double* dw) {
  return weight_gradient(s, x, dy, dw);
}

}  // namespace tilegrad
