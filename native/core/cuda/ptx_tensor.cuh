// Inline PTX of TMA loads by tensor maps of three to five dimensions, and of images by taps (im2col). Each has its twin.
// What lies outside of the tensor arrives as zeros.
#pragma once

#include "core/cuda/ptx_sm90.cuh"

namespace tilegrad::ptx {

// A box of the tensor map at element (x, y, z), innermost first, into shared memory; its bytes complete on the barrier.
// PTX sm_90
TILEGRAD_PTX void tma_load_3d(void* to, const CUtensorMap* map, uint64_t* barrier, int x, int y,
                              int z TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::tma_load(to, map, barrier, {x, y, z}, site),
      asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::"
                   "bytes [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(shared_address(to)),
                   "l"(map), "r"(shared_address(barrier)), "r"(x), "r"(y), "r"(z)
                   : "memory"));
}

// PTX sm_90
TILEGRAD_PTX void tma_load_4d(void* to, const CUtensorMap* map, uint64_t* barrier, int x, int y,
                              int z, int u TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::tma_load(to, map, barrier, {x, y, z, u}, site),
      asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::"
                   "bytes [%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(shared_address(to)),
                   "l"(map), "r"(shared_address(barrier)), "r"(x), "r"(y), "r"(z), "r"(u)
                   : "memory"));
}

// PTX sm_90
TILEGRAD_PTX void tma_load_5d(void* to, const CUtensorMap* map, uint64_t* barrier, int x, int y,
                              int z, int u, int v TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::tma_load(to, map, barrier, {x, y, z, u, v}, site),
      asm volatile("cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::"
                   "bytes [%0], [%1, {%3, %4, %5, %6, %7}], [%2];" ::"r"(shared_address(to)),
                   "l"(map), "r"(shared_address(barrier)), "r"(x), "r"(y), "r"(z), "r"(u), "r"(v)
                   : "memory"));
}

// A column of pixels of images (c, w, h, n): from pixel (w, h) of image n on through the map's bounding box, row by row
// and image by image, each moved by the tap (tap_w, tap_h); channels from c on.
// PTX sm_90
TILEGRAD_PTX void tma_load_im2col_4d(void* to, const CUtensorMap* map, uint64_t* barrier, int c,
                                     int w, int h, int n, uint16_t tap_w,
                                     uint16_t tap_h TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::tma_load_im2col(to, map, barrier, {c, w, h, n}, {tap_w, tap_h}, site),
      asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::"
                   "bytes [%0], [%1, {%3, %4, %5, %6}], [%2], {%7, %8};" ::"r"(shared_address(to)),
                   "l"(map), "r"(shared_address(barrier)), "r"(c), "r"(w), "r"(h), "r"(n),
                   "h"(tap_w), "h"(tap_h)
                   : "memory"));
}

}  // namespace tilegrad::ptx
