// What every wrapper of ptx.cuh and ptx_sm90.cuh computes, on seeded operands: one line per case, "NAME exact|float WORDS...".
// Built with nvcc it asks the GPU, with g++ the emulated twins; scripts/compare-conformance.mjs compares the two.
// Cases of a higher compute capability than the device's are left out, with a line that says so.
#include <cstdio>
#include <string>
#include <vector>

#include "core/cuda/ptx_cluster.cuh"
#include "core/cuda/ptx_store.cuh"
#include "core/cuda/ptx_tensor.cuh"
#include "harness.h"

namespace tilegrad::kernel_tests {

constexpr int kThreads = 128, kIn = 16, kOut = 128;  // words per thread

struct Io {
  const uint32_t* in;  // this thread's operands
  uint32_t* out;       // this thread's results
  const CUtensorMap* map;
  const uint16_t* matrix;  // 20 rows of 72, what the map is of
  unsigned char* shared;   // kShared bytes, 1024-byte aligned, filled with operands

  template <int N>
  __device__ void read(uint32_t (&r)[N], int at = 0) const {
    for (int i = 0; i < N; i++) r[i] = in[at + i];
  }
  template <class T, int N>
  __device__ void write(const T (&values)[N]) const {
    static_assert(sizeof(T) == 4 && N <= kOut);
    for (int i = 0; i < N; i++) memcpy(&out[i], &values[i], 4);
  }
};
constexpr int kShared = 48 * 1024;

template <class Case>
__global__ void __launch_bounds__(kThreads)
    run_wrapper(const uint32_t* in, uint32_t* out, const __grid_constant__ CUtensorMap map,
                const uint16_t* matrix) {
#if defined(TILEGRAD_CUDA_EMULATED) || defined(__CUDA_ARCH__)
  DYNAMIC_SHARED(unsigned char, shared);
  for (int i = threadIdx.x; i < kShared / 4; i += kThreads)
    reinterpret_cast<uint32_t*>(shared)[i] = in[i % (kThreads * kIn)];
#if TILEGRAD_SM90A
  ptx::fence_proxy_async();
#endif
  __syncthreads();
  const Io io{in + threadIdx.x * kIn, out + threadIdx.x * kOut, &map, matrix, shared};
#if defined(__CUDA_ARCH__)
  if constexpr (__CUDA_ARCH__ / 10 >= Case::kTarget)
#endif
    Case::run(io);
#endif
}

// The map that most cases get: a box of 64x16 of the matrix.
CUtensorMap box_of_matrix(const void* matrix) { return tensor_map_bf16(matrix, 72, 20, 64, 16); }

#define CASE(name, target, ...) CASE_WITH_MAP(name, target, box_of_matrix(matrix), __VA_ARGS__)
#define CASE_WITH_MAP(name, target, of_matrix, ...)                             \
  struct name {                                                                 \
    static constexpr int kTarget = target;                                      \
    static CUtensorMap map([[maybe_unused]] const void* matrix) { return of_matrix; } \
    __device__ static void run(Io io) {                                         \
      (void)io;                                                                 \
      __VA_ARGS__                                                               \
    }                                                                           \
  };

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

// The sparse ones: the indices of a group are one of the six pairs in order.
__device__ inline uint32_t pairs_in_order(uint32_t word) {
  uint32_t indices = 0;
  for (int i = 0; i < 32; i += 4) indices |= (0xed9c84u >> ((word >> i & 15) % 6 * 4) & 15u) << i;
  return indices;
}
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

int capability() {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, 0));
  return properties.major * 10 + properties.minor;
}

// Finite values of about one in every format that reads the words; integers take the bytes as they come.
Vector<uint32_t> operands(const std::string& name) {
  Vector<uint32_t> words(kThreads * kIn);
  for (size_t i = 0; i < words.size(); i++) {
    const float x = next_value();
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    const uint32_t noise = uint32_t(int(next_value() * 32768) & 0xffff) | bits << 20;
    // In 16-bit halves both are of the same format: an f16 of exponent 2^-2 or so, a bf16 by its upper bits.
    const uint32_t half = (noise & 0x83ff83ffu) | 0x34003400u;
    const bool f16 =
        name.find("f16") != std::string::npos && name.find("bf16") == std::string::npos;
    words[i] = f16                                      ? half
               : name.find("bf16") != std::string::npos ? (noise & 0x807f807fu) | 0x3f003f00u
               : name.find("tf32") != std::string::npos ? bits
                                                        : noise * 2654435761u;
  }
  if (name == "round_tf32") {
    const uint32_t special[] = {0,          0x80000000, 1,          0x00000fff, 0x00001000,
                                0x3f801000, 0x3f803000, 0x7f7fffff, 0x7f800000, 0xff800000};
    for (size_t i = 0; i < sizeof special / 4; i++) words[i] = special[i];
  }
  return words;
}

