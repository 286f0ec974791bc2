// Grids all of whose blocks run together and meet at a barrier. Such a grid may have no more blocks than the device holds
// at once (cooperative_blocks); a launch beyond that is refused.
#pragma once

#include "core/cuda/launch_together.cuh"
#include "core/cuda/ptx.cuh"

#if !defined(TILEGRAD_CUDA_EMULATED)
#include <cooperative_groups.h>
#endif

namespace tilegrad {

// Enqueues kernel(args...), which may call grid_sync.
template <class... P, class... A>
cudaError_t launch_cooperative(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes,
                               cudaStream_t stream, A&&... args) {
  return launch_together(kernel, grid, block, Together{.grid = true}, shared_bytes, stream,
                         std::forward<A>(args)...);
}

// The blocks of a kernel that the current device holds at once.
template <class... P>
cudaError_t cooperative_blocks(void (*kernel)(P...), int threads, size_t shared_bytes,
                               int* blocks) {
  int device = 0, multiprocessors = 0;
  if (const cudaError_t error = cudaGetDevice(&device)) return error;
  if (const cudaError_t error =
          cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device))
    return error;
  const cudaError_t error = cudaOccupancyMaxActiveBlocksPerMultiprocessor(
      blocks, reinterpret_cast<const void*>(kernel), threads, shared_bytes);
  *blocks *= multiprocessors;
  return error;
}

// Waits for all threads of the grid, each of which must come; what they wrote before is seen by all.
TILEGRAD_PTX void grid_sync(TILEGRAD_CALLER_ONLY) {
#if defined(TILEGRAD_CUDA_EMULATED)
  emulator::grid_sync(site);
#else
  cooperative_groups::this_grid().sync();
#endif
}

}  // namespace tilegrad
