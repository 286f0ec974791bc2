// Entries of a pooled gradient, and sums of runs of neighbours that they scale: per entry one broadcast and one
// multiply-add with a load for each vector of the run; N vectors of sums stay in registers, where they are few in several
// sets, since a sum waits 4 cycles for the one before.
#include "ops/conv2d/conv2d_pool_gradient_simd.h"

#include "core/ceil_div.h"
#include "ops/conv2d/conv2d_pool_lanes.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

#if defined(TILEGRAD_ISA_AVX512) || defined(TILEGRAD_ISA_NEON)
constexpr int kRunVectors = 20, kRunSums = 24;
#else
constexpr int kRunVectors = 12, kRunSums = 12;
#endif

constexpr int W = kLanes<float>;

// Where the entries of taps start, the first one's place aside.
TG_SIMD VecI32 moved(VecI32 tap, VecI32 down, VecI32 right) {
#if defined(TILEGRAD_ISA_AVX512)
  const __mmask16 low = _mm512_test_epi32_mask((__m512i)tap, _mm512_set1_epi32(2));
  const __mmask16 far = _mm512_test_epi32_mask((__m512i)tap, _mm512_set1_epi32(1));
  const __m512i start = _mm512_maskz_mov_epi32(low, (__m512i)down);
  return (VecI32)_mm512_mask_add_epi32(start, far, start, (__m512i)right);
#else
  return (-(tap >> 1) & down) + (-(tap & 1) & right);
#endif
}

TG_SIMD PooledSum entries(const PooledEntries& c) {
  const VecI32 down = broadcast<int32_t>(c.down), right = broadcast<int32_t>(c.right);
  VecF32 sum = {}, spoilt = {};
  for (int64_t i = 0; i < c.count; i += W) {
    const int n = static_cast<int>(c.count - i < W ? c.count - i : W);
    const VecF32 g =
        before_activation<float>(load_partial<float>(c.dy + i, n), c.y + i, n, c.activation);
    const VecI32 tap = load_bytes<float>(c.taps + i, n, c.count - i);
    VecI32 start = moved(tap, down, right) + c.first;
    if (c.base != nullptr) start += load_partial<int32_t>(c.base + i, n);
    store<float>(c.scale + i, g);
    store<int32_t>(c.start + i, start);
    sum += g;
    spoilt += g * 0.0f;
  }
  return {sum_lanes<float>(sum), sum_lanes<float>(spoilt) == 0};
}

template <int N>
__attribute__((noinline)) void runs(const ScaledRuns& c, int64_t first) {
  constexpr int kSets = kRunSums / N >= 4 ? 4 : kRunSums / N >= 2 ? 2 : 1;
  VecF32 sums[kSets][N];
#pragma GCC unroll 4
  for (int set = 0; set < kSets; ++set) {
#pragma GCC unroll 24
    for (int v = 0; v < N; ++v) sums[set][v] = VecF32{};
  }
  const float* in = c.in + first * W;
  const float* scale = c.scale;
  const int32_t* start = c.start;
  const auto add = [&](int64_t e, VecF32 * to) __attribute__((always_inline)) {
    const VecF32 s = broadcast<float>(scale[e]);
    const float* from = in + start[e];
#pragma GCC unroll 24
    for (int v = 0; v < N; ++v) to[v] += s * load<float>(from + v * W);
  };
  int64_t e = 0;
  for (const int64_t count = c.count; e + kSets <= count; e += kSets) {
#pragma GCC unroll 4
    for (int set = 0; set < kSets; ++set) add(e + set, sums[set]);
  }
  for (; e < c.count; ++e) add(e, sums[0]);
#pragma GCC unroll 24
  for (int v = 0; v < N; ++v) {
    VecF32 sum = sums[0][v];
#pragma GCC unroll 4
    for (int set = 1; set < kSets; ++set) sum += sums[set][v];
    float* out = c.out + c.place[first + v];
    store<float>(out, load<float>(out) + sum);
  }
}

template <int N = kRunVectors>
TG_SIMD void runs_of(const ScaledRuns& c, int64_t first, int64_t vectors) {
  if (vectors == N) return runs<N>(c, first);
  if constexpr (N > 1) runs_of<N - 1>(c, first, vectors);
}

// Pieces of Length elements; what one writes too much is overwritten by the next.
template <int Length>
TG_SIMD void expand(const ExpandRows& c) {
  typedef float Run __attribute__((vector_size(4 * Length)));
  const auto copy = [](const float* in, float* out) __attribute__((always_inline)) {
    Run run;
    __builtin_memcpy(&run, in, sizeof run);
    __builtin_memcpy(out, &run, sizeof run);
  };
  // One plane: the rows make the inner loop.
  const bool one = c.planes == 1;
  const int64_t outer = one ? 1 : c.rows, inner = one ? c.rows : c.planes, length = c.length;
  const int64_t in_step = one ? c.in_row : c.in_plane, out_step = one ? c.out_row : length;
  const int64_t in_row = c.in_row, out_row = one ? c.rows * c.out_row : c.out_row;
  float* out = c.out;
  for (int64_t col = 0; col < c.cols; ++col) {
    const float* in = c.in + col * c.in_col;
    for (int64_t i = 0; i < outer; ++i, in += in_row, out += out_row) {
      if (length <= Length) {
        for (int64_t j = 0; j < inner; ++j) copy(in + j * in_step, out + j * out_step);
        continue;
      }
      for (int64_t j = 0; j < inner; ++j) {
        for (int64_t at = 0; at < length; at += Length) {
          copy(in + j * in_step + at, out + j * out_step + at);
        }
      }
    }
  }
}

}  // namespace

PooledSum conv_pooled_entries(const PooledEntries& c) { return entries(c); }

void conv_scaled_runs(const ScaledRuns& c) {
  const int64_t tiles = ceil_div(c.vectors, kRunVectors);
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t first = c.vectors * i / tiles;
    runs_of(c, first, c.vectors * (i + 1) / tiles - first);
  }
}

void conv_expand_rows(const ExpandRows& c) { c.length <= 4 ? expand<4>(c) : expand<8>(c); }

}  // namespace tilegrad::TILEGRAD_ISA
