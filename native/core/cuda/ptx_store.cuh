// Inline PTX that stores tiles on Hopper and later: stmatrix into shared memory, and TMA from there. Each has its twin.
// A store reads shared memory later: fence_proxy_async after the tile is written, and tma_store_wait_read before it is
// written again.
#pragma once

#include "core/cuda/ptx_sm90.cuh"

namespace tilegrad::ptx {

// Four 8x8 matrices of 16-bit elements, as ldmatrix_x4 reads them: lane l gives the address of row l % 8 of matrix l / 8.
// PTX sm_90
TILEGRAD_PTX void stmatrix_x4(void* row, const uint32_t (&r)[4] TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::stmatrix(row, r, false, site),
      asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(
                       shared_address(row)),
                   "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
                   : "memory"));
}

// The same with each matrix transposed.
// PTX sm_90
TILEGRAD_PTX void stmatrix_x4_trans(void* row, const uint32_t (&r)[4] TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::stmatrix(row, r, true, site),
      asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(
                       shared_address(row)),
                   "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
                   : "memory"));
}

// A box of shared memory to element (x, y) of the map's tensor; what hangs over its edges is not written.
// PTX sm_90
TILEGRAD_PTX void tma_store_2d(const CUtensorMap* map, int x, int y,
                               const void* from TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::tma_store_2d(map, x, y, from, site),
      asm volatile(
          "cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%1, %2}], [%3];" ::"l"(
              map),
          "r"(x), "r"(y), "r"(shared_address(from))
          : "memory"));
}

// Ends a group of this thread's stores.
// PTX sm_90
TILEGRAD_PTX void tma_store_commit() {
  TILEGRAD_PTX_BODY(90, emulator::tma_store_commit(),
                    asm volatile("cp.async.bulk.commit_group;" ::
                                     : "memory"));
}

// Waits until at most N of this thread's groups still read shared memory.
// PTX sm_90
template <int N>
TILEGRAD_PTX void tma_store_wait_read() {
  TILEGRAD_PTX_BODY(90, emulator::tma_store_wait(N),
                    asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(N)
                                 : "memory"));
}

// Waits until at most N of them are still to be seen in global memory.
// PTX sm_90
template <int N>
TILEGRAD_PTX void tma_store_wait() {
  TILEGRAD_PTX_BODY(90, emulator::tma_store_wait(N),
                    asm volatile("cp.async.bulk.wait_group %0;" ::"n"(N)
                                 : "memory"));
}

}  // namespace tilegrad::ptx
