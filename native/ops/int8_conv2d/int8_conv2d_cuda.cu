// int8_conv2d on CUDA: implicit GEMM per image and group. From sm_80 on by mma.sync, over images and weights whose channels
// were brought innermost, 16 to a chunk; else, and for few channels, by dp4a, weight (k, c r s) times patches
// (c r s, p q), a patch read where it lies. Padding has the value of x's zero point.
#include <algorithm>

#include "core/conv_shape.h"
#include "core/cuda/channels_last.h"
#include "core/cuda/conv_patches.cuh"
#include "core/cuda/copy.h"
#include "core/cuda/cuda_device.h"
#include "core/cuda/fault.cuh"
#include "core/cuda/gemm_operands.cuh"
#include "core/cuda/int8_gemm_mma.cuh"
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

// The same on tensor cores: weights (groups, k, taps, channels), images (n, h, w, groups, channels), padded channels.
struct MmaConvProblem {
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

// A pixel outside of the images: the zero point in every channel, zeros in the padding.
__global__ void __launch_bounds__(256)
    fill_outside(uint8_t* to, const int32_t* __restrict__ zero, int channels, int padded) {
  for (int i = threadIdx.x; i < padded; i += 256)
    to[i] = static_cast<uint8_t>(i < channels ? *zero : 0);
}

bool mma_takes(const cuda::CudaStream& stream, const ConvShape& s) {
  const int64_t taps = s.r * s.s, channels = s.c / s.groups;
  const int64_t bottom = std::max((s.p - 1) * s.stride_h + s.r * s.dilation_h, s.h + s.pad_top);
  const int64_t right = std::max((s.q - 1) * s.stride_w + s.s * s.dilation_w, s.w + s.pad_left);
  return stream.traits().capability >= 80 && channels >= 4 &&
         std::max({taps * (channels + 16) * s.groups, bottom, right, s.p * s.q}) < INT32_MAX - 256;
}

void run_mma(cuda::CudaStream& stream, const ConvProblem& p) {
  const ConvShape& s = p.s;
  const int64_t channels = s.c / s.groups, padded = cuda::padded_channels(channels, 1);
  const auto small = [](int64_t value) { return static_cast<int>(value); };
  BufferRef kept[3];
  MmaConvProblem problem = {};
  problem.conv = p;
  problem.weights = static_cast<const uint8_t*>(cuda::packed_weight(
      stream, p.weight, s.groups, p.kernels, channels, s.r * s.s, false, 1, &kept[0]));
  problem.patches.x = static_cast<const uint8_t*>(
      cuda::channels_last(stream, p.x, s.n, s.groups, channels, s.h * s.w, 1, &kept[1]));
  problem.patches.z = {1,
                       small(s.h),
                       small(s.w),
                       small(s.p),
                       small(s.q),
                       small(s.s),
                       small(padded),
                       small(padded * s.groups),
                       small(s.r * s.s),
                       small(s.stride_h),
                       small(s.stride_w),
                       small(s.pad_top),
                       small(s.pad_left),
                       small(s.dilation_h),
                       small(s.dilation_w)};
  if (p.x_zero != nullptr) {
    kept[2] = cuda::workspace(stream, static_cast<size_t>(padded));
    auto* outside = static_cast<uint8_t*>(kept[2]->data);
    cuda::check(launch(fill_outside, dim3(1), dim3(256), 0, stream.handle(), outside, p.x_zero,
                       small(channels), small(padded)),
                "fill_outside");
    problem.patches.outside = outside;
  }
  cuda::check(
      cuda::launch_int8_mma(stream.handle(), problem, s.n * s.groups, p.e.a_signed, p.e.b_signed),
      "int8_gemm_mma");
}

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
  p.fault = stream.fault();
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
  if (mma_takes(stream, p.s)) return run_mma(stream, p);
  const cuda::Int8Size size = {p.kernels, p.s.p * p.s.q, p.depth};
  cuda::check(cuda::launch_int8_gemm(stream.handle(), p, size, p.s.n * p.s.groups),
              "int8_gemm_dp4a");
}

}  // namespace tilegrad
