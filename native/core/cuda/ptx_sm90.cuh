// Inline PTX of Hopper: mbarrier, TMA, wgmma, setmaxnreg, each with its emulated twin. wgmma and
// setmaxnreg assemble for sm_90a only: put such a kernel's body inside #if TILEGRAD_SM90A.
#pragma once

#include <cuda.h>

#include "core/cuda/ptx.cuh"
#include "core/cuda/ptx_registers.h"

#if defined(TILEGRAD_CUDA_EMULATED) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define TILEGRAD_SM90A 1
#else
#define TILEGRAD_SM90A 0
#endif

namespace tilegrad::ptx {

// PTX sm_90
TILEGRAD_PTX void mbarrier_init(uint64_t* barrier, int arrivals) {
  TILEGRAD_PTX_BODY(
      90, emulator::mbarrier_init(barrier, arrivals),
      asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)),
                   "r"(arrivals)
                   : "memory"));
}

// Makes initialised barriers visible to the asynchronous proxy; then a __syncthreads.
// PTX sm_90
TILEGRAD_PTX void fence_mbarrier_init() {
  TILEGRAD_PTX_BODY(90, (void)0, asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"));
}

// Orders this thread's own shared-memory stores before later TMA or wgmma accesses.
// PTX sm_90
TILEGRAD_PTX void fence_proxy_async() {
  TILEGRAD_PTX_BODY(90, emulator::proxy_fence(),
                    asm volatile("fence.proxy.async.shared::cta;" ::
                                     : "memory"));
}

// Arrives, and expects that many bytes of copies in this phase.
// PTX sm_90
TILEGRAD_PTX void mbarrier_expect_bytes(uint64_t* barrier, int bytes) {
  TILEGRAD_PTX_BODY(90, emulator::mbarrier_arrive(barrier, bytes),
                    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(
                                     shared_address(barrier)),
                                 "r"(bytes)
                                 : "memory"));
}

// PTX sm_90
TILEGRAD_PTX void mbarrier_arrive(uint64_t* barrier) {
  TILEGRAD_PTX_BODY(
      90, emulator::mbarrier_arrive(barrier, 0),
      asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier))
                   : "memory"));
}

// Waits until the phase of that parity has completed.
// PTX sm_90
TILEGRAD_PTX void mbarrier_wait(uint64_t* barrier, int parity TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::mbarrier_wait(barrier, parity, site),
      asm volatile("{\n.reg .pred done;\nWAIT:\nmbarrier.try_wait.parity.shared::cta.b64 done, "
                   "[%0], %1;\n@!done bra WAIT;\n}" ::"r"(shared_address(barrier)),
                   "r"(parity)
                   : "memory"));
}

// A box of the tensor map, at element (x, y), into shared memory; its bytes complete on the barrier.
// PTX sm_90
TILEGRAD_PTX void tma_load_2d(void* to, const CUtensorMap* map, uint64_t* barrier, int x,
                              int y TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::tma_load(to, map, barrier, {x, y}, site),
      asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::"
                   "bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(shared_address(to)),
                   "l"(map), "r"(shared_address(barrier)), "r"(x), "r"(y)
                   : "memory"));
}

// PTX sm_90
TILEGRAD_PTX void tma_prefetch_map(const CUtensorMap* map) {
  TILEGRAD_PTX_BODY(90, (void)map, asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory"));
}

// Programmatic dependent launch: waits for the kernel before; lets the next one start.
// PTX sm_90
TILEGRAD_PTX void wait_for_previous_kernel() {
  TILEGRAD_PTX_BODY(90, (void)0, asm volatile("griddepcontrol.wait;" ::: "memory"));
}

// PTX sm_90
TILEGRAD_PTX void allow_next_kernel() {
  TILEGRAD_PTX_BODY(90, (void)0, asm volatile("griddepcontrol.launch_dependents;" ::: "memory"));
}

#if TILEGRAD_SM90A

// A warpgroup gives registers back to, or takes them from, its block; the sum must not grow.
// PTX sm_90a
template <int N>
TILEGRAD_PTX void registers_decrease() {
  TILEGRAD_PTX_BODY(90, emulator::set_registers(N),
                    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N)));
}

