#include <algorithm>

#include "core/cuda/copy.h"
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
constexpr CUtensorMapDataType kResultType = sizeof(T) == 4 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT32
                                                           : kMapType<T>;

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

// Tiles of so many columns, operands of that type, and how the depth is split.
struct Tiling {
  int columns;
  CUtensorMapDataType type;
  int shared_bytes;
  SplitK split;
};

template <class T, class KernelFor>
bool run(CudaStream& stream, const Gemm<T>& g, const GemmBatch& batch, const Tiling& tiling,
         KernelFor&& kernel_for) {
  const MappedOperand a =
      map_operand(stream, lines_of(g.a, g.m, g.k, g.a_row, g.a_col, batch, batch.a_stride),
                  tiling.type, sizeof(T), kWgmmaRows);
  const MappedOperand b =
      map_operand(stream, lines_of(g.b, g.n, g.k, g.b_col, g.b_row, batch, batch.b_stride),
                  tiling.type, sizeof(T), tiling.columns / 2);
  if (!a.fits || !b.fits) return false;
  const int ranges = tiling.split.ranges;
  WgmmaPlan plan{g.m,     g.n,     static_cast<int>(g.k), batch_count(batch),
                 a.steps, b.steps, tiling.split};
  plan.cluster = wgmma_cluster(plan, tiling.columns);
  BufferRef space;
  float* partial = nullptr;
  const int64_t numel = plan.batches * g.m * g.n;
  if (ranges > 1) {
    space = workspace(stream, static_cast<size_t>(ranges * numel) * sizeof(float));
    partial = static_cast<float*>(space->data);
  }
  const MappedOperand c = map_result(lines_of<T>(g.c, g.m, g.n, g.c_row, 1, batch, batch.c_stride),
                                     kResultType<T>, sizeof(T));
  const bool rounds_only = !g.accumulate && g.bias_axis == BiasAxis::none &&
                           g.residual == nullptr && g.activation == Activation::none;
  const WgmmaOutput output = {c.steps, c.fits && rounds_only && partial == nullptr};
  launch_wgmma(stream, "gemm_wgmma", kernel_for(a.transposed, b.transposed), plan, tiling.columns,
               tiling.shared_bytes, a.map, b.map, c.fits ? c.map : a.map, g, batch, plan, output,
               partial);
  if (partial != nullptr)
    check(launch(add_ranges<T, float>, dim3(static_cast<unsigned>(grid_size(stream, numel, 256))),
                 dim3(256), 0, stream.handle(), partial, g, batch, numel, ranges),
          "add_ranges");
  return true;
}

template <class T, int Columns>
bool run_floats(CudaStream& stream, const Gemm<T>& g, const GemmBatch& batch, const SplitK& split) {
  const Tiling tiling = {Columns, kMapType<T>, sizeof(WgmmaShared<WgmmaRing<Columns>>), split};
  return run(stream, g, batch, tiling, kernel_of<T, Columns>);
}

bool run_tf32x3(CudaStream& stream, const Gemm<float>& g, const GemmBatch& batch,
                const SplitK& split) {
  const Tiling tiling = {Tf32x3Ring::kColumns, CU_TENSOR_MAP_DATA_TYPE_FLOAT32,
                         sizeof(WgmmaShared<Tf32x3Ring>), split};
  return run(stream, g, batch, tiling, [](bool, bool) { return gemm_wgmma<WgmmaTf32x3>; });
}

}  // namespace

template <class T>
bool try_gemm_wgmma(CudaStream& stream, const Gemm<T>& g, const GemmBatch& batch,
                    Float32Precision precision) {
  // Below a third of a wave the small tiles of mma.sync are ahead.
  constexpr int64_t kFewestUnits = 48, kShortestRange = 512;
  const int64_t down = ceil_div<int64_t>(g.m, kWgmmaRows) * batch_count(batch);
  const int64_t narrow = down * ceil_div<int64_t>(g.n, 128);
  const int64_t wide = down * ceil_div<int64_t>(g.n, 256);
  const bool deep = g.k >= 64 && g.k <= INT32_MAX - 512;
  if (stream.traits().capability != 90 || !deep || g.m < 64 || !has_code()) return false;
  const SplitK split =
      split_depth(narrow, g.k, kWgmmaStepBytes / sizeof(T), kShortestRange, kWgmmaWave);
  if (narrow * split.ranges < kFewestUnits) return false;
  if constexpr (sizeof(T) == 4) {
    if (precision == Float32Precision::high) return run_tf32x3(stream, g, batch, split);
  }
  return wide >= kWgmmaWave ? run_floats<T, 256>(stream, g, batch, split)
                            : run_floats<T, 128>(stream, g, batch, split);
}

template bool try_gemm_wgmma(CudaStream&, const Gemm<float>&, const GemmBatch&, Float32Precision);
template bool try_gemm_wgmma(CudaStream&, const Gemm<f16>&, const GemmBatch&, Float32Precision);
template bool try_gemm_wgmma(CudaStream&, const Gemm<bf16>&, const GemmBatch&, Float32Precision);

}  // namespace tilegrad::cuda
