// One kernel per wrapper of ptx.cuh and ptx_sm90.cuh, assembled by scripts/ptx-check.sh for every target
// that the wrapper claims (KERNEL's first argument: its lowest target).
#include "core/cuda/ptx_cluster.cuh"
#include "core/cuda/ptx_store.cuh"
#include "core/cuda/ptx_tensor.cuh"

using namespace tilegrad;

#if defined(__CUDA_ARCH__)
#define TARGET (__CUDA_ARCH__ / 10)
#else
#define TARGET 0
#endif

struct Operands {
  uint32_t a[4], b[2], c[4], word;
  float d[4];
  int i[4];
  float wide[64], widest[128];
  int wide_int[64], widest_int[128];
  uint64_t barrier;
};

#define KERNEL(target, name, ...)                                                \
  extern "C" __global__ void check_##name(Operands* p, const CUtensorMap* map) { \
    if constexpr (TARGET >= target) {                                            \
      Operands o = *p;                                                           \
      __shared__ __align__(1024) unsigned char shared[4096];                     \
      auto* barrier = reinterpret_cast<uint64_t*>(shared);                       \
      (void)barrier;                                                             \
      (void)map;                                                                 \
      __VA_ARGS__;                                                               \
      *p = o;                                                                    \
    }                                                                            \
  }

KERNEL(75, ldmatrix_x4, ptx::ldmatrix_x4(o.a, shared + threadIdx.x * 16))
KERNEL(75, ldmatrix_x4_trans, ptx::ldmatrix_x4_trans(o.a, shared + threadIdx.x * 16))
KERNEL(80, mma_m16n8k16_bf16, ptx::mma_m16n8k16_bf16(o.d, o.a, o.b))
KERNEL(80, mma_m16n8k16_f16, ptx::mma_m16n8k16_f16(o.d, o.a, o.b))
KERNEL(80, mma_m16n8k8_tf32, ptx::mma_m16n8k8_tf32(o.d, o.a, o.b))
KERNEL(80, mma_m16n8k32_s8, ptx::mma_m16n8k32_s8(o.i, o.a, o.b))
KERNEL(80, mma_m16n8k32_u8s8, ptx::mma_m16n8k32_u8s8(o.i, o.a, o.b))
KERNEL(80, mma_m16n8k32_s8u8, ptx::mma_m16n8k32_s8u8(o.i, o.a, o.b))
KERNEL(80, mma_m16n8k32_u8, ptx::mma_m16n8k32_u8(o.i, o.a, o.b))
KERNEL(80, mma_sp_m16n8k32_bf16, ptx::mma_sp_m16n8k32_bf16(o.d, o.a, o.c, o.word))
KERNEL(80, mma_sp_m16n8k32_f16, ptx::mma_sp_m16n8k32_f16(o.d, o.a, o.c, o.word))
KERNEL(80, round_tf32, o.word = ptx::round_tf32(o.d[0]))
KERNEL(80, cp_async_16, ptx::cp_async_16(shared, p, o.word != 0))
KERNEL(80, cp_async_4, ptx::cp_async_4(shared, p, o.word != 0))
KERNEL(80, cp_async_commit, ptx::cp_async_commit())
KERNEL(80, cp_async_wait, ptx::cp_async_wait<1>())
KERNEL(75, barrier_sync, ptx::barrier_sync(1, 64))
KERNEL(75, barrier_arrive, ptx::barrier_arrive(1, 64))
KERNEL(75, load_acquire, o.word = ptx::load_acquire(&p->word))
KERNEL(75, store_release, ptx::store_release(&p->word, 1))
KERNEL(90, mbarrier_init, ptx::mbarrier_init(barrier, 1))
KERNEL(90, fence_mbarrier_init, ptx::fence_mbarrier_init())
KERNEL(90, fence_proxy_async, ptx::fence_proxy_async())
KERNEL(90, mbarrier_expect_bytes, ptx::mbarrier_expect_bytes(barrier, 128))
KERNEL(90, mbarrier_arrive, ptx::mbarrier_arrive(barrier))
KERNEL(90, mbarrier_wait, ptx::mbarrier_wait(barrier, 0))
KERNEL(90, tma_load_2d, ptx::tma_load_2d(shared + 1024, map, barrier, 0, 0))
KERNEL(90, tma_load_3d, ptx::tma_load_3d(shared + 1024, map, barrier, 0, 1, 2))
KERNEL(90, tma_load_4d, ptx::tma_load_4d(shared + 1024, map, barrier, 0, 1, 2, 3))
KERNEL(90, tma_load_5d, ptx::tma_load_5d(shared + 1024, map, barrier, 0, 1, 2, 3, 4))
KERNEL(90, tma_load_im2col_4d,
       ptx::tma_load_im2col_4d(shared + 1024, map, barrier, 0, 1, 2, 3, 4, 5))