// PTX sm_90a
template <int N>
TILEGRAD_PTX void registers_increase() {
  TILEGRAD_PTX_BODY(90, emulator::set_registers(N),
                    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N)));
}

// Before the first wgmma, and after registers of an accumulator were touched.
// PTX sm_90a
TILEGRAD_PTX void wgmma_fence() {
  TILEGRAD_PTX_BODY(90, (void)0, asm volatile("wgmma.fence.sync.aligned;" ::: "memory"));
}

// PTX sm_90a
TILEGRAD_PTX void wgmma_commit() {
  TILEGRAD_PTX_BODY(90, emulator::wgmma_commit(),
                    asm volatile("wgmma.commit_group.sync.aligned;" ::
                                     : "memory"));
}

// PTX sm_90a
template <int N>
TILEGRAD_PTX void wgmma_wait(TILEGRAD_CALLER_ONLY) {
  TILEGRAD_PTX_BODY(90, emulator::wgmma_wait(N, site),
                    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N)
                                 : "memory"));
}

// Nothing that reads or writes these registers moves across: the compiler does not know that wgmma is asynchronous.
template <class T, int N>
TILEGRAD_PTX void accumulator_fence(T (&d)[N]) {
#if !defined(TILEGRAD_CUDA_EMULATED)
#pragma unroll
  for (int i = 0; i < N; i++) {
    if constexpr (std::is_same_v<T, float>)
      asm volatile("" : "+f"(d[i])::"memory");
    else
      asm volatile("" : "+r"(d[i])::"memory");
  }
#else
  (void)d;
#endif
}

// d (+)= A B^T over 64 rows and N columns, A and B by descriptor; scale_d 0 starts from zero.
// d[4 j + c]: row 16 warp + lane / 4 + 8 (c / 2), column 8 j + 2 (lane % 4) + c % 2. A transposed operand of 16-bit
// elements lies along its rows instead of along K (descriptor_128b_swizzle_rows).
// PTX sm_90a
template <int ATransposed = 0, int BTransposed = 0>
TILEGRAD_PTX void wgmma_m64n128k16_bf16(float (&d)[64], uint64_t a, uint64_t b,
                                        int scale_d TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::wgmma_bf16(d, 128, a, b, scale_d, ATransposed, BTransposed, site),
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
                   "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {" TILEGRAD_R64
                   "}, %64, %65, p, 1, 1, %67, %68;\n}"
                   : TILEGRAD_OUT64("+f", d)
                   : "l"(a), "l"(b), "r"(scale_d), "n"(ATransposed), "n"(BTransposed)));
}

// PTX sm_90a
template <int ATransposed = 0, int BTransposed = 0>
TILEGRAD_PTX void wgmma_m64n128k16_f16(float (&d)[64], uint64_t a, uint64_t b,
                                       int scale_d TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::wgmma_f16(d, 128, a, b, scale_d, ATransposed, BTransposed, site),
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
                   "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {" TILEGRAD_R64
                   "}, %64, %65, p, 1, 1, %67, %68;\n}"
                   : TILEGRAD_OUT64("+f", d)
                   : "l"(a), "l"(b), "r"(scale_d), "n"(ATransposed), "n"(BTransposed)));
}

// PTX sm_90a
TILEGRAD_PTX void wgmma_m64n128k8_tf32(float (&d)[64], uint64_t a, uint64_t b,
                                       int scale_d TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::wgmma_tf32(d, 128, a, b, scale_d, site),
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
                   "wgmma.mma_async.sync.aligned.m64n128k8.f32.tf32.tf32 {" TILEGRAD_R64
                   "}, %64, %65, p, 1, 1;\n}"
                   : TILEGRAD_OUT64("+f", d)
                   : "l"(a), "l"(b), "r"(scale_d)));
}

