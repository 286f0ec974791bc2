// The integer convolution as a matrix product: weight (k, c r s) times patches (c r s, p q) of each image and group.
#pragma once

#include "core/conv_shape.h"
#include "core/cuda/conv_patches.cuh"
#include "core/cuda/cuda_device.h"
#include "core/cuda/fault.cuh"
#include "core/cuda/gemm_operands.cuh"
#include "core/cuda/int8_gemm.cuh"

namespace tilegrad {

namespace int8_conv {

struct Weights {
  const uint8_t* data;
  int64_t depth;
  bool is_signed;
  __device__ int32_t operator()(int64_t row, int64_t i) const {
    return cuda::hold_s8(data[row * depth + i], is_signed);
  }
};

struct Patches {
  const uint8_t* image;  // (c / groups, h, w)
  ConvShape s;
  uint8_t padding;
  bool is_signed;
  __device__ int32_t operator()(int64_t pixel, int64_t i) const {
    const int64_t tap = i % s.s, r = i / s.s % s.r, c = i / (s.s * s.r);
    const int64_t h = pixel / s.q * s.stride_h - s.pad_top + r * s.dilation_h;
    const int64_t w = pixel % s.q * s.stride_w - s.pad_left + tap * s.dilation_w;
    const bool inside = h >= 0 && h < s.h && w >= 0 && w < s.w;
    return cuda::hold_s8(inside ? image[(c * s.h + h) * s.w + w] : padding, is_signed);
  }
};

template <class T>
__device__ PerAxis<T> from_row(const PerAxis<T>& v, int64_t first) {
  return v.data == nullptr ? v : PerAxis<T>{v.data + first * v.row, v.row, v.col};
}

struct ConvProblem {
  const uint8_t* x;
  const uint8_t* weight;
  const int32_t* x_zero;  // or null
  cuda::Fault* fault;
  ConvShape s;
  Int8Epilogue e;
  int64_t depth, kernels, item;

  __device__ Weights a(int64_t batch) const {
    return {weight + batch % s.groups * kernels * depth, depth, e.a_signed};
  }
  __device__ Patches b(int64_t batch) const {
    const int64_t channels = s.c / s.groups;
    const uint8_t* image = x + (batch / s.groups * s.c + batch % s.groups * channels) * s.h * s.w;
    return {image, s, static_cast<uint8_t>(x_zero == nullptr ? 0 : *x_zero), e.b_signed};
  }
  // The padding is a byte of x.
  __device__ void check_zero() const {
    if (x_zero == nullptr) return;
    const int32_t zero = *x_zero, low = e.b_signed ? -128 : 0, high = e.b_signed ? 127 : 255;
    if (zero < low || zero > high)
      cuda::report_fault(fault, cuda::FaultKind::x_zero_point, low, zero, high);
  }
  __device__ Int8Epilogue epilogue(int64_t batch) const {
    check_zero();
    const int64_t first = batch % s.groups * kernels;
    Int8Epilogue own = e;
    own.a_zero = from_row(e.a_zero, first);
    own.scale = from_row(e.scale, first);
    own.bias_i32 = from_row(e.bias_i32, first);
    own.bias_f32 = from_row(e.bias_f32, first);
    own.out = static_cast<char*>(e.out) + (batch / s.groups * s.k + first) * s.p * s.q * item;
    return own;
  }
};

// The same on tensor cores: weights (groups, k, taps, channels), images (n, h, w, groups, channels), padded channels, both
// held as s8.
struct MmaConvProblem {
  static constexpr bool kHeld = true;
  ConvProblem conv;
  const uint8_t* weights;
  cuda::ConvPatches<uint8_t, true> patches;

  __host__ __device__ int64_t rows() const { return conv.kernels; }
  __host__ __device__ int64_t columns() const { return conv.s.p * conv.s.q; }
  __device__ int depth() const { return patches.z.taps * patches.z.channels; }
  __device__ cuda::StridedOperand<uint8_t, true> a(int64_t batch) const {
    return {weights + batch % conv.s.groups * rows() * depth(), depth(), 1, rows(), true};
  }
  __device__ cuda::ConvPatches<uint8_t, true> b(int64_t batch) const {
    cuda::ConvPatches<uint8_t, true> own = patches;
    own.x += batch / conv.s.groups * own.z.h * own.z.w * own.z.width +
             batch % conv.s.groups * own.z.channels;
    return own;
  }
  __device__ Int8Epilogue epilogue(int64_t batch) const { return conv.epilogue(batch); }
};

/// Enqueues the product of all images if device, build and sizes suit wgmma.
bool try_wgmma(cuda::CudaStream& stream, const MmaConvProblem& problem);

}  // namespace int8_conv

}  // namespace tilegrad
