// Inline PTX of sm_75 and up, each instruction with its emulated twin in the same function: the only
// files with inline asm are this one and ptx_sm90.cuh. `// PTX sm_80` is the lowest target; ptx-check.sh
// assembles every wrapper for every target that it claims. A kernel that is compiled for a lower target
// gets a trap there, and host code must not choose it (see tensor_cores() in cuda_device.h).
#pragma once

#include "core/cuda/launch.cuh"

#if defined(TILEGRAD_CUDA_EMULATED)
#include "core/cuda/emulator/twins.h"
#define TILEGRAD_PTX inline
#define TILEGRAD_CALLER , ::tilegrad::emulator::Site site = ::tilegrad::emulator::Site::current()
#define TILEGRAD_CALLER_ONLY ::tilegrad::emulator::Site site = ::tilegrad::emulator::Site::current()
#define TILEGRAD_PTX_BODY(sm, twin, ...) twin
#else
#define TILEGRAD_PTX __device__ __forceinline__
#define TILEGRAD_CALLER
#define TILEGRAD_CALLER_ONLY
#define TILEGRAD_PTX_BODY(sm, twin, ...)          \
  if constexpr (::tilegrad::ptx::kTarget >= sm) { \
    __VA_ARGS__;                                  \
  } else {                                        \
    __trap();                                     \
  }
#endif

namespace tilegrad::ptx {

#if defined(__CUDA_ARCH__)
constexpr int kTarget = __CUDA_ARCH__ / 10;
#else
constexpr int kTarget = 0;
#endif

#if defined(TILEGRAD_CUDA_EMULATED)
inline uint32_t shared_address(const void* p) { return emulator::shared_offset(p); }
#else
__device__ __forceinline__ uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}
#endif

// Four 8x8 matrices of 16-bit elements; lane l gives the address of row l % 8 of matrix l / 8.
// PTX sm_75
TILEGRAD_PTX void ldmatrix_x4(uint32_t (&r)[4], const void* row TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(75, emulator::ldmatrix(r, row, false, site),
                    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                                 : "r"(shared_address(row))
                                 : "memory"));
}

// The same with each matrix transposed.
// PTX sm_75
TILEGRAD_PTX void ldmatrix_x4_trans(uint32_t (&r)[4], const void* row TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      75, emulator::ldmatrix(r, row, true, site),
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                   : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                   : "r"(shared_address(row))
                   : "memory"));
}

// d += a b. Fragments as in the PTX manual: with g = lane / 4 and t = lane % 4, d[c] is row g + 8 (c / 2),
// column 2 t + c % 2; a[] and b[] hold pairs of 16-bit elements at columns (of K) 2 t and 2 t + 8.
// PTX sm_80
TILEGRAD_PTX void mma_m16n8k16_bf16(float (&d)[4], const uint32_t (&a)[4],
                                    const uint32_t (&b)[2] TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      80, emulator::mma_16bit(d, a, b, true, site),
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, "
                   "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                   : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])));
}

// PTX sm_80
TILEGRAD_PTX void mma_m16n8k16_f16(float (&d)[4], const uint32_t (&a)[4],
                                   const uint32_t (&b)[2] TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      80, emulator::mma_16bit(d, a, b, false, site),
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, "
                   "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                   : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])));
}

// a[]: rows g, g + 8, g, g + 8 at K columns t, t, t + 4, t + 4; b[]: K rows t, t + 4 of column g.
// PTX sm_80
TILEGRAD_PTX void mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4],
                                   const uint32_t (&b)[2] TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      80, emulator::mma_tf32(d, a, b, site),
      asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, "
                   "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                   : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])));
}

// a[], b[]: four int8 elements each, at K columns 4 t and 4 t + 16.
// PTX sm_80
TILEGRAD_PTX void mma_m16n8k32_s8(int (&d)[4], const uint32_t (&a)[4],
                                  const uint32_t (&b)[2] TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      80, emulator::mma_8bit(d, a, b, true, true, site),
      asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
                   "{%8,%9}, {%0,%1,%2,%3};"
                   : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])));
}

// a is u8, b is s8.
// PTX sm_80
TILEGRAD_PTX void mma_m16n8k32_u8s8(int (&d)[4], const uint32_t (&a)[4],
                                    const uint32_t (&b)[2] TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      80, emulator::mma_8bit(d, a, b, false, true, site),
      asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
                   "{%8,%9}, {%0,%1,%2,%3};"
                   : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])));
}

// a is s8, b is u8.
// PTX sm_80
TILEGRAD_PTX void mma_m16n8k32_s8u8(int (&d)[4], const uint32_t (&a)[4],
                                    const uint32_t (&b)[2] TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      80, emulator::mma_8bit(d, a, b, true, false, site),
      asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.u8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
                   "{%8,%9}, {%0,%1,%2,%3};"
                   : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])));
}

