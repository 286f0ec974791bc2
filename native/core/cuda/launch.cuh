// The one header that every kernel file includes: kernels compile with nvcc for a GPU and with g++ for
// the emulator. Rules for kernel code:
//   launch through launch(), never <<<>>>; shared memory through SHARED_ARRAY and DYNAMIC_SHARED;
//   no inline asm outside ptx.cuh; no return before a barrier (guard loads and stores instead);
//   flags between threads only through atomics; vector accesses written as float4 or uint4.
#pragma once

#include "core/ceil_div.h"

#if defined(__CUDACC__)

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>
#include <utility>

// SHARED_ARRAY(tile, float[16][68]) declares static shared memory, 128-byte aligned.
#define SHARED_ARRAY(name, ...) __shared__ __align__(128) std::type_identity_t<__VA_ARGS__> name

// DYNAMIC_SHARED(float, buffer) is a pointer to the launch's dynamic shared memory, 1024-byte aligned.
#define DYNAMIC_SHARED(T, name)                                             \
  extern __shared__ __align__(1024) unsigned char dynamic_shared_memory_[]; \
  T* name = reinterpret_cast<T*>(dynamic_shared_memory_)

namespace tilegrad {

// Enqueues kernel(args...) on the stream; the arguments are converted to the kernel's own types.
template <class... P, class... A>
cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes,
                   cudaStream_t stream, A&&... args) {
  kernel<<<grid, block, shared_bytes, stream>>>(static_cast<P>(std::forward<A>(args))...);
  return cudaGetLastError();
}

}  // namespace tilegrad

#else

#include "core/cuda/emulator/emulator.h"

#define SHARED_ARRAY(name, ...)                                                             \
  auto& name =                                                                              \
      *static_cast<std::type_identity_t<__VA_ARGS__>*>(::tilegrad::emulator::static_shared( \
          []() -> const void* {                                                             \
            static char key;                                                                \
            return &key;                                                                    \
          }(),                                                                              \
          sizeof(std::type_identity_t<__VA_ARGS__>), #name))

#define DYNAMIC_SHARED(T, name) T* name = static_cast<T*>(::tilegrad::emulator::dynamic_shared())

namespace tilegrad {

template <class... P, class... A>
cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes,
                   cudaStream_t stream, A&&... args) {
  // The tuple copies the arguments at the call, as a launch does.
  std::tuple<std::decay_t<P>...> values(static_cast<P>(std::forward<A>(args))...);
  const emulator::LaunchShape shape{grid, block, shared_bytes,
                                    reinterpret_cast<const void*>(kernel)};
  return emulator::enqueue_kernel(shape, stream, [kernel, values] {
    std::apply([kernel](const auto&... value) { kernel(value...); }, values);
  });
}

}  // namespace tilegrad

#endif

namespace tilegrad {

constexpr int kWarpSize = 32;
constexpr unsigned kFullWarp = 0xffffffffu;

}  // namespace tilegrad
