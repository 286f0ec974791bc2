#include "core/cuda/copy.h"
#include "core/cuda/gemm.h"
#include "core/cuda/gemm_mma.cuh"
#include "core/cuda/gemm_simt.cuh"
#include "core/cuda/gemm_wgmma.h"

namespace tilegrad::cuda {

namespace {

// Room for the partial sums of a split depth, or null.
template <class Sum, class T>
Sum* partial_sums(CudaStream& stream, const Gemm<T>& g, int64_t batches, const SplitK& split,
                  BufferRef* space) {
  if (split.ranges <= 1) return nullptr;
  *space = workspace(stream, static_cast<size_t>(split.ranges * batches * g.m * g.n) * sizeof(Sum));
  return static_cast<Sum*>((*space)->data);
}

template <class Kind, class T = typename Kind::Element>
void run_mma(CudaStream& stream, const Gemm<T>& g, const GemmBatch& batch) {
  const int64_t batches = batch_count(batch);
  const SplitK split = gemm_split(g, batches);
  BufferRef space;
  auto* partial = partial_sums<float>(stream, g, batches, split, &space);
  check(launch_gemm_mma<Kind>(stream.handle(), g, batch, split, partial), "gemm_mma");
}

template <class T>
void run_simt(CudaStream& stream, const Gemm<T>& g, const GemmBatch& batch) {
  using Sum = compute_t<T>;
  const int64_t batches = batch_count(batch);
  const SplitK split = g.k <= INT32_MAX ? simt_split(g, batches) : SplitK{INT32_MAX, 1};
  BufferRef space;
  auto* partial = partial_sums<Sum>(stream, g, batches, split, &space);
  check(launch_gemm_simt<T, Sum>(stream.handle(), stream.traits().multiprocessors, g, batch, split,
                                 partial),
        "gemm_simt");
}

}  // namespace

template <class T>
void gemm(CudaStream& stream, const Gemm<T>& first, const GemmBatch& batch,
          Float32Precision precision) {
  if (first.m == 0 || first.n == 0 || batch_count(batch) == 0) return;
  if constexpr (sizeof(T) < 8) {
    const bool mma = stream.traits().capability >= 80 && first.k <= INT32_MAX - 64;
    if (mma && (sizeof(T) == 2 || precision != Float32Precision::highest)) {
      if (try_gemm_wgmma(stream, first, batch, precision)) return;
      if constexpr (sizeof(T) == 4) {
        if (precision == Float32Precision::high) return run_mma<MmaTf32x3>(stream, first, batch);
      }
      return run_mma<MmaOf<T>>(stream, first, batch);
    }
  }
  run_simt(stream, first, batch);
}

template void gemm(CudaStream&, const Gemm<float>&, const GemmBatch&, Float32Precision);
template void gemm(CudaStream&, const Gemm<double>&, const GemmBatch&, Float32Precision);
template void gemm(CudaStream&, const Gemm<f16>&, const GemmBatch&, Float32Precision);
template void gemm(CudaStream&, const Gemm<bf16>&, const GemmBatch&, Float32Precision);

}  // namespace tilegrad::cuda
