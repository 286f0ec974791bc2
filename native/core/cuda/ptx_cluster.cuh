// Inline PTX of clusters (sm_90 and up): blocks that run together and reach each other's shared memory. Each has its twin.
// No block may end while a peer still reads, writes or arrives in its shared memory: a barrier of the cluster comes last.
#pragma once

#include "core/cuda/launch_together.cuh"
#include "core/cuda/ptx_sm90.cuh"

namespace tilegrad {

// Enqueues kernel(args...) with clusters of `cluster` blocks, by which the grid must be divisible.
template <class... P, class... A>
cudaError_t launch_cluster(void (*kernel)(P...), dim3 grid, dim3 block, dim3 cluster,
                           size_t shared_bytes, cudaStream_t stream, A&&... args) {
  return launch_together(kernel, grid, block, Together{cluster}, shared_bytes, stream,
                         std::forward<A>(args)...);
}

namespace ptx {

// This block's number in its cluster, from 0 on.
// PTX sm_90
TILEGRAD_PTX int cluster_rank() {
  int rank = 0;
  TILEGRAD_PTX_BODY(90, rank = emulator::cluster_rank(),
                    asm volatile("mov.u32 %0, %%cluster_ctarank;"
                                 : "=r"(rank)));
  return rank;
}

// Arrives at the barrier of the cluster; what was written before is seen by those who have waited there.
// PTX sm_90
TILEGRAD_PTX void cluster_arrive(TILEGRAD_CALLER_ONLY) {
  TILEGRAD_PTX_BODY(90, emulator::cluster_arrive(site),
                    asm volatile("barrier.cluster.arrive.release.aligned;" ::
                                     : "memory"));
}

// PTX sm_90
TILEGRAD_PTX void cluster_wait(TILEGRAD_CALLER_ONLY) {
  TILEGRAD_PTX_BODY(90, emulator::cluster_wait(site),
                    asm volatile("barrier.cluster.wait.acquire.aligned;" ::
                                     : "memory"));
}

// The generic address of the same place in the shared memory of block `rank`.
// PTX sm_90
TILEGRAD_PTX void* cluster_address(const void* own, int rank TILEGRAD_CALLER) {
  void* address = nullptr;
  TILEGRAD_PTX_BODY(90, address = emulator::cluster_address(own, rank, site),
                    asm volatile("mapa.u64 %0, %1, %2;"
                                 : "=l"(address)
                                 : "l"(own), "r"(rank)));
  return address;
}

// Arrives at the barrier that lies at this place in the shared memory of block `rank`.
// PTX sm_90
TILEGRAD_PTX void mbarrier_arrive_remote(uint64_t* barrier, int rank TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::mbarrier_arrive_remote(barrier, rank, site),
      asm volatile("{\n.reg .b32 remote;\nmapa.shared::cluster.u32 remote, %0, %1;\n"
                   "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [remote];\n}" ::"r"(
                       shared_address(barrier)),
                   "r"(rank)
                   : "memory"));
}

// tma_load_2d into the same place of each block whose bit is set in `ranks`; completes on the barrier of each.
// PTX sm_90
TILEGRAD_PTX void tma_load_2d_multicast(void* to, const CUtensorMap* map, uint64_t* barrier, int x,
                                        int y, unsigned ranks TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::tma_load_2d_multicast(to, map, barrier, x, y, ranks, site),
      asm volatile(
          "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::"
          "bytes.multicast::cluster [%0], [%1, {%3, %4}], [%2], %5;" ::"r"(shared_address(to)),
          "l"(map), "r"(shared_address(barrier)), "r"(x), "r"(y), "h"(static_cast<uint16_t>(ranks))
          : "memory"));
}

}  // namespace ptx
}  // namespace tilegrad