// Both are u8.
// PTX sm_80
TILEGRAD_PTX void mma_m16n8k32_u8(int (&d)[4], const uint32_t (&a)[4],
                                  const uint32_t (&b)[2] TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      80, emulator::mma_8bit(d, a, b, false, false, site),
      asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.u8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
                   "{%8,%9}, {%0,%1,%2,%3};"
                   : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
                   : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])));
}

// d += a b, where of each 4 neighbours in a row of A two are kept: a[] holds those as the m16n8k16 fragments of 16 columns,
// b[] rows 2 t, 2 t + 8, 2 t + 16, 2 t + 24 (and the next) of column g. Two bits for each kept element, in order: lanes 4 g
// and 4 g + 1 of `indices` have columns 0 to 15 and 16 to 31, row g in the low half, row g + 8 in the high one.
// PTX sm_80
TILEGRAD_PTX void mma_sp_m16n8k32_bf16(float (&d)[4], const uint32_t (&a)[4],
                                       const uint32_t (&b)[4], uint32_t indices TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      80, emulator::mma_sparse_16bit(d, a, b, indices, true, site),
      asm volatile(
          "mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, "
          "{%4,%5,%6,%7}, {%8,%9,%10,%11}, {%0,%1,%2,%3}, %12, 0x0;"
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(b[2]), "r"(b[3]),
            "r"(indices)));
}

// PTX sm_80
TILEGRAD_PTX void mma_sp_m16n8k32_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[4],
                                      uint32_t indices TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      80, emulator::mma_sparse_16bit(d, a, b, indices, false, site),
      asm volatile(
          "mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, "
          "{%4,%5,%6,%7}, {%8,%9,%10,%11}, {%0,%1,%2,%3}, %12, 0x0;"
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(b[2]), "r"(b[3]),
            "r"(indices)));
}

// Rounds to tf32 (10 mantissa bits), ties away from zero.
// PTX sm_80
TILEGRAD_PTX uint32_t round_tf32(float x) {
  uint32_t bits = 0;
  TILEGRAD_PTX_BODY(80, bits = emulator::round_tf32(x),
                    asm("cvt.rna.tf32.f32 %0, %1;"
                        : "=r"(bits)
                        : "f"(x)));
  return bits;
}

// 16 bytes from global to shared memory, past the registers; zeros where `valid` is false.
// PTX sm_80
TILEGRAD_PTX void cp_async_16(void* to, const void* from, bool valid TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      80, emulator::cp_async(to, from, 16, valid ? 16 : 0, site),
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)),
                   "l"(from), "r"(valid ? 16 : 0)
                   : "memory"));
}

// PTX sm_80
TILEGRAD_PTX void cp_async_4(void* to, const void* from, bool valid TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(
      80, emulator::cp_async(to, from, 4, valid ? 4 : 0, site),
      asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(to)),
                   "l"(from), "r"(valid ? 4 : 0)
                   : "memory"));
}

// PTX sm_80
TILEGRAD_PTX void cp_async_commit() {
  TILEGRAD_PTX_BODY(80, emulator::cp_async_commit(),
                    asm volatile("cp.async.commit_group;" ::
                                     : "memory"));
}

// Waits until at most N of this thread's groups are in flight.
// PTX sm_80
template <int N>
TILEGRAD_PTX void cp_async_wait() {
  TILEGRAD_PTX_BODY(80, emulator::cp_async_wait(N),
                    asm volatile("cp.async.wait_group %0;" ::"n"(N)
                                 : "memory"));
}

// Barriers 1 to 15 of a block, for a part of its threads (a multiple of 32).
// PTX sm_75
TILEGRAD_PTX void barrier_sync(int id, int threads TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(75, emulator::barrier_sync(id, threads, emulator::Vote::none, 0, site),
                    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads)
                                 : "memory"));
}

// PTX sm_75
TILEGRAD_PTX void barrier_arrive(int id, int threads TILEGRAD_CALLER) {
  TILEGRAD_PTX_BODY(75, emulator::barrier_arrive(id, threads, site),
                    asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads)
                                 : "memory"));
}

// A flag between blocks: what was stored before the release is seen after the acquire.
// PTX sm_75
TILEGRAD_PTX unsigned load_acquire(const unsigned* address) {
  unsigned value = 0;
  TILEGRAD_PTX_BODY(75, value = emulator::load_acquire(address),
                    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];"
                                 : "=r"(value)
                                 : "l"(address)
                                 : "memory"));
  return value;
}

// PTX sm_75
TILEGRAD_PTX void store_release(unsigned* address, unsigned value) {
  TILEGRAD_PTX_BODY(75, emulator::store_release(address, value),
                    asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(address), "r"(value)
                                 : "memory"));
}

}  // namespace tilegrad::ptx
