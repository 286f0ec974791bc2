// Images and weights with their channels innermost. Images: a block of 32x8 threads moves 32 channels x 32 pixels through
// shared memory, reading along pixels and writing along channels. Weights: a thread per element of the copy. Bytes moved:
// one read and one write per element (weights are read with the taps' stride, they stay in L2).
#include "core/allocator.h"
#include "core/cuda/channels_last.h"
#include "core/cuda/copy.h"
#include "core/cuda/launch.cuh"

namespace tilegrad::cuda {

namespace {

constexpr int kTile = 32, kRows = 8;

struct ImageSize {
  int64_t n, groups, channels, padded, pixels;
  unsigned flip;  // bits of every element to turn, not of the padding
};

template <class E>
__device__ E flipped(E element, unsigned flip) {
  return sizeof(E) == 1 ? static_cast<E>(element ^ flip) : element;
}

template <class E>
__global__ void __launch_bounds__(kTile* kRows)
    turn_images(const E* __restrict__ from, E* __restrict__ to, const ImageSize s) {
  SHARED_ARRAY(tile, E[kTile][kTile + 4 / sizeof(E)]);  // (channel, pixel)
  const int x = threadIdx.x % kTile, y = threadIdx.x / kTile;
  const int64_t width = s.groups * s.padded, across = ceil_div<int64_t>(width, kTile);
  const int64_t pixel0 = blockIdx.x / across * kTile, channel0 = blockIdx.x % across * kTile;
  for (int64_t image = blockIdx.y; image < s.n; image += gridDim.y) {
    for (int i = y; i < kTile; i += kRows) {
      const int64_t group = (channel0 + i) / s.padded, own = channel0 + i - group * s.padded;
      const bool inside = group < s.groups && own < s.channels && pixel0 + x < s.pixels;
      const int64_t channel = (image * s.groups + group) * s.channels + own;
      tile[i][x] = inside ? flipped(from[channel * s.pixels + pixel0 + x], s.flip) : E{};
    }
    __syncthreads();
    for (int i = y; i < kTile; i += kRows)
      if (pixel0 + i < s.pixels && channel0 + x < width)
        to[(image * s.pixels + pixel0 + i) * width + channel0 + x] = tile[x][i];
    __syncthreads();
  }
}

struct WeightSize {
  int64_t groups, rows, taps, padded, channels;
  int64_t row_stride, channel_stride;  // within a group, in elements
  unsigned flip;
};

template <class E>
__global__ void __launch_bounds__(256)
    turn_weights(const E* __restrict__ from, E* __restrict__ to, const WeightSize s) {
  const int64_t per_group = s.rows * s.taps * s.padded, n = s.groups * per_group;
  for (int64_t i = int64_t{blockIdx.x} * 256 + threadIdx.x; i < n; i += int64_t{256} * gridDim.x) {
    const int64_t channel = i % s.padded, line = i / s.padded, tap = line % s.taps;
    const int64_t row = line / s.taps % s.rows, group = i / per_group;
    const int64_t at = group * s.rows * s.channels * s.taps + row * s.row_stride +
                       channel * s.channel_stride + tap;
    to[i] = channel < s.channels ? flipped(from[at], s.flip) : E{};
  }
}

// Calls run(E{}) for the unsigned integer of that size.
template <class Run>
void with_element(int bytes, const Run& run) {
  if (bytes == 1) return run(uint8_t{});
  if (bytes == 2) return run(uint16_t{});
  run(uint32_t{});
}

// The kept copy, or a new one of `bytes`, which fill(data) enqueues.
template <class Fill>
PackedForm copy_of(CudaStream& stream, PackedForms* forms, const PackedKey& key, int64_t bytes,
                   const Fill& fill) {
  if (forms != nullptr)
    if (PackedForm held = forms->held(key)) return held;
  const BufferRef buffer = workspace(stream, static_cast<size_t>(bytes));
  fill(buffer->data);
  const PackedForm copy(buffer->data, [buffer](const void*) {});
  if (forms != nullptr && buffer->allocator->keep_packed(buffer.get())) forms->hold(key, copy);
  return copy;
}

int64_t address(const void* x) { return static_cast<int64_t>(reinterpret_cast<uintptr_t>(x)); }

}  // namespace

PackedForm channels_last(CudaStream& stream, const void* x, int64_t n, int64_t groups,
                         int64_t channels, int64_t pixels, int element_bytes, PackedForms* forms,
                         bool flip) {
  static const char* const kKind = "channels_last";
  const ImageSize s = {n,      groups,           channels, padded_channels(channels, element_bytes),
                       pixels, flip ? 0x80u : 0u};
  const int64_t width = groups * s.padded;
  const PackedKey key = {kKind, {address(x), n, groups, channels, pixels, element_bytes, flip}};
  return copy_of(stream, forms, key, n * pixels * width * element_bytes, [&](void* copy) {
    const int64_t tiles = ceil_div<int64_t>(pixels, kTile) * ceil_div<int64_t>(width, kTile);
    if (n * tiles == 0) return;
    with_element(element_bytes, [&](auto element) {
      using E = decltype(element);
      const dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(n < 65535 ? n : 65535));
      check(launch(turn_images<E>, grid, dim3(kTile * kRows), 0, stream.handle(),
                   static_cast<const E*>(x), static_cast<E*>(copy), s),
            "turn_images");
    });
  });
}

PackedForm packed_weight(CudaStream& stream, const void* weight, int64_t groups, int64_t k,
                         int64_t c, int64_t taps, bool transposed, int element_bytes,
                         PackedForms* forms, bool flip) {
  static const char* const kKind = "packed_weight";
  const unsigned bits = flip ? 0x80u : 0u;
  WeightSize s = {groups, k, taps, padded_channels(c, element_bytes), c, c * taps, taps, bits};
  if (transposed) s = {groups, c, taps, padded_channels(k, element_bytes), k, taps, c * taps, bits};
  const int64_t numel = groups * s.rows * taps * s.padded;
  const PackedKey key = {kKind,
                         {address(weight), groups, k, c, taps, transposed, element_bytes, flip}};
  return copy_of(stream, forms, key, numel * element_bytes, [&](void* copy) {
    if (numel == 0) return;
    with_element(element_bytes, [&](auto element) {
      using E = decltype(element);
      check(launch(turn_weights<E>, dim3(static_cast<unsigned>(grid_size(stream, numel, 256))),
                   dim3(256), 0, stream.handle(), static_cast<const E*>(weight),
                   static_cast<E*>(copy), s),
            "turn_weights");
    });
  });
}

}  // namespace tilegrad::cuda