KERNEL(90, stmatrix_x4, ptx::stmatrix_x4(shared + threadIdx.x * 16, o.a))
KERNEL(90, stmatrix_x4_trans, ptx::stmatrix_x4_trans(shared + threadIdx.x * 16, o.a))
KERNEL(90, tma_store_2d, ptx::tma_store_2d(map, 0, 0, shared + 1024))
KERNEL(90, tma_store_commit, ptx::tma_store_commit())
KERNEL(90, tma_store_wait_read, ptx::tma_store_wait_read<1>())
KERNEL(90, tma_store_wait, ptx::tma_store_wait<0>())
KERNEL(90, cluster_rank, o.i[0] = ptx::cluster_rank())
KERNEL(90, cluster_arrive, ptx::cluster_arrive())
KERNEL(90, cluster_wait, ptx::cluster_wait())
KERNEL(90, cluster_address, o.barrier = *static_cast<uint64_t*>(ptx::cluster_address(shared, 1)))
KERNEL(90, mbarrier_arrive_remote, ptx::mbarrier_arrive_remote(barrier, 1))
KERNEL(90, tma_load_2d_multicast, ptx::tma_load_2d_multicast(shared + 1024, map, barrier, 0, 0, 3))
KERNEL(90, tma_prefetch_map, ptx::tma_prefetch_map(map))
KERNEL(90, wait_for_previous_kernel, ptx::wait_for_previous_kernel())
KERNEL(90, allow_next_kernel, ptx::allow_next_kernel())
KERNEL(75, descriptor_128b_swizzle, o.barrier = ptx::descriptor_128b_swizzle(shared))
KERNEL(75, descriptor_128b_swizzle_rows,
       o.barrier = ptx::descriptor_128b_swizzle_rows(shared, 8192))

#if TILEGRAD_SM90A
KERNEL(90, registers_decrease, ptx::registers_decrease<40>())
KERNEL(90, registers_increase, ptx::registers_increase<232>())
KERNEL(90, wgmma_fence, ptx::wgmma_fence())
KERNEL(90, wgmma_commit, ptx::wgmma_commit())
KERNEL(90, wgmma_wait, ptx::wgmma_wait<0>())
KERNEL(90, wgmma_m64n128k16_bf16, ptx::wgmma_m64n128k16_bf16(o.wide, 1, 2, 1); ptx::wgmma_commit();
       ptx::wgmma_wait<0>())
KERNEL(90, wgmma_m64n128k16_f16, ptx::wgmma_m64n128k16_f16(o.wide, 1, 2, 1); ptx::wgmma_commit();
       ptx::wgmma_wait<0>())
KERNEL(90, wgmma_m64n128k8_tf32, ptx::wgmma_m64n128k8_tf32(o.wide, 1, 2, 1); ptx::wgmma_commit();
       ptx::wgmma_wait<0>())
KERNEL(90, wgmma_m64n256k16_bf16, ptx::wgmma_m64n256k16_bf16<1, 1>(o.widest, 1, 2, 1);
       ptx::wgmma_commit(); ptx::wgmma_wait<0>())
KERNEL(90, wgmma_m64n256k16_f16, ptx::wgmma_m64n256k16_f16<0, 1>(o.widest, 1, 2, 1);
       ptx::wgmma_commit(); ptx::wgmma_wait<0>())
KERNEL(90, wgmma_m64n256k8_tf32, ptx::wgmma_m64n256k8_tf32(o.widest, 1, 2, 1); ptx::wgmma_commit();
       ptx::wgmma_wait<0>())
KERNEL(90, wgmma_m64n128k8_tf32_registers, ptx::wgmma_m64n128k8_tf32_registers(o.wide, o.a, 2, 1);
       ptx::wgmma_commit(); ptx::wgmma_wait<0>())
KERNEL(90, wgmma_sp_m64n128k32_bf16, ptx::wgmma_sp_m64n128k32_bf16(o.wide, 1, 2, o.word, 1);
       ptx::wgmma_commit(); ptx::wgmma_wait<0>())
KERNEL(90, wgmma_sp_m64n128k32_f16, ptx::wgmma_sp_m64n128k32_f16(o.wide, 1, 2, o.word, 1);
       ptx::wgmma_commit(); ptx::wgmma_wait<0>())
KERNEL(90, wgmma_m64n128k32_s8, ptx::wgmma_m64n128k32_s8(o.wide_int, 1, 2, 1); ptx::wgmma_commit();
       ptx::wgmma_wait<0>())
KERNEL(90, wgmma_m64n256k32_s8, ptx::wgmma_m64n256k32_s8(o.widest_int, 1, 2, 1);
       ptx::wgmma_commit(); ptx::wgmma_wait<0>())
KERNEL(90, wgmma_m64n256k32_u8s8, ptx::wgmma_m64n256k32_u8s8(o.widest_int, 1, 2, 1);
       ptx::wgmma_commit(); ptx::wgmma_wait<0>())
KERNEL(90, wgmma_m64n256k32_s8u8, ptx::wgmma_m64n256k32_s8u8(o.widest_int, 1, 2, 1);
       ptx::wgmma_commit(); ptx::wgmma_wait<0>())
KERNEL(90, wgmma_m64n256k32_u8, ptx::wgmma_m64n256k32_u8(o.widest_int, 1, 2, 1);
       ptx::wgmma_commit(); ptx::wgmma_wait<0>())
#endif
