#include "core/cuda/gemm.h"
#include "core/cuda/gemm_mma.cuh"
#include "core/cuda/gemm_simt.cuh"
#include "core/dtype.h"

namespace tilegrad::cuda {

template <class T>
void gemm(CudaStream& stream, const Gemm<T>& first, const GemmBatch& batch) {
  if (first.m == 0 || first.n == 0 || batch_count(batch) == 0) return;
  const Traits& traits = stream.traits();
  if constexpr (sizeof(T) == 2) {
    if (traits.capability >= 80) {
      constexpr bool kBf16 = std::is_same_v<T, bf16>;
      return check(launch_gemm_mma<T, kBf16>(stream.handle(), first, batch), "gemm_mma");
    }
  }
  check(launch_gemm_simt<T, compute_t<T>>(stream.handle(), traits.multiprocessors, first, batch),
        "gemm_simt");
}

template void gemm(CudaStream&, const Gemm<float>&, const GemmBatch&);
template void gemm(CudaStream&, const Gemm<double>&, const GemmBatch&);
template void gemm(CudaStream&, const Gemm<f16>&, const GemmBatch&);
template void gemm(CudaStream&, const Gemm<bf16>&, const GemmBatch&);

}  // namespace tilegrad::cuda
