// The range is found with one block per chunk and one over the chunks, then each element is rounded. Bytes moved: two reads
// and one write per element.
#include "core/cuda/copy.h"
#include "core/cuda/dynamic_quantize.h"
#include "core/cuda/quantize_level.cuh"
#include "core/cuda/reduce.cuh"
#include "core/view_bytes.h"

namespace tilegrad::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int64_t kChunk = 16384;  // elements per block of the range

// The range of a block's threads, each of which has 0 in its own.
__device__ inline void block_range(float& least, float& most) {
  least = -block_reduce<kThreads>(-least, Largest{});
  most = block_reduce<kThreads>(most, Largest{});
}

// The range of each chunk, 0 included and NaN passed over, to parts (2, chunks).
template <class T>
__global__ void __launch_bounds__(kThreads)
    chunk_ranges(const T* __restrict__ x, int64_t n, float* __restrict__ parts, int64_t chunks) {
  float least = 0, most = 0;
  const int64_t begin = int64_t{blockIdx.x} * kChunk, end = begin + kChunk < n ? begin + kChunk : n;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    const float value = static_cast<float>(x[i]);
    least = value < least ? value : least;
    most = value > most ? value : most;
  }
  block_range(least, most);
  if (threadIdx.x == 0) {
    parts[blockIdx.x] = least;
    parts[chunks + blockIdx.x] = most;
  }
}

__global__ void __launch_bounds__(kThreads)
    range_parameters(const float* __restrict__ parts, int64_t chunks, float* __restrict__ scale,
                     int32_t* __restrict__ zero_point) {
  float least = 0, most = 0;
  for (int64_t i = threadIdx.x; i < chunks; i += kThreads) {
    least = parts[i] < least ? parts[i] : least;
    most = parts[chunks + i] > most ? parts[chunks + i] : most;
  }
  block_range(least, most);
  if (threadIdx.x == 0) {
    const float step = least == most ? 1.0f : (most - least) / 255.0f;
    *scale = step;
    *zero_point = level(-least, step, 0, 0, 255);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    levels_of(const T* __restrict__ x, uint8_t* __restrict__ out, int64_t n,
              const float* __restrict__ scale, const int32_t* __restrict__ zero_point) {
  const int32_t zero = *zero_point;
  const float step = *scale;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x)
    out[i] = static_cast<uint8_t>(level(static_cast<float>(x[i]), step, zero, 0, 255) + zero);
}

// What a unit of the product's sums is worth, per channel.
__global__ void __launch_bounds__(kThreads)
    product_scales(const float* __restrict__ weight, int weight_step, const float* __restrict__ x,
                   float* __restrict__ scales, int64_t n) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x)
    scales[i] = weight[i * weight_step] * *x;
}

template <class T>
void quantize(CudaStream& stream, const T* x, int64_t n, uint8_t* levels, float* scale,
              int32_t* zero) {
  const int64_t chunks = ceil_div(n, kChunk);
  const BufferRef memory = workspace(stream, sizeof(float) * (2 * static_cast<size_t>(chunks) + 1));
  auto* parts = static_cast<float*>(memory->data);
  if (chunks > 0)
    check(launch(chunk_ranges<T>, dim3(static_cast<unsigned>(chunks)), dim3(kThreads), 0,
                 stream.handle(), x, n, parts, chunks),
          "chunk_ranges");
  check(launch(range_parameters, dim3(1), dim3(kThreads), 0, stream.handle(), parts, chunks, scale,
               zero),
        "range_parameters");
  check(launch(levels_of<T>, dim3(static_cast<unsigned>(grid_size(stream, n, kThreads))),
               dim3(kThreads), 0, stream.handle(), x, levels, n, scale, zero),
        "levels_of");
}

}  // namespace

void dynamic_quantize(CudaStream& stream, DType dtype, const void* x, int64_t n, uint8_t* levels,
                      float* scale, int32_t* zero) {
  if (dtype == DType::f32)
    quantize(stream, static_cast<const float*>(x), n, levels, scale, zero);
  else if (dtype == DType::f16)
    quantize(stream, static_cast<const f16*>(x), n, levels, scale, zero);
  else
    quantize(stream, static_cast<const bf16*>(x), n, levels, scale, zero);
}

DynamicOperand dynamic_operand(CudaStream& stream, const KernelArgs& args, int64_t channels,
                               bool rows) {
  const View &x = args.inputs[kDynamicX], &own = args.inputs[kDynamicScale];
  const int64_t n = x.numel();
  // levels (n) from a multiple of 256 on, behind scales (channels), x's scale and its zero point.
  const size_t head = (static_cast<size_t>(channels) + 2) * 4, start = (head + 255) / 256 * 256;
  DynamicOperand made;
  made.kept = workspace(stream, start + static_cast<size_t>(n));
  auto* scales = static_cast<float*>(made.kept->data);
  float* scale = scales + channels;
  auto* zero = reinterpret_cast<int32_t*>(scale + 1);
  auto* levels = static_cast<uint8_t*>(made.kept->data) + start;
  dynamic_quantize(stream, x.dtype, bytes_of(x), n, levels, scale, zero);
  check(launch(product_scales, dim3(static_cast<unsigned>(grid_size(stream, channels, kThreads))),
               dim3(kThreads), 0, stream.handle(), own.as<float>(), own.numel() > 1 ? 1 : 0, scale,
               scales, channels),
        "product_scales");
  made.levels = levels, made.zero = zero;
  made.epilogue = dynamic_epilogue(args, scales, rows);
  return made;
}

}  // namespace tilegrad::cuda
