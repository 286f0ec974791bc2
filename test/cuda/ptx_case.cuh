// A case of ptx_conformance.cu: a wrapper of ptx.cuh on the operands of a thread. CASE(name, target, statements) defines it
// for devices of a compute capability from `target` on.
#pragma once

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
inline CUtensorMap box_of_matrix(const void* matrix) { return tensor_map_bf16(matrix, 72, 20, 64, 16); }

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

// Indices of 2 of 4 for the sparse instructions: those of a group are one of the six pairs in order.
__device__ inline uint32_t pairs_in_order(uint32_t word) {
  uint32_t indices = 0;
  for (int i = 0; i < 32; i += 4) indices |= (0xed9c84u >> ((word >> i & 15) % 6 * 4) & 15u) << i;
  return indices;
}

}  // namespace tilegrad::kernel_tests
