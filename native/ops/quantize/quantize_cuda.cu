// Quantisation on CUDA: one thread per element and loop step, the channel of an element by division. Bytes moved: one read
// and one write per element.
#include "core/cuda/dynamic_quantize.h"
#include "core/cuda/fault.cuh"
#include "core/cuda/launch.cuh"
#include "core/cuda/quantize_level.cuh"
#include "core/view_bytes.h"
#include "ops/quantize/quantize.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;

// Element i has the scale and zero point i / inner % channels; steps of 0 stand for one for all.
struct Parameters {
  const float* scale;
  const int32_t* zero_point;
  int scale_step, zero_step;
  int64_t inner, channels;
  int32_t low, high;
  cuda::Fault* fault;  // null where any zero point will do
  cuda::FaultKind kind;
};

__device__ inline float scale_of(const Parameters& p, int64_t channel) {
  return p.scale[channel * p.scale_step];
}
// One outside of the range is reported, and taken as its nearest end, which keeps level() within what it rounds.
__device__ inline int32_t zero_of(const Parameters& p, int64_t channel) {
  const int32_t zero = p.zero_point[channel * p.zero_step];
  if (p.fault == nullptr || (zero >= p.low && zero <= p.high)) return zero;
  cuda::report_fault(p.fault, p.kind, p.low, zero, p.high);
  return zero < p.low ? p.low : p.high;
}

using cuda::level;

template <class T, class Q>
__global__ void __launch_bounds__(kThreads)
    quantize_each(const T* __restrict__ x, Q* __restrict__ out, int64_t n, Parameters p) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x) {
    const int64_t channel = i / p.inner % p.channels;
    const int32_t zero = zero_of(p, channel);
    out[i] = static_cast<Q>(
        level(static_cast<float>(x[i]), scale_of(p, channel), zero, p.low, p.high) + zero);
  }
}

template <class Q>
__global__ void __launch_bounds__(kThreads)
    dequantize_each(const Q* __restrict__ x, float* __restrict__ out, int64_t n, Parameters p) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x) {
    const int64_t channel = i / p.inner % p.channels;
    const uint32_t steps = static_cast<uint32_t>(x[i]) - static_cast<uint32_t>(zero_of(p, channel));
    out[i] = static_cast<float>(static_cast<int32_t>(steps)) * scale_of(p, channel);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    fake_quantize_each(const T* __restrict__ x, T* __restrict__ out, int64_t n, Parameters p) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x) {
    const int64_t channel = i / p.inner % p.channels;
    const float scale = scale_of(p, channel);
    const int32_t steps =
        level(static_cast<float>(x[i]), scale, zero_of(p, channel), p.low, p.high);
    out[i] = static_cast<T>(static_cast<float>(steps) * scale);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    fake_quantize_input_grad_each(const T* __restrict__ dout, const T* __restrict__ x,
                                  T* __restrict__ out, int64_t n, Parameters p) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x) {
    const int64_t channel = i / p.inner % p.channels;
    const float value = static_cast<float>(x[i]), scale = scale_of(p, channel);
    const int32_t zero = zero_of(p, channel);
    const bool inside = value == value && level(value, scale, zero, p.low - 1, p.high + 1) ==
                                              level(value, scale, zero, p.low, p.high);
    out[i] = inside ? dout[i] : static_cast<T>(0.0f);
  }
}

// With a kind, zero points must lie in the range that the attributes give.
Parameters parameters(const KernelArgs& args, int x, int first,
                      const cuda::FaultKind* kind = nullptr) {
  const View &in = args.inputs[x], &scale = args.inputs[first], &zero = args.inputs[first + 1];
  Parameters p = {
      scale.as<float>(), zero.as<int32_t>(), scale.layout.rank(), zero.layout.rank(), 1, 1, 0, 0,
      nullptr,           cuda::FaultKind{}};
  if (p.scale_step + p.zero_step > 0) {
    const Shape& shape = in.shape();
    int64_t axis = args.attrs.integer("axis");
    if (axis < 0) axis += shape.rank;
    p.channels = shape[static_cast<int>(axis)];
    for (int d = static_cast<int>(axis) + 1; d < shape.rank; ++d) p.inner *= shape[d];
  }
  if (kind != nullptr) {
    p.fault = cuda::stream_of(args.stream).fault();
    p.kind = *kind;
    p.low = static_cast<int32_t>(args.attrs.integer("quant_min"));
    p.high = static_cast<int32_t>(args.attrs.integer("quant_max"));
  }
  return p;
}

