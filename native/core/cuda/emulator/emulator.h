// The CUDA execution model on the CPU, as kernels see it: built-in variables, shared memory, barriers.
// Each CUDA thread is a fiber; one OS thread at a time runs the resident blocks of one kernel.
// The environment chooses how (TILEGRAD_EMULATOR_*, see options.h), so one binary serves every mode.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>
#include <vector_functions.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>

#if !defined(TILEGRAD_CUDA_EMULATED)
#define TILEGRAD_CUDA_EMULATED 1
#endif

#if !defined(__launch_bounds__)
#define __launch_bounds__(...)
#endif

// Twins that touch other lanes' stacks are hidden from TSan: the collective itself orders them.
#define TILEGRAD_NO_TSAN __attribute__((no_sanitize("thread")))

// Set at every switch of fibers.
inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;
constexpr int warpSize = 32;

namespace tilegrad::emulator {

using Site = std::source_location;

struct Block;
struct Thread;

struct LaunchShape {
  dim3 grid, block;
  size_t shared_bytes;
  const void* kernel;
  dim3 cluster = {1, 1, 1};  // blocks that run together and reach each other's shared memory
  bool cooperative = false;  // all blocks run together and may meet at the grid's barrier
};

cudaError_t enqueue_kernel(const LaunchShape& shape, cudaStream_t stream,
                           std::function<void()> body);

// Reports a fault of the kernel under test, with the thread that is running, and ends the process.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

void* static_shared(const void* key, size_t bytes, const char* name);
void* dynamic_shared();
uint32_t shared_offset(const void* pointer);  // fails if it is not in this block's shared memory
char* shared_base();

enum class Vote { none, count, any, all };
int barrier_sync(int id, int threads, Vote vote, int predicate, const Site& site);
void barrier_arrive(int id, int threads, const Site& site);

// Runs run(operands) once all lanes of the mask have arrived; operands[lane] is what each brought.
using Collective = void (*)(void** operands, unsigned mask);
void warp_collective(unsigned mask, void* operand, Collective run, const Site& site);
void warpgroup_collective(void* operand, Collective run, const Site& site);  // 128 threads
unsigned lane_index();

void yield_point();                             // a place where the random schedulers may switch
void note_progress();                           // resets the livelock count
void poll(const char* what, const Site& site);  // one turn of a spinning wait
void memory_fence();

// Blocks of a cluster. The barrier's two halves may be apart; all threads of the cluster that have not ended take part.
int cluster_rank();
int cluster_size();
void cluster_arrive(const Site& site);
void cluster_wait(const Site& site);
char* cluster_address(const void* own, int rank, const Site& site);  // the same place in a peer

// All threads of a grid that was launched cooperatively.
void grid_sync(const Site& site);

// The memory-access lint sees vector accesses of the twins through this hook (null elsewhere).
using AccessHook = void (*)(const void* address, unsigned bytes, bool write, const void* site);
inline AccessHook access_hook = nullptr;

}  // namespace tilegrad::emulator

#include "core/cuda/emulator/builtins.h"
