// Convolution with filters along the lanes: a tile of up to kPixels output positions by NV vectors of filters
// stays in registers while kBlockBytes of weights pass, which then serve the other tiles from L1; per tap NV
// vectors of weights are loaded and each pixel of the image is broadcast. Positions lie in one row, or in two
// neighbouring rows of a narrow image.
#include "ops/conv2d/conv2d_filters_simd.h"

#include "core/ceil_div.h"
#include "ops/conv2d/conv2d_pixels.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

constexpr int W = kLanes<float>;
using V = Vec<float>;

// kPixels * kVectors accumulators, kVectors of weights and one broadcast must fit in 32 (or 16) registers.
#if defined(TILEGRAD_ISA_AVX512)
constexpr int kPixels = 14, kVectors = 2;
#elif defined(TILEGRAD_ISA_NEON)
constexpr int kPixels = 8, kVectors = 2;
#elif defined(TILEGRAD_ISA_AVX2)
constexpr int kPixels = 6, kVectors = 2;
#else
constexpr int kPixels = 4, kVectors = 2;
#endif
constexpr int kStep = 4;  // taps per round of the loop
constexpr int kLine = 64 / sizeof(float);
constexpr int64_t kBlockBytes = 24 << 10;  // of weights: half of L1
// Far enough for the latency of memory, near enough to leave L2 to the image and to what is in use.
constexpr int64_t kAhead = (128 << 10) / sizeof(float);

struct Tile {
  int64_t depth;
  const float* weights;
  const int64_t* offsets;
  const float *first, *second;  // where the positions of either row start
  const V* bias;                // (NV), or null: more is added to the sums
  bool accumulate;
  float *out, *out_second;
  int64_t out_block;
  const float* next;
  int64_t next_pairs;  // pairs of lines
};

template <int N0, int N1, int NV>
TG_SIMD void add_tap(const Tile& t, const float* weights, int64_t offset, V (&acc)[N0 + N1][NV]) {
  V w[NV];
#pragma GCC unroll 2
  for (int v = 0; v < NV; ++v) w[v] = load<float>(weights + v * W);
  const float *first = t.first + offset, *second = t.second + offset;
#pragma GCC unroll 16
  for (int i = 0; i < N0 + N1; ++i) {
    const V x = broadcast<float>(i < N0 ? first[i] : second[i - N0]);
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v) acc[i][v] += x * w[v];
  }
}

template <int N0, int N1, int NV>
__attribute__((noinline)) void tile(const Tile& t) {
  V acc[N0 + N1][NV];
#pragma GCC unroll 16
  for (int i = 0; i < N0 + N1; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v) acc[i][v] = V{};
  }
  const float *weights = t.weights, *next = t.next;
  int64_t d = 0, left = t.next_pairs;
#pragma GCC unroll 1
  for (; d + kStep <= t.depth; d += kStep) {
    if (left > 0) {
      __builtin_prefetch(next, 0, 2);
      __builtin_prefetch(next + kLine, 0, 2);
      next += 2 * kLine, --left;
    }
#pragma GCC unroll 4
    for (int s = 0; s < kStep; ++s) {
      add_tap<N0, N1, NV>(t, weights + s * NV * W, t.offsets[d + s], acc);
    }
    weights += kStep * NV * W;
  }
  for (; d < t.depth; ++d, weights += NV * W) add_tap<N0, N1, NV>(t, weights, t.offsets[d], acc);
#pragma GCC unroll 16
  for (int i = 0; i < N0 + N1; ++i) {
    float* out = i < N0 ? t.out + i * W : t.out_second + (i - N0) * W;
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v) {
      V sum = acc[i][v];
      if (t.accumulate) sum += load<float>(out + v * t.out_block);
      if (t.bias != nullptr) sum += t.bias[v];
      store<float>(out + v * t.out_block, sum);
    }
  }
}

using TileFunction = void (*)(const Tile&);

template <int NV, int N = kPixels>
TileFunction one_row(int64_t cols) {
  if (cols == N) return tile<N, 0, NV>;
  if constexpr (N > 1) return one_row<NV, N - 1>(cols);
  return nullptr;
}
template <int NV, int N = kPixels / 2>
TileFunction two_rows(int64_t cols) {
  if (cols == N) return tile<N, N, NV>;
  if constexpr (N > 1) return two_rows<NV, N - 1>(cols);
  return nullptr;
}

// Rows are cut evenly: 28 positions as 14 and 14.
template <int NV>
TG_SIMD void block_tiles(const FiltersPanel& f, Tile& t) {
  const int64_t per_tile = 2 * f.cols <= kPixels ? 2 : 1;
  const int64_t parts = ceil_div(f.cols, kPixels);
  const int64_t tiles = ceil_div(f.rows, per_tile) * parts;
  const int64_t ahead = f.weights_end - t.weights - kAhead, block = t.depth * NV * W;
  const int64_t pairs = (ahead < block ? ahead : block) / (2 * kLine);
  t.next = t.weights + kAhead, t.next_pairs = pairs > 0 ? ceil_div(pairs, tiles) : 0;
  for (int64_t row = 0; row < f.rows; row += per_tile) {
    const bool two = per_tile == 2 && row + 1 < f.rows;
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t col = f.cols * part / parts, cols = f.cols * (part + 1) / parts - col;
      t.first = f.image + row * f.pitch + col, t.second = t.first + f.pitch;
      t.out = f.out + (row * f.cols + col) * W, t.out_second = t.out + f.cols * W;
      (two ? two_rows<NV>(cols) : one_row<NV>(cols))(t);
      t.next += t.next_pairs * 2 * kLine;
    }
  }
}

template <int NV>
TG_SIMD void panel(const FiltersPanel& f) {
  V bias[NV];
#pragma GCC unroll 2
  for (int v = 0; v < NV; ++v) {
    const int left = f.filters - v * W;
    bias[v] = V{};
    if (f.bias != nullptr && left > 0)
      bias[v] = load_partial<float>(f.bias + v * W, left < W ? left : W);
  }
  constexpr int64_t kMost = kBlockBytes / (NV * W * sizeof(float));
  const int64_t blocks = f.depth > kMost ? ceil_div(f.depth, kMost) : 1;
  Tile t = {};
  t.out_block = f.rows * f.cols * W;
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t first = f.depth * block / blocks / kStep * kStep;
    const int64_t end =
        block + 1 < blocks ? f.depth * (block + 1) / blocks / kStep * kStep : f.depth;
    t.depth = end - first;
    t.weights = f.weights + first * NV * W, t.offsets = f.offsets + first;
    t.accumulate = block > 0;
    t.bias = block + 1 < blocks ? nullptr : bias;
    block_tiles<NV>(f, t);
  }
}

}  // namespace

FiltersGeometry filters_geometry() { return {W, kVectors, kPixels}; }

void filters_panel(const FiltersPanel& f) {
  f.vectors == kVectors ? panel<kVectors>(f) : panel<1>(f);
}

void filters_pixels(const FiltersPixels& f) {
  write_pixel_rows({f.filters, f.residual, f.activation, f.out, f.out_plane}, f.pixels, f.height,
                   f.width, f.out_row);
}

}  // namespace tilegrad::TILEGRAD_ISA
