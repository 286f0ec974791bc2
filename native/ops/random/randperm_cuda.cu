// randperm on CUDA: a bitonic sort of the keys of randperm.cc, padded to a power of two with keys that
// no number has. Steps within 2048 keys run in shared memory, wider ones in one launch each.
// Bytes moved: 16 n for each launch, about (log2 n - 10)^2 / 2 launches.
#include "core/cuda/copy.h"
#include "core/cuda/cuda_device.h"
#include "core/cuda/launch.cuh"
#include "ops/random/random.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;
constexpr int kTile = 2048;  // keys of a block

__global__ void __launch_bounds__(kThreads)
    make_keys(uint64_t* __restrict__ keys, int64_t n, int64_t padded, random::Sequence sequence,
              int bits) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < padded;
       i += int64_t{kThreads} * gridDim.x) {
    const random::Block block = random::philox(sequence, static_cast<uint64_t>(i >> 1));
    const uint64_t drawn = (i & 1) == 0 ? random::join(block.words[0], block.words[1])
                                        : random::join(block.words[2], block.words[3]);
    keys[i] = i < n ? random::permutation_key(drawn, i, bits) : ~uint64_t{0};
  }
}

__device__ __forceinline__ void order(uint64_t* a, uint64_t* b, bool ascending) {
  const uint64_t x = *a, y = *b;
  if ((x > y) == ascending) {
    *a = y;
    *b = x;
  }
}

// Compares keys `distance` apart, in runs of `run` keys that alternate in direction.
__global__ void __launch_bounds__(kThreads)
    wide_step(uint64_t* __restrict__ keys, int64_t padded, int64_t run, int64_t distance) {
  for (int64_t t = int64_t{blockIdx.x} * kThreads + threadIdx.x; t < padded / 2;
       t += int64_t{kThreads} * gridDim.x) {
    const int64_t i = t / distance * 2 * distance + t % distance;
    order(keys + i, keys + i + distance, (i & run) == 0);
  }
}

// All steps of the runs from `first_run` to `last_run` that stay within a tile.
__global__ void __launch_bounds__(kThreads)
    tile_steps(uint64_t* __restrict__ keys, int64_t padded, int64_t first_run, int64_t last_run) {
  SHARED_ARRAY(tile, uint64_t[kTile]);  // (kTile)
  const int64_t start = int64_t{blockIdx.x} * kTile;
  const int count = static_cast<int>(padded < kTile ? padded : kTile);
  for (int i = threadIdx.x; i < count; i += kThreads) tile[i] = keys[start + i];
  __syncthreads();
  for (int64_t run = first_run; run <= last_run; run *= 2) {
    for (int distance = static_cast<int>(run / 2 < count / 2 ? run / 2 : count / 2); distance > 0;
         distance /= 2) {
      for (int t = threadIdx.x; t < count / 2; t += kThreads) {
        const int i = t / distance * 2 * distance + t % distance;
        order(tile + i, tile + i + distance, ((start + i) & run) == 0);
      }
      __syncthreads();
    }
  }
  for (int i = threadIdx.x; i < count; i += kThreads) keys[start + i] = tile[i];
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    take_numbers(const uint64_t* __restrict__ keys, T* __restrict__ out, int64_t n, uint64_t mask) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x)
    out[i] = static_cast<T>(keys[i] & mask);
}

void sort_keys(cuda::CudaStream& stream, uint64_t* keys, int64_t padded) {
  const dim3 tiles(static_cast<unsigned>(padded < kTile ? 1 : padded / kTile));
  const dim3 wide(static_cast<unsigned>(cuda::grid_size(stream, padded / 2, kThreads)));
  const auto within = [&](int64_t first, int64_t last) {
    cuda::check(
        launch(tile_steps, tiles, dim3(kThreads), 0, stream.handle(), keys, padded, first, last),
        "launch");
  };
  within(2, padded < kTile ? padded : kTile);
  for (int64_t run = 2 * kTile; run <= padded; run *= 2) {
    for (int64_t distance = run / 2; distance >= kTile; distance /= 2)
      cuda::check(
          launch(wide_step, wide, dim3(kThreads), 0, stream.handle(), keys, padded, run, distance),
          "launch");
    within(run, run);
  }
}

}  // namespace

void randperm_cuda(KernelArgs& args) {
  const View& out = args.outputs[0];
  auto& stream = cuda::stream_of(args.stream);
  const int64_t n = out.numel();
  int64_t padded = 1;
  while (padded < n) padded *= 2;
  const BufferRef space = cuda::workspace(stream, static_cast<size_t>(padded) * sizeof(uint64_t));
  auto* keys = static_cast<uint64_t*>(space->data);
  const int bits = random::index_bits(n);
  cuda::check(launch(make_keys, dim3(cuda::grid_size(stream, padded, kThreads)), dim3(kThreads), 0,
                     stream.handle(), keys, n, padded, sequence_of(args.attrs), bits),
              "launch");
  sort_keys(stream, keys, padded);
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  const dim3 grid(cuda::grid_size(stream, n, kThreads));
  if (out.dtype == DType::i64)
    cuda::check(launch(take_numbers<int64_t>, grid, dim3(kThreads), 0, stream.handle(), keys,
                       out.as<int64_t>(), n, mask),
                "launch");
  else
    cuda::check(launch(take_numbers<int32_t>, grid, dim3(kThreads), 0, stream.handle(), keys,
                       out.as<int32_t>(), n, mask),
                "launch");
}

}  // namespace tilegrad
