// The cases of the wrappers that need no Hopper GPU: matrices of a warp, copies, barriers.
#pragma once

#include "ptx_case.cuh"

namespace tilegrad::kernel_tests {

CASE(ldmatrix_x4, 75, {
  uint32_t r[4];
  ptx::ldmatrix_x4(r, io.shared + (threadIdx.x % 32) * 80);  // rows 80 bytes apart
  io.write(r);
})
CASE(ldmatrix_x4_trans, 75, {
  uint32_t r[4];
  ptx::ldmatrix_x4_trans(r, io.shared + (threadIdx.x % 32) * 80);
  io.write(r);
})

// mma.sync: a, b and the first d are the thread's operands.
#define MMA_CASE(name, type)                        \
  CASE(name, 80, {                                  \
    uint32_t a[4], b[2];                            \
    type d[4];                                      \
    io.read(a, 0);                                  \
    io.read(b, 4);                                  \
    for (int i = 0; i < 4; i++) d[i] = type(i) - 2; \
    ptx::name(d, a, b);                             \
    io.write(d);                                    \
  })
MMA_CASE(mma_m16n8k16_bf16, float)
MMA_CASE(mma_m16n8k16_f16, float)
MMA_CASE(mma_m16n8k8_tf32, float)
MMA_CASE(mma_m16n8k32_s8, int)
MMA_CASE(mma_m16n8k32_u8s8, int)
MMA_CASE(mma_m16n8k32_s8u8, int)
MMA_CASE(mma_m16n8k32_u8, int)

#define MMA_SPARSE_CASE(name)                        \
  CASE(name, 80, {                                   \
    uint32_t a[4], b[4];                             \
    float d[4];                                      \
    io.read(a, 0);                                   \
    io.read(b, 4);                                   \
    for (int i = 0; i < 4; i++) d[i] = float(i) - 2; \
    ptx::name(d, a, b, pairs_in_order(io.in[8]));    \
    io.write(d);                                     \
  })
MMA_SPARSE_CASE(mma_sp_m16n8k32_bf16)
MMA_SPARSE_CASE(mma_sp_m16n8k32_f16)

CASE(round_tf32, 80, {
  uint32_t r[kIn];
  for (int i = 0; i < kIn; i++) r[i] = ptx::round_tf32(__uint_as_float(io.in[i]));
  io.write(r);
})
CASE(cp_async_16, 80, {
  auto* row = io.shared + threadIdx.x * 64;
  for (int i = 0; i < 4; i++) ptx::cp_async_16(row + 16 * i, io.in + 4 * i, i != 2);
  ptx::cp_async_commit();
  ptx::cp_async_wait<0>();
  uint32_t r[16];
  memcpy(r, row, sizeof r);
  io.write(r);
})
CASE(cp_async_4, 80, {
  auto* row = io.shared + threadIdx.x * 64;
  for (int i = 0; i < 16; i++) ptx::cp_async_4(row + 4 * i, io.in + i, i % 3 != 1);
  ptx::cp_async_commit();
  ptx::cp_async_wait<0>();
  uint32_t r[16];
  memcpy(r, row, sizeof r);
  io.write(r);
})
// Two warps hand a word over to the other two, which only arrive at the barrier of the way back.
CASE(barrier_sync_and_arrive, 75, {
  auto* words = reinterpret_cast<uint32_t*>(io.shared);
  const int t = threadIdx.x;
  uint32_t r[1] = {0};
  if (t < 64) {
    words[t] = io.in[0];
    ptx::barrier_arrive(1, 128);
  } else {
    ptx::barrier_sync(1, 128);
    r[0] = words[t - 64];
  }
  io.write(r);
})
CASE(release_and_acquire, 75, {
  if (threadIdx.x == 0) {
    ptx::store_release(io.out, 77);
    io.out[1] = ptx::load_acquire(io.out);
  }
})

}  // namespace tilegrad::kernel_tests
