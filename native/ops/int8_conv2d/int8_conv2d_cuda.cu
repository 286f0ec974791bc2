// int8_conv2d on CUDA: implicit GEMM by dp4a, weight (k, c r s) times patches (c r s, p q) per image and group; a patch is
// read where it lies, its padding has the value of x's zero point.
#include "core/conv_shape.h"
#include "core/cuda/cuda_device.h"
#include "core/cuda/int8_gemm.cuh"
#include "ops/int8_conv2d/int8_conv2d.h"

namespace tilegrad {

namespace {

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
  __device__ Int8Epilogue epilogue(int64_t batch) const {
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

template <class T>
PerAxis<T> per_row(const KernelArgs& args, int input) {
  if (!args.has(input)) return {};
  const View& v = args.inputs[input];
  return {v.as<T>(), v.numel() > 1 ? 1 : 0, 0};
}

}  // namespace

void int8_conv2d_cuda(KernelArgs& args) {
  const View &x = args.inputs[kInt8First], &weight = args.inputs[kInt8Second],
             &out = args.outputs[0];
  auto& stream = cuda::stream_of(args.stream);
  ConvProblem p = {};
  p.e = int8_epilogue_of(args);
  p.s = conv_shape(args.attrs, x.shape(), weight.shape());
  p.x = x.as<uint8_t>(), p.weight = weight.as<uint8_t>();
  p.x_zero = args.has(kInt8FirstZero) ? args.inputs[kInt8FirstZero].as<int32_t>() : nullptr;
  p.depth = p.s.c / p.s.groups * p.s.r * p.s.s, p.kernels = p.s.k / p.s.groups;
  p.item = static_cast<int64_t>(dtype_size(out.dtype));
  p.e.k = p.depth;
  p.e.a_signed = weight.dtype == DType::i8, p.e.b_signed = x.dtype == DType::i8;
  p.e.a_zero = per_row<int32_t>(args, kInt8SecondZero);
  p.e.b_zero = per_row<int32_t>(args, kInt8FirstZero);
  p.e.scale = per_row<float>(args, kInt8Scale);
  if (args.has(kInt8Bias) && args.inputs[kInt8Bias].dtype == DType::f32)
    p.e.bias_f32 = per_row<float>(args, kInt8Bias);
  if (args.has(kInt8Bias) && args.inputs[kInt8Bias].dtype == DType::i32)
    p.e.bias_i32 = per_row<int32_t>(args, kInt8Bias);
  p.e.out = static_cast<char*>(out.data) + out.layout.offset * p.item;
  p.e.out_row = p.s.p * p.s.q;
  const cuda::Int8Size size = {p.kernels, p.s.p * p.s.q, p.depth};
  cuda::check(cuda::launch_int8_gemm(stream.handle(), p, size, p.s.n * p.s.groups),
              "int8_gemm_dp4a");
}

}  // namespace tilegrad