template <class Case>
void ask(const char* name, bool exact) {
  if (std::string(name).find(filter()) == std::string::npos) return;
  if (capability() < Case::kTarget || (Case::kTarget == 90 && capability() != 90)) {
    std::printf("# %s needs compute capability %d.%d\n", name, Case::kTarget / 10,
                Case::kTarget % 10);
    return;
  }
  Vector<uint32_t> out(size_t(kThreads) * kOut, 0);
  Device<uint32_t> in(operands(name)), result(out);
  Device<uint16_t> matrix(random_bf16(72 * 20));
  CUtensorMap map{};
  if (Case::kTarget == 90) map = Case::map(matrix.p);
  auto* kernel = run_wrapper<Case>;
  check(cudaFuncSetAttribute((const void*)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             kShared));
  check(launch(kernel, dim3(1), dim3(kThreads), kShared, stream(), in.p, result.p, map, matrix.p));
  result.read(out);
  std::printf("%s %s", name, exact ? "exact" : "float");
  for (uint32_t word : out) std::printf(" %x", word);
  std::printf("\n");
}

void ask_all() {
#define ASK(name, exact) ask<name>(#name, exact);
  ASK(ldmatrix_x4, true)
  ASK(ldmatrix_x4_trans, true)
  ASK(mma_m16n8k16_bf16, false)
  ASK(mma_m16n8k16_f16, false)
  ASK(mma_m16n8k8_tf32, false)
  ASK(mma_m16n8k32_s8, true)
  ASK(mma_m16n8k32_u8s8, true)
  ASK(mma_m16n8k32_s8u8, true)
  ASK(mma_m16n8k32_u8, true)
  ASK(mma_sp_m16n8k32_bf16, false)
  ASK(mma_sp_m16n8k32_f16, false)
  ASK(round_tf32, true)
  ASK(cp_async_16, true)
  ASK(cp_async_4, true)
  ASK(barrier_sync_and_arrive, true)
  ASK(release_and_acquire, true)
  ASK(mbarrier, true)
  ASK(tma_load_2d, true)
  ASK(tma_load_3d, true)
  ASK(tma_load_4d, true)
  ASK(tma_load_5d, true)
  ASK(tma_load_im2col_4d, true)
  ASK(im2col_stride_2, true)
  ASK(wgmma_m64n128k16_bf16, false)
  ASK(wgmma_m64n128k16_f16, false)
  ASK(wgmma_m64n128k8_tf32, false)
  ASK(wgmma_m64n128k8_tf32_registers, false)
  ASK(wgmma_sp_m64n128k32_bf16, false)
  ASK(wgmma_sp_m64n128k32_f16, false)
  ASK(wgmma_m64n128k32_s8, true)
  ASK(wgmma_m64n256k16_bf16, false)
  ASK(wgmma_m64n256k16_f16, false)
  ASK(wgmma_m64n256k8_tf32, false)
  ASK(wgmma_m64n256k32_s8, true)
  ASK(wgmma_m64n256k32_u8s8, true)
  ASK(wgmma_m64n256k32_s8u8, true)
  ASK(wgmma_m64n256k32_u8, true)
  ASK(wgmma_bf16_rows, false)
  ASK(wgmma_f16_second_rows, false)
  ASK(stmatrix_x4, true)
  ASK(stmatrix_x4_trans, true)
  ASK(tma_store_2d, true)
  ASK(cluster_of_one, true)
  ASK(side_effects, true)
}

}  // namespace tilegrad::kernel_tests

int main(int argc, char** argv) {
  using namespace tilegrad::kernel_tests;
  if (argc > 1) filter() = argv[1];
  ask_all();
  check(cudaDeviceSynchronize());
  return 0;
}