template <class Kernel, class... Args>
void run(KernelArgs& args, Kernel* kernel, const Args&... rest) {
  auto& stream = cuda::stream_of(args.stream);
  const int64_t n = args.outputs[0].numel();
  cuda::check(launch(kernel, dim3(cuda::grid_size(stream, n, kThreads)), dim3(kThreads), 0,
                     stream.handle(), rest...),
              "launch");
}

}  // namespace

// The dtypes that these ops take: floats but f64.
#define TG_DISPATCH_SINGLE(DTYPE, T, ...)                                              \
  switch (DTYPE) {                                                                     \
    TG_CASE(f32, float, T, __VA_ARGS__)                                                \
    TG_CASE(f16, ::tilegrad::f16, T, __VA_ARGS__)                                      \
    TG_CASE(bf16, ::tilegrad::bf16, T, __VA_ARGS__) default : __builtin_unreachable(); \
  }

void quantize_linear_cuda(KernelArgs& args) {
  const View &x = args.inputs[0], &out = args.outputs[0];
  static constexpr auto kind = cuda::FaultKind::quantize_zero_point;
  const Parameters p = parameters(args, 0, 1, &kind);
  TG_DISPATCH_SINGLE(x.dtype, T, {
    if (out.dtype == DType::i8) {
      run(args, quantize_each<T, int8_t>, x.as<T>(), out.as<int8_t>(), out.numel(), p);
    } else {
      run(args, quantize_each<T, uint8_t>, x.as<T>(), out.as<uint8_t>(), out.numel(), p);
    }
  });
}

void dequantize_linear_cuda(KernelArgs& args) {
  const View &x = args.inputs[0], &out = args.outputs[0];
  const Parameters p = parameters(args, 0, 1);
  const int64_t n = out.numel();
  switch (x.dtype) {
    case DType::i8:
      return run(args, dequantize_each<int8_t>, x.as<int8_t>(), out.as<float>(), n, p);
    case DType::u8:
      return run(args, dequantize_each<uint8_t>, x.as<uint8_t>(), out.as<float>(), n, p);
    default:
      return run(args, dequantize_each<int32_t>, x.as<int32_t>(), out.as<float>(), n, p);
  }
}

void fake_quantize_cuda(KernelArgs& args) {
  const View &x = args.inputs[0], &out = args.outputs[0];
  static constexpr auto kind = cuda::FaultKind::fake_quantize_zero_point;
  const Parameters p = parameters(args, 0, 1, &kind);
  TG_DISPATCH_SINGLE(x.dtype, T,
                     { run(args, fake_quantize_each<T>, x.as<T>(), out.as<T>(), out.numel(), p); });
}

void fake_quantize_input_grad_cuda(KernelArgs& args) {
  const View &dout = args.inputs[0], &x = args.inputs[1], &out = args.outputs[0];
  static constexpr auto kind = cuda::FaultKind::fake_quantize_grad_zero_point;
  const Parameters p = parameters(args, 1, 2, &kind);
  TG_DISPATCH_SINGLE(x.dtype, T, {
    run(args, fake_quantize_input_grad_each<T>, dout.as<T>(), x.as<T>(), out.as<T>(), out.numel(),
        p);
  });
}

void dynamic_quantize_linear_cuda(KernelArgs& args) {
  const View &x = args.inputs[0], &out = args.outputs[0];
  cuda::dynamic_quantize(cuda::stream_of(args.stream), x.dtype, bytes_of(x), x.numel(),
                         out.as<uint8_t>(), args.outputs[1].as<float>(),
                         args.outputs[2].as<int32_t>());
}

}  // namespace tilegrad
