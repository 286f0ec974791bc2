#include <algorithm>

#include "core/cuda/gemm_wgmma.cuh"
#include "core/cuda/gemm_wgmma.h"
#include "core/cuda/pack_operand.h"
#include "core/cuda/tensor_map.h"
#include "core/dtype.h"

namespace tilegrad::cuda {

namespace {

template <class T>
constexpr CUtensorMapDataType kMapType = CU_TENSOR_MAP_DATA_TYPE_TFLOAT32;  // TMA rounds
template <>
constexpr CUtensorMapDataType kMapType<f16> = CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
template <>
constexpr CUtensorMapDataType kMapType<bf16> = CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;

// Code for sm_90a is in this build, not just PTX of an older architecture, of which the body is empty.
bool has_code() {
  static const bool found = [] {
    cudaFuncAttributes attributes;
    auto* kernel = gemm_wgmma<bf16, 128, false, false>;
    if (cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(kernel)) != cudaSuccess) {
      cudaGetLastError();
      return false;
    }
    return attributes.binaryVersion == 90 && attributes.ptxVersion == 90;
  }();
  return found;
}

// Whether TMA can read the operand where it lies; `row` is the stride of what is not the innermost dimension.
bool reads_in_place(const OperandLines& x, int64_t inner_stride, int64_t inner, int64_t row,
                    int element_bytes) {
  const int64_t per = 16 / element_bytes;
  bool good = inner_stride == 1 && row >= inner && row % per == 0 &&
              reinterpret_cast<uintptr_t>(x.data) % 16 == 0;
  for (int d = 0; d < x.rank; d++) good = good && x.stride[d] % row == 0;
  return good;
}

struct MappedOperand {
  CUtensorMap map;
  WgmmaOperand steps;
  bool transposed = false;
  bool fits = true;
  BufferRef kept;
};

// The map of an operand, packed first where it must be. A depth that ends within a stage is padded by TMA only at the
// end of the map, so a batch of transposed ones is packed then.
template <class T>
MappedOperand map_operand(CudaStream& stream, OperandLines x, int box_lines) {
  constexpr int kBytes = sizeof(T), kStep = kWgmmaStepBytes / kBytes;
  MappedOperand out;
  bool batched = false;
  for (int d = 0; d < x.rank; d++) batched = batched || x.stride[d] != 0;
  if (kBytes == 2 && !reads_in_place(x, x.k_stride, x.k, x.line_stride, kBytes))
    out.transposed = (!batched || x.k % kStep == 0) &&
                     reads_in_place(x, x.line_stride, x.lines, x.k_stride, kBytes);
  if (!out.transposed && !reads_in_place(x, x.k_stride, x.k, x.line_stride, kBytes))
    x = packed(stream, x, kBytes, &out.kept);
  const int64_t row = out.transposed ? x.k_stride : x.line_stride;
  int64_t outer = out.transposed ? x.k : x.lines;
  for (int d = 0; d < x.rank; d++) {
    const int64_t step = x.stride[d] / row;
    (out.transposed ? out.steps.k : out.steps.line)[d] = step;
    outer += (x.size[d] - 1) * step;
  }
  out.fits = outer < INT32_MAX - 512;
  if (out.fits)
    out.map = swizzled_map(kMapType<T>, x.data, out.transposed ? x.lines : x.k, outer, row, kBytes,
                           out.transposed ? kStep : box_lines);
  return out;
}

template <class T>
OperandLines lines_of(const T* data, int64_t lines, int64_t k, int64_t line_stride,
                      int64_t k_stride, const GemmBatch& batch, const int64_t (&strides)[8]) {
  OperandLines out{data, lines, k, line_stride, k_stride, batch.rank, {}, {}};
  for (int d = 0; d < batch.rank; d++) out.size[d] = batch.size[d], out.stride[d] = strides[d];
  return out;
}

template <class T, int Columns>
auto* kernel_of(bool a_transposed, bool b_transposed) {
  if constexpr (sizeof(T) == 4) {
    return gemm_wgmma<T, Columns, false, false>;
  } else {
    if (a_transposed)
      return b_transposed ? gemm_wgmma<T, Columns, true, true>
                          : gemm_wgmma<T, Columns, true, false>;
    return b_transposed ? gemm_wgmma<T, Columns, false, true>
                        : gemm_wgmma<T, Columns, false, false>;
  }
}

template <class T, int Columns>
bool run(CudaStream& stream, const Gemm<T>& g, const GemmBatch& batch) {
  const MappedOperand a = map_operand<T>(
      stream, lines_of(g.a, g.m, g.k, g.a_row, g.a_col, batch, batch.a_stride), kWgmmaRows);
  const MappedOperand b = map_operand<T>(
      stream, lines_of(g.b, g.n, g.k, g.b_col, g.b_row, batch, batch.b_stride), Columns);
  if (!a.fits || !b.fits) return false;
  WgmmaLaunch plan;
  plan.batches = batch_count(batch);
  plan.a = a.steps, plan.b = b.steps;
  plan.paired = stores_pairs(g, batch);
  auto* kernel = kernel_of<T, Columns>(a.transposed, b.transposed);
  constexpr int kShared = sizeof(WgmmaRing<Columns>);
  check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                             cudaFuncAttributeMaxDynamicSharedMemorySize, kShared),
        "cudaFuncSetAttribute");
  const int64_t tiles = ceil_div<int64_t>(g.m, kWgmmaRows) * ceil_div<int64_t>(g.n, Columns);
  const int64_t blocks = std::min<int64_t>(tiles * plan.batches, stream.traits().multiprocessors);
  check(launch(kernel, dim3(static_cast<unsigned>(blocks)), dim3(kWgmmaThreads), kShared,
               stream.handle(), a.map, b.map, g, batch, plan),
        "gemm_wgmma");
  return true;
}

}  // namespace

template <class T>
bool try_gemm_wgmma(CudaStream& stream, const Gemm<T>& g, const GemmBatch& batch) {
  // Below a third of a wave of tiles the small tiles of mma.sync, which can split the depth, are ahead.
  constexpr int64_t kFewestTiles = 48, kWave = 132;
  const int64_t down = ceil_div<int64_t>(g.m, kWgmmaRows) * batch_count(batch);
  const int64_t narrow = down * ceil_div<int64_t>(g.n, 128);
  const int64_t wide = down * ceil_div<int64_t>(g.n, 256);
  const bool deep = g.k >= 64 && g.k <= INT32_MAX - 512;
  if (stream.traits().capability != 90 || !deep || 64 > g.m || kFewestTiles > narrow || !has_code())
    return false;
  return wide >= kWave ? run<T, 256>(stream, g, batch) : run<T, 128>(stream, g, batch);
}

template bool try_gemm_wgmma(CudaStream&, const Gemm<float>&, const GemmBatch&);
template bool try_gemm_wgmma(CudaStream&, const Gemm<f16>&, const GemmBatch&);
template bool try_gemm_wgmma(CudaStream&, const Gemm<bf16>&, const GemmBatch&);

}  // namespace tilegrad::cuda
