// Images and weights with their channels innermost. Images: a block of 32x8 threads moves 32 channels x 32 pixels through
// shared memory, reading along pixels and writing along channels. Weights: a thread per element of the copy. Bytes moved:
// one read and one write per element (weights are read with the taps' stride, they stay in L2).
#include "core/cuda/channels_last.h"
#include "core/cuda/copy.h"
#include "core/cuda/launch.cuh"

namespace tilegrad::cuda {

namespace {

constexpr int kTile = 32, kRows = 8;

struct ImageSize {
  int64_t n, groups, channels, padded, pixels;
};

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
      tile[i][x] = inside ? from[channel * s.pixels + pixel0 + x] : E{};
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
    to[i] = channel < s.channels ? from[at] : E{};
  }
}

// Calls run(E{}) for the unsigned integer of that size.
template <class Run>
void with_element(int bytes, const Run& run) {
  if (bytes == 1) return run(uint8_t{});
  if (bytes == 2) return run(uint16_t{});
  run(uint32_t{});
}

}  // namespace

void* channels_last(CudaStream& stream, const void* x, int64_t n, int64_t groups, int64_t channels,
                    int64_t pixels, int element_bytes, BufferRef* kept) {
  const ImageSize s = {n, groups, channels, padded_channels(channels, element_bytes), pixels};
  const int64_t width = groups * s.padded;
  *kept = workspace(stream, static_cast<size_t>(n * pixels * width * element_bytes));
  const int64_t tiles = ceil_div<int64_t>(pixels, kTile) * ceil_div<int64_t>(width, kTile);
  if (n * tiles == 0) return (*kept)->data;
  with_element(element_bytes, [&](auto element) {
    using E = decltype(element);
    const dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(n < 65535 ? n : 65535));
    check(launch(turn_images<E>, grid, dim3(kTile * kRows), 0, stream.handle(),
                 static_cast<const E*>(x), static_cast<E*>((*kept)->data), s),
          "turn_images");
  });
  return (*kept)->data;
}

void* packed_weight(CudaStream& stream, const void* weight, int64_t groups, int64_t k, int64_t c,
                    int64_t taps, bool transposed, int element_bytes, BufferRef* kept) {
  WeightSize s = {groups, k, taps, padded_channels(c, element_bytes), c, c * taps, taps};
  if (transposed) s = {groups, c, taps, padded_channels(k, element_bytes), k, taps, c * taps};
  const int64_t numel = groups * s.rows * taps * s.padded;
  *kept = workspace(stream, static_cast<size_t>(numel * element_bytes));
  if (numel == 0) return (*kept)->data;
  with_element(element_bytes, [&](auto element) {
    using E = decltype(element);
    check(launch(turn_weights<E>, dim3(static_cast<unsigned>(grid_size(stream, numel, 256))),
                 dim3(256), 0, stream.handle(), static_cast<const E*>(weight),
                 static_cast<E*>((*kept)->data), s),
          "turn_weights");
  });
  return (*kept)->data;
}

}  // namespace tilegrad::cuda
