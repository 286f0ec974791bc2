// The cases of the wrappers for sm_90a: TMA, wgmma, stmatrix, clusters.
#pragma once

#include "ptx_case.cuh"

namespace tilegrad::kernel_tests {

#if TILEGRAD_SM90A
__device__ uint64_t* ready_barrier(Io io, int arrivals) {
  auto* barrier = reinterpret_cast<uint64_t*>(io.shared + 44 * 1024);
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(barrier, arrivals);
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
  return barrier;
}
#endif
CASE(mbarrier, 90, {
#if TILEGRAD_SM90A
  uint64_t* barrier = ready_barrier(io, 64);
  auto* words = reinterpret_cast<uint32_t*>(io.shared);
  uint32_t r[1] = {0};
  if (threadIdx.x < 64) {
    words[threadIdx.x] = io.in[1];
    ptx::mbarrier_arrive(barrier);
  } else {
    ptx::mbarrier_wait(barrier, 0);
    r[0] = words[threadIdx.x - 64];
  }
  io.write(r);
#endif
})
// A box of 64x16 bf16 that hangs over the edge of a 72x20 matrix: swizzled, zeros outside.
CASE(tma_load_2d, 90, {
#if TILEGRAD_SM90A
  uint64_t* barrier = ready_barrier(io, 1);
  if (threadIdx.x == 0) {
    ptx::tma_prefetch_map(io.map);
    ptx::mbarrier_expect_bytes(barrier, 64 * 16 * 2);
    ptx::tma_load_2d(io.shared, io.map, barrier, 24, 10);
  }
  ptx::mbarrier_wait(barrier, 0);
  uint32_t r[4];
  memcpy(r, io.shared + threadIdx.x * 16, sizeof r);
  io.write(r);
#endif
})

// The matrix as a tensor of more dimensions, or as images: 2 KiB that hang over its edges.
#if TILEGRAD_SM90A
#define BOX_BODY(...)                            \
  uint64_t* barrier = ready_barrier(io, 1);      \
  if (threadIdx.x == 0) {                        \
    ptx::mbarrier_expect_bytes(barrier, 2048);   \
    __VA_ARGS__;                                 \
  }                                              \
  ptx::mbarrier_wait(barrier, 0);                \
  uint32_t r[4];                                 \
  memcpy(r, io.shared + threadIdx.x * 16, sizeof r); \
  io.write(r);
#else
#define BOX_BODY(...)
#endif
CASE_WITH_MAP(tma_load_3d, 90,
              tiled_map_bf16(matrix, {72, 5, 4}, {64, 4, 4}, {1, 1, 1}),
              {BOX_BODY(ptx::tma_load_3d(io.shared, io.map, barrier, 16, -1, 2))})
CASE_WITH_MAP(tma_load_4d, 90,
              tiled_map_bf16(matrix, {72, 5, 2, 2}, {64, 8, 2, 2}, {1, 2, 1, 1}),
              {BOX_BODY(ptx::tma_load_4d(io.shared, io.map, barrier, 8, 1, -1, 1))})
CASE_WITH_MAP(tma_load_5d, 90,
              tiled_map_bf16(matrix, {72, 5, 2, 1, 2}, {64, 4, 2, 1, 2}, {1, 1, 1, 1, 1}),
              {BOX_BODY(ptx::tma_load_5d(io.shared, io.map, barrier, 8, 3, 0, 0, 1))})
CASE_WITH_MAP(tma_load_im2col_4d, 90,
              im2col_map_bf16(matrix, {72, 5, 4, 1}, {-1, -1}, {-1, -1}, 16, 1),
              {BOX_BODY(ptx::tma_load_im2col_4d(io.shared, io.map, barrier, 8, 3, 0, 0, 2, 1))})
CASE_WITH_MAP(im2col_stride_2, 90,
              im2col_map_bf16(matrix, {72, 5, 2, 2}, {-1, 0}, {-1, -1}, 16, 2),
              {BOX_BODY(ptx::tma_load_im2col_4d(io.shared, io.map, barrier, 0, 1, 0, 0, 1, 1))})

// wgmma: A is the first 8 KiB of shared memory, B what follows; twice, the second time on top of the first.
#define WGMMA_CASE(name, type, registers) CASE(name, 90, {WGMMA_BODY(name, type, registers)})
#if TILEGRAD_SM90A
#define WGMMA_BODY(name, type, registers)                            \
  type d[registers];                                                 \
  const uint64_t a = ptx::descriptor_128b_swizzle(io.shared);        \
  const uint64_t b = ptx::descriptor_128b_swizzle(io.shared + 8192); \
  ptx::wgmma_fence();                                                \
  ptx::name(d, a, b, 0);                                             \
  ptx::name(d, a + 2, b + 2, 1);                                     \
  ptx::wgmma_commit();                                               \
  ptx::wgmma_wait<0>();                                              \
  io.write(d);
#else
#define WGMMA_BODY(name, type, registers)
#endif
WGMMA_CASE(wgmma_m64n128k16_bf16, float, 64)
WGMMA_CASE(wgmma_m64n128k16_f16, float, 64)
WGMMA_CASE(wgmma_m64n128k8_tf32, float, 64)
WGMMA_CASE(wgmma_m64n128k32_s8, int, 64)
WGMMA_CASE(wgmma_m64n256k16_bf16, float, 128)
WGMMA_CASE(wgmma_m64n256k16_f16, float, 128)
WGMMA_CASE(wgmma_m64n256k8_tf32, float, 128)
WGMMA_CASE(wgmma_m64n256k32_s8, int, 128)
WGMMA_CASE(wgmma_m64n256k32_u8s8, int, 128)
WGMMA_CASE(wgmma_m64n256k32_s8u8, int, 128)
WGMMA_CASE(wgmma_m64n256k32_u8, int, 128)

// A from registers, B from what follows the first 8 KiB.
CASE(wgmma_m64n128k8_tf32_registers, 90, {
#if TILEGRAD_SM90A
  float d[64];
  uint32_t first[4], second[4];
  io.read(first, 0);
  io.read(second, 4);
  const uint64_t b = ptx::descriptor_128b_swizzle(io.shared + 8192);
  ptx::wgmma_fence();
  ptx::wgmma_m64n128k8_tf32_registers(d, first, b, 0);
  ptx::wgmma_m64n128k8_tf32_registers(d, second, b + 2, 1);
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>();
  io.write(d);
#endif
})

// A's 2 of 4 in the first 8 KiB, 32 bytes a row for 32 of K, B's 64 bytes a row behind them; the second one 32 of K on.
#define WGMMA_SPARSE_CASE(name) CASE(name, 90, {WGMMA_SPARSE_BODY(name)})
#if TILEGRAD_SM90A
#define WGMMA_SPARSE_BODY(name)                                      \
  float d[64];                                                       \
  const uint64_t a = ptx::descriptor_128b_swizzle(io.shared);        \
  const uint64_t b = ptx::descriptor_128b_swizzle(io.shared + 8192); \
  ptx::wgmma_fence();                                                \
  ptx::name(d, a, b, pairs_in_order(io.in[8]), 0);                   \
  ptx::name(d, a + 2, b + 4, pairs_in_order(io.in[9]), 1);           \
  ptx::wgmma_commit();                                               \
  ptx::wgmma_wait<0>();                                              \
  io.write(d);
#else
#define WGMMA_SPARSE_BODY(name)
#endif
WGMMA_SPARSE_CASE(wgmma_sp_m64n128k32_bf16)
WGMMA_SPARSE_CASE(wgmma_sp_m64n128k32_f16)

// Operands that lie along their rows: what the strides of such a descriptor mean is known from the manual alone.
CASE(wgmma_bf16_rows, 90, {
#if TILEGRAD_SM90A
  float d[64];
  const uint64_t a = ptx::descriptor_128b_swizzle_rows(io.shared, 8192);
  const uint64_t b = ptx::descriptor_128b_swizzle_rows(io.shared + 8192, 4096);
  ptx::wgmma_fence();
  ptx::wgmma_m64n128k16_bf16<1, 1>(d, a, b, 0);
  ptx::wgmma_m64n128k16_bf16<1, 1>(d, a + 128, b + 128, 1);  // the next 16 of K, 2048 bytes on
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>();
  io.write(d);
#endif
})
CASE(wgmma_f16_second_rows, 90, {
#if TILEGRAD_SM90A
  float d[128];
  const uint64_t a = ptx::descriptor_128b_swizzle(io.shared);
  const uint64_t b = ptx::descriptor_128b_swizzle_rows(io.shared + 8192, 8192);
  ptx::wgmma_fence();
  ptx::wgmma_m64n256k16_f16<0, 1>(d, a, b, 0);
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>();
  io.write(d);
#endif
})

CASE(stmatrix_x4, 90, {
#if TILEGRAD_SM90A
  uint32_t r[4];
  io.read(r);
  ptx::stmatrix_x4(io.shared + threadIdx.x * 80, r);
  __syncthreads();
  memcpy(r, io.shared + threadIdx.x * 80, sizeof r);
  io.write(r);
#endif
})
CASE(stmatrix_x4_trans, 90, {
#if TILEGRAD_SM90A
  uint32_t r[4];
  io.read(r);
  ptx::stmatrix_x4_trans(io.shared + threadIdx.x * 80, r);
  __syncthreads();
  memcpy(r, io.shared + threadIdx.x * 80, sizeof r);
  io.write(r);
#endif
})
// The box of tma_load_2d the other way round, into the matrix; then the matrix is read.
CASE(tma_store_2d, 90, {
#if TILEGRAD_SM90A
  if (threadIdx.x == 0) {
    ptx::tma_store_2d(io.map, 24, 10, io.shared);
    ptx::tma_store_commit();
    ptx::tma_store_wait_read<0>();
    ptx::tma_store_wait<0>();
  }
  __syncthreads();
  uint32_t r[6];
  memcpy(r, io.matrix + threadIdx.x % 120 * 12, sizeof r);
  io.write(r);
#endif
})

// A cluster of one block: its peer is itself.
CASE(cluster_of_one, 90, {
#if TILEGRAD_SM90A
  uint64_t* barrier = ready_barrier(io, 2);
  ptx::cluster_arrive();
  ptx::cluster_wait();
  if (threadIdx.x == 0) {
    ptx::mbarrier_expect_bytes(barrier, 64 * 16 * 2);
    ptx::mbarrier_arrive_remote(barrier, 0);
    ptx::tma_load_2d_multicast(io.shared, io.map, barrier, 24, 10, 1);
  }
  ptx::mbarrier_wait(barrier, 0);
  const auto* words = static_cast<const uint32_t*>(ptx::cluster_address(io.shared, 0));
  const uint32_t r[2] = {words[threadIdx.x], static_cast<uint32_t>(ptx::cluster_rank())};
  io.write(r);
#endif
})

// Instructions without a result: they must only not trap.
CASE(side_effects, 90, {
#if TILEGRAD_SM90A
  ptx::wait_for_previous_kernel();
  ptx::registers_decrease<40>();
  ptx::registers_increase<232>();
  ptx::allow_next_kernel();
  const int r[1] = {1};
  io.write(r);
#endif
})

}  // namespace tilegrad::kernel_tests