// A from registers, 16 rows for each warp as for mma_m16n8k8_tf32: they keep their values until the wait.
// PTX sm_90a
TILEGRAD_PTX void wgmma_m64n128k8_tf32_registers(float (&d)[64], const uint32_t (&a)[4], uint64_t b,
                                                 int scale_d TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::wgmma_tf32_registers(d, 128, a, b, scale_d, site),
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %69, 0;\n"
                   "wgmma.mma_async.sync.aligned.m64n128k8.f32.tf32.tf32 {" TILEGRAD_R64
                   "}, {%64, %65, %66, %67}, %68, p, 1, 1;\n}"
                   : TILEGRAD_OUT64("+f", d)
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(scale_d)));
}

// PTX sm_90a
TILEGRAD_PTX void wgmma_m64n128k32_s8(int (&d)[64], uint64_t a, uint64_t b,
                                      int scale_d TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(90, emulator::wgmma_8bit(d, 128, a, b, scale_d, true, true, site),
                    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
                                 "wgmma.mma_async.sync.aligned.m64n128k32.s32.s8.s8 {" TILEGRAD_R64
                                 "}, %64, %65, p;\n}"
                                 : TILEGRAD_OUT64("+r", d)
                                 : "l"(a), "l"(b), "r"(scale_d)));
}

// A holds 2 of each 4 neighbours along K, 16 of 32; `indices` as for mma_sp_m16n8k32_bf16, 16 rows for each warp.
// PTX sm_90a
TILEGRAD_PTX void wgmma_sp_m64n128k32_bf16(float (&d)[64], uint64_t a, uint64_t b, uint32_t indices,
                                           int scale_d TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::wgmma_sparse_16bit(d, 128, a, b, indices, scale_d, true, site),
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %67, 0;\n"
                   "wgmma.mma_async.sp.sync.aligned.m64n128k32.f32.bf16.bf16 {" TILEGRAD_R64
                   "}, %64, %65, %66, 0, p, 1, 1, 0, 0;\n}"
                   : TILEGRAD_OUT64("+f", d)
                   : "l"(a), "l"(b), "r"(indices), "r"(scale_d)));
}

// PTX sm_90a
TILEGRAD_PTX void wgmma_sp_m64n128k32_f16(float (&d)[64], uint64_t a, uint64_t b, uint32_t indices,
                                          int scale_d TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::wgmma_sparse_16bit(d, 128, a, b, indices, scale_d, false, site),
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %67, 0;\n"
                   "wgmma.mma_async.sp.sync.aligned.m64n128k32.f32.f16.f16 {" TILEGRAD_R64
                   "}, %64, %65, %66, 0, p, 1, 1, 0, 0;\n}"
                   : TILEGRAD_OUT64("+f", d)
                   : "l"(a), "l"(b), "r"(indices), "r"(scale_d)));
}

// PTX sm_90a
template <int ATransposed = 0, int BTransposed = 0>
TILEGRAD_PTX void wgmma_m64n256k16_bf16(float (&d)[128], uint64_t a, uint64_t b,
                                        int scale_d TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::wgmma_bf16(d, 256, a, b, scale_d, ATransposed, BTransposed, site),
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %130, 0;\n"
                   "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {" TILEGRAD_R128
                   "}, %128, %129, p, 1, 1, %131, %132;\n}"
                   : TILEGRAD_OUT128("+f", d)
                   : "l"(a), "l"(b), "r"(scale_d), "n"(ATransposed), "n"(BTransposed)));
}

// PTX sm_90a
template <int ATransposed = 0, int BTransposed = 0>
TILEGRAD_PTX void wgmma_m64n256k16_f16(float (&d)[128], uint64_t a, uint64_t b,
                                       int scale_d TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::wgmma_f16(d, 256, a, b, scale_d, ATransposed, BTransposed, site),
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %130, 0;\n"
                   "wgmma.mma_async.sync.aligned.m64n256k16.f32.f16.f16 {" TILEGRAD_R128
                   "}, %128, %129, p, 1, 1, %131, %132;\n}"
                   : TILEGRAD_OUT128("+f", d)
                   : "l"(a), "l"(b), "r"(scale_d), "n"(ATransposed), "n"(BTransposed)));
}

