// int8_conv2d on CUDA: implicit GEMM per image and group. From sm_80 on by mma.sync, on sm_90a of large ones by wgmma
// (int8_conv2d_wgmma_cuda.cu), over images and weights whose channels were brought innermost, 16 to a chunk, and held as s8;
// else, and for few channels, by dp4a, a patch read where it lies. Padding has the value of x's zero point.
#include <algorithm>

#include "core/cuda/channels_last.h"
#include "core/cuda/copy.h"
#include "core/cuda/dynamic_quantize.h"
#include "core/cuda/int8_gemm_mma.cuh"
#include "core/cuda/pixel.cuh"
#include "core/view_bytes.h"
#include "ops/int8_conv2d/int8_conv2d.h"
#include "ops/int8_conv2d/int8_conv2d_problem.cuh"

namespace tilegrad {

namespace {

using int8_conv::ConvProblem, int8_conv::MmaConvProblem;

// A pixel outside of the images: the zero point in every channel, held as s8, zeros in the padding.
__global__ void __launch_bounds__(256) fill_outside(uint8_t* to, const int32_t* __restrict__ zero,
                                                    unsigned flip, int channels, int padded) {
  const auto value = static_cast<unsigned>(zero == nullptr ? 0 : *zero) ^ flip;
  for (int i = threadIdx.x; i < padded; i += 256)
    to[i] = static_cast<uint8_t>(i < channels ? value : 0);
}

bool mma_takes(const cuda::CudaStream& stream, const ConvShape& s) {
  const int64_t taps = s.r * s.s, channels = s.c / s.groups;
  const int64_t bottom = std::max((s.p - 1) * s.stride_h + s.r * s.dilation_h, s.h + s.pad_top);
  const int64_t right = std::max((s.q - 1) * s.stride_w + s.s * s.dilation_w, s.w + s.pad_left);
  return stream.traits().capability >= 80 && channels >= 4 &&
         std::max({taps * (channels + 16) * s.groups, bottom, right, s.p * s.q}) < INT32_MAX - 256;
}

void run_mma(cuda::CudaStream& stream, const ConvProblem& p, PackedForms* of_x,
             PackedForms* of_weight) {
  const ConvShape& s = p.s;
  const int64_t channels = s.c / s.groups, padded = cuda::padded_channels(channels, 1);
  const auto small = [](int64_t value) { return static_cast<int>(value); };
  const PackedForm weights = cuda::packed_weight(stream, p.weight, s.groups, p.kernels, channels,
                                                 s.r * s.s, false, 1, of_weight, !p.e.a_signed);
  const PackedForm x =
      cuda::channels_last(stream, p.x, s.n, s.groups, channels, s.h * s.w, 1, of_x, !p.e.b_signed);
  BufferRef kept;
  MmaConvProblem problem = {};
  problem.conv = p;
  problem.weights = static_cast<const uint8_t*>(weights.get());
  problem.patches.x = static_cast<const uint8_t*>(x.get());
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
  if (p.x_zero != nullptr || !p.e.b_signed) {
    kept = cuda::workspace(stream, static_cast<size_t>(padded));
    auto* outside = static_cast<uint8_t*>(kept->data);
    cuda::check(launch(fill_outside, dim3(1), dim3(256), 0, stream.handle(), outside, p.x_zero,
                       p.e.b_signed ? 0u : 0x80u, small(channels), small(padded)),
                "fill_outside");
    problem.patches.outside = outside;
  }
  if (int8_conv::try_wgmma(stream, problem)) return;
  cuda::check(cuda::launch_int8_kind<true, true>(stream.handle(), problem, s.n * s.groups),
              "int8_gemm_mma");
}

// Forms of the two that are kept, or null.
void run(cuda::CudaStream& stream, const ConvProblem& p, PackedForms* of_x,
         PackedForms* of_weight) {
  if (mma_takes(stream, p.s)) return run_mma(stream, p, of_x, of_weight);
  const cuda::Int8Size size = {p.kernels, p.s.p * p.s.q, p.depth};
  cuda::check(cuda::launch_int8_gemm(stream.handle(), p, size, p.s.n * p.s.groups),
              "int8_gemm_dp4a");
}

template <class T>
PerAxis<T> per_row(const KernelArgs& args, int input) {
  if (!args.has(input)) return {};
  const View& v = args.inputs[input];
  return {v.as<T>(), v.numel() > 1 ? 1 : 0, 0};
}

// y (planes, p / 2, q / 2): the largest of each 2 x 2 of x (planes, p, q); a NaN is larger.
__global__ void __launch_bounds__(256)
    largest_of_windows(const float* __restrict__ x, float* __restrict__ y, int64_t n, int p,
                       int q) {
  for (int64_t i = int64_t{blockIdx.x} * 256 + threadIdx.x; i < n; i += int64_t{256} * gridDim.x) {
    const cuda::Pixel at(i, p / 2, q / 2);
    const float* from = x + (at.image * p + 2 * at.row) * q + 2 * at.column;
    float best = from[0];
#pragma unroll
    for (int tap = 1; tap < 4; tap++) {
      const float value = from[tap / 2 * q + tap % 2];
      if (value > best || value != value) best = value;
    }
    y[i] = best;
  }
}

// Of inputs that are quantised first, to `out`.
void convolve_dynamic(KernelArgs& args, const ConvShape& shape, float* out) {
  const View& weight = args.inputs[kDynamicWeight];
  auto& stream = cuda::stream_of(args.stream);
  ConvProblem p = {};
  p.s = shape;
  const cuda::DynamicOperand levels = cuda::dynamic_operand(stream, args, p.s.k, true);
  p.e = levels.epilogue;
  p.x = levels.levels, p.weight = weight.as<uint8_t>(), p.x_zero = levels.zero;
  p.fault = stream.fault();
  p.depth = p.s.c / p.s.groups * p.s.r * p.s.s, p.kernels = p.s.k / p.s.groups;
  p.item = sizeof(float);
  p.e.k = p.depth;
  p.e.a_signed = true;
  p.e.b_zero = {levels.zero, 0, 0};
  p.e.out = out;
  p.e.out_row = p.s.p * p.s.q;
  run(stream, p, nullptr, args.forms[kDynamicWeight]);
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
  p.e.out = bytes_of(out);
  p.e.out_row = p.s.p * p.s.q;
  run(stream, p, args.forms[kInt8First], args.forms[kInt8Second]);
}

void int8_conv2d_dynamic_cuda(KernelArgs& args) {
  const Shape &x = args.inputs[kDynamicX].shape(), &weight = args.inputs[kDynamicWeight].shape();
  convolve_dynamic(args, conv_shape(args.attrs, x, weight), args.outputs[0].as<float>());
}

void int8_conv2d_max_pool2d_dynamic_cuda(KernelArgs& args) {
  auto& stream = cuda::stream_of(args.stream);
  const View& out = args.outputs[0];
  const ConvShape s =
      conv_shape(args.attrs, args.inputs[kDynamicX].shape(), args.inputs[kDynamicWeight].shape());
  const BufferRef space =
      cuda::workspace(stream, static_cast<size_t>(s.n * s.k * s.p * s.q) * sizeof(float));
  auto* dense = static_cast<float*>(space->data);
  convolve_dynamic(args, s, dense);
  cuda::check(launch(largest_of_windows, dim3(cuda::grid_size(stream, out.numel(), 256)), dim3(256),
                     0, stream.handle(), dense, out.as<float>(), out.numel(), static_cast<int>(s.p),
                     static_cast<int>(s.q)),
              "largest_of_windows");
}

}  // namespace tilegrad
