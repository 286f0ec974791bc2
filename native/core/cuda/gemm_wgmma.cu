#include <algorithm>

#include "core/cuda/gemm_wgmma.cuh"
#include "core/cuda/gemm_wgmma.h"
#include "core/cuda/wgmma_operand.h"

namespace tilegrad::cuda {

namespace {

template <class T>
constexpr CUtensorMapDataType kMapType = CU_TENSOR_MAP_DATA_TYPE_TFLOAT32;  // TMA rounds
template <>
constexpr CUtensorMapDataType kMapType<f16> = CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
template <>
constexpr CUtensorMapDataType kMapType<bf16> = CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;

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
    return gemm_wgmma<WgmmaFloats<T, Columns>>;
  } else {
    if (a_transposed)
      return b_transposed ? gemm_wgmma<WgmmaFloats<T, Columns, true, true>>
                          : gemm_wgmma<WgmmaFloats<T, Columns, true, false>>;
    return b_transposed ? gemm_wgmma<WgmmaFloats<T, Columns, false, true>>
                        : gemm_wgmma<WgmmaFloats<T, Columns>>;
  }
}

bool has_code() {
  static const bool found =
      has_wgmma_code(reinterpret_cast<const void*>(gemm_wgmma<WgmmaFloats<bf16, 128>>));
  return found;
}

template <class T, int Columns>
bool run(CudaStream& stream, const Gemm<T>& g, const GemmBatch& batch) {
  const MappedOperand a =
      map_operand(stream, lines_of(g.a, g.m, g.k, g.a_row, g.a_col, batch, batch.a_stride),
                  kMapType<T>, sizeof(T), kWgmmaRows);
  const MappedOperand b =
      map_operand(stream, lines_of(g.b, g.n, g.k, g.b_col, g.b_row, batch, batch.b_stride),
                  kMapType<T>, sizeof(T), Columns);
  if (!a.fits || !b.fits) return false;
  const WgmmaPlan plan = {batch_count(batch), a.steps, b.steps};
  auto* kernel = kernel_of<T, Columns>(a.transposed, b.transposed);
  constexpr int kShared = sizeof(WgmmaRing<Columns>);
  check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                             cudaFuncAttributeMaxDynamicSharedMemorySize, kShared),
        "cudaFuncSetAttribute");
  const int64_t tiles = ceil_div<int64_t>(g.m, kWgmmaRows) * ceil_div<int64_t>(g.n, Columns);
  const int64_t blocks = std::min<int64_t>(tiles * plan.batches, stream.traits().multiprocessors);
  check(launch(kernel, dim3(static_cast<unsigned>(blocks)), dim3(kWgmmaThreads), kShared,
               stream.handle(), a.map, b.map, g, batch, plan, stores_pairs(g, batch)),
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