// PTX sm_90a
TILEGRAD_PTX void wgmma_m64n256k8_tf32(float (&d)[128], uint64_t a, uint64_t b,
                                       int scale_d TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      90, emulator::wgmma_tf32(d, 256, a, b, scale_d, site),
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %130, 0;\n"
                   "wgmma.mma_async.sync.aligned.m64n256k8.f32.tf32.tf32 {" TILEGRAD_R128
                   "}, %128, %129, p, 1, 1;\n}"
                   : TILEGRAD_OUT128("+f", d)
                   : "l"(a), "l"(b), "r"(scale_d)));
}

// PTX sm_90a
TILEGRAD_PTX void wgmma_m64n256k32_s8(int (&d)[128], uint64_t a, uint64_t b,
                                      int scale_d TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(90, emulator::wgmma_8bit(d, 256, a, b, scale_d, true, true, site),
                    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %130, 0;\n"
                                 "wgmma.mma_async.sync.aligned.m64n256k32.s32.s8.s8 {" TILEGRAD_R128
                                 "}, %128, %129, p;\n}"
                                 : TILEGRAD_OUT128("+r", d)
                                 : "l"(a), "l"(b), "r"(scale_d)));
}

// PTX sm_90a
TILEGRAD_PTX void wgmma_m64n256k32_u8s8(int (&d)[128], uint64_t a, uint64_t b,
                                        int scale_d TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(90, emulator::wgmma_8bit(d, 256, a, b, scale_d, false, true, site),
                    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %130, 0;\n"
                                 "wgmma.mma_async.sync.aligned.m64n256k32.s32.u8.s8 {" TILEGRAD_R128
                                 "}, %128, %129, p;\n}"
                                 : TILEGRAD_OUT128("+r", d)
                                 : "l"(a), "l"(b), "r"(scale_d)));
}

// PTX sm_90a
TILEGRAD_PTX void wgmma_m64n256k32_s8u8(int (&d)[128], uint64_t a, uint64_t b,
                                        int scale_d TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(90, emulator::wgmma_8bit(d, 256, a, b, scale_d, true, false, site),
                    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %130, 0;\n"
                                 "wgmma.mma_async.sync.aligned.m64n256k32.s32.s8.u8 {" TILEGRAD_R128
                                 "}, %128, %129, p;\n}"
                                 : TILEGRAD_OUT128("+r", d)
                                 : "l"(a), "l"(b), "r"(scale_d)));
}

// PTX sm_90a
TILEGRAD_PTX void wgmma_m64n256k32_u8(int (&d)[128], uint64_t a, uint64_t b,
                                      int scale_d TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(90, emulator::wgmma_8bit(d, 256, a, b, scale_d, false, false, site),
                    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %130, 0;\n"
                                 "wgmma.mma_async.sync.aligned.m64n256k32.s32.u8.u8 {" TILEGRAD_R128
                                 "}, %128, %129, p;\n}"
                                 : TILEGRAD_OUT128("+r", d)
                                 : "l"(a), "l"(b), "r"(scale_d)));
}

#endif

// Descriptor of a K-major tile with rows of 128 bytes, 128-byte swizzle, 8-row groups 1024 bytes apart.
TILEGRAD_PTX uint64_t descriptor_128b_swizzle(const void* tile) {
  const uint64_t address = shared_address(tile);
  return ((address & 0x3ffff) >> 4) | uint64_t{1} << 16 | uint64_t{1024 >> 4} << 32 |
         uint64_t{1} << 62;
}

// The same for 16-bit tiles that lie along their rows: blocks of 64 rows, `block_bytes` apart, each with rows of 128 bytes
// for one K, groups of 8 K 1024 bytes apart.
TILEGRAD_PTX uint64_t descriptor_128b_swizzle_rows(const void* tile, int block_bytes) {
  const uint64_t address = shared_address(tile);
  return ((address & 0x3ffff) >> 4) | static_cast<uint64_t>(block_bytes >> 4) << 16 |
         uint64_t{1024 >> 4} << 32 | uint64_t{1} << 62;
}

}  // namespace tilegrad::ptx
