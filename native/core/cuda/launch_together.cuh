// Launches whose blocks run together: those of a cluster, or all of a grid.
#pragma once

#include "core/cuda/launch.cuh"

namespace tilegrad {

struct Together {
  dim3 cluster{1, 1,
               1};    // blocks that reach each other's shared memory; the grid is divisible by it
  bool grid = false;  // all blocks, which may meet at the grid's barrier
};

// Enqueues kernel(args...).
template <class... P, class... A>
cudaError_t launch_together(void (*kernel)(P...), dim3 grid, dim3 block, const Together& together,
                            size_t shared_bytes, cudaStream_t stream, A&&... args) {
#if defined(TILEGRAD_CUDA_EMULATED)
  std::tuple<std::decay_t<P>...> values(static_cast<P>(std::forward<A>(args))...);
  const emulator::LaunchShape shape{
      grid,         block, shared_bytes, reinterpret_cast<const void*>(kernel), together.cluster,
      together.grid};
  return emulator::enqueue_kernel(shape, stream, [kernel, values] {
    std::apply([kernel](const auto&... value) { kernel(value...); }, values);
  });
#else
  cudaLaunchAttribute attribute = {};
  if (together.grid) {
    attribute.id = cudaLaunchAttributeCooperative;
    attribute.val.cooperative = 1;
  } else {
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim.x = together.cluster.x;
    attribute.val.clusterDim.y = together.cluster.y;
    attribute.val.clusterDim.z = together.cluster.z;
  }
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = 1;
  return cudaLaunchKernelEx(&config, kernel, static_cast<P>(std::forward<A>(args))...);
#endif
}

}  // namespace tilegrad
