#include "core/cuda/copy.h"
#include "core/cuda/gemm.h"
#include "core/cuda/gemm_mma.cuh"
#include "core/cuda/gemm_simt.cuh"
#include "core/cuda/gemm_wgmma.h"

namespace tilegrad::cuda {

namespace {

template <class T>
void run_mma(CudaStream& stream, const Gemm<T>& g, const GemmBatch& batch) {
  if (try_gemm_wgmma(stream, g, batch)) return;
  const int64_t batches = batch_count(batch);
  const SplitK split = gemm_split(g, batches);
  BufferRef space;
  float* partial = nullptr;
  if (split.ranges > 1) {
    space = workspace(stream, static_cast<size_t>(split.ranges * batches * g.m * g.n) * 4);
    partial = static_cast<float*>(space->data);
  }
  check(launch_gemm_mma<MmaOf<T>>(stream.handle(), g, batch, split, partial), "gemm_mma");
}

}  // namespace

template <class T>
void gemm(CudaStream& stream, const Gemm<T>& first, const GemmBatch& batch, bool tf32) {
  if (first.m == 0 || first.n == 0 || batch_count(batch) == 0) return;
  const Traits& traits = stream.traits();
  if constexpr (sizeof(T) < 8) {
    const bool mma = traits.capability >= 80 && first.k <= INT32_MAX - 64;
    if (mma && (sizeof(T) == 2 || tf32)) return run_mma(stream, first, batch);
  }
  check(launch_gemm_simt<T, compute_t<T>>(stream.handle(), traits.multiprocessors, first, batch),
        "gemm_simt");
}

template void gemm(CudaStream&, const Gemm<float>&, const GemmBatch&, bool);
template void gemm(CudaStream&, const Gemm<double>&, const GemmBatch&, bool);
template void gemm(CudaStream&, const Gemm<f16>&, const GemmBatch&, bool);
template void gemm(CudaStream&, const Gemm<bf16>&, const GemmBatch&, bool);

}  // namespace tilegrad::cuda
