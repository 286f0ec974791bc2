// Convolutions on Hopper, sm_90a, all of whose operands come by TMA: images by im2col, a column of pixels under one tap at
// a time, which zero-fills outside of the images; weights and output gradients as boxes. The input gradient of a stride is
// one product for each of its phases, pixels that meet the same taps. Persistent blocks of 3 warpgroups
// take tiles of 128 x 128, or of 64 x 256 where 128 rows would be half empty: one thread fills a ring of stages 64 elements
// of K deep, the other two warpgroups multiply 64 x 128 each by wgmma and store while the ring fills for the next tile.
// Bytes moved: A once per tile of columns, B once per tap and tile of rows (mostly from L2).
#pragma once

#include "core/cuda/pixel.cuh"
#include "core/cuda/ptx_tensor.cuh"
#include "core/cuda/split_k.h"
#include "core/cuda/wgmma_tile.cuh"
#include "ops/conv2d/conv2d_mma.cuh"

namespace tilegrad {

constexpr int kTmaStep = 64;                 // elements of K of a stage
constexpr int kTmaPart = 64 * kTmaStep * 2;  // bytes of 64 lines of a stage
constexpr int kTmaStages = 5;

// A's lines, then B's: 2 and 2 parts, or 1 and 4.
struct ConvRing {
  unsigned char stage[kTmaStages][5 * kTmaPart];
  cuda::WgmmaRows<float> sums;
  uint64_t full[kTmaStages], empty[kTmaStages];
};

// What the blocks share out: tiles of one range of columns together, then ranges of K, then groups.
struct ConvTiles {
  int64_t rows, columns;
  int depth, groups;
  bool flat;  // tiles of 64 x 256
  cuda::SplitK split;

  __host__ __device__ int tile_rows() const { return flat ? 64 : 128; }
  __host__ __device__ int tile_columns() const { return flat ? 256 : 128; }
  __host__ __device__ int64_t down() const { return ceil_div<int64_t>(rows, tile_rows()); }
  __host__ __device__ int64_t tiles() const {
    return down() * ceil_div<int64_t>(columns, tile_columns());
  }
  __host__ __device__ int64_t items() const { return tiles() * split.ranges * groups; }
};

struct ConvItem {
  int64_t row, column;
  int begin, end, range, group;

  __device__ ConvItem(const ConvTiles& t, int64_t index) {
    const int64_t tiles = t.tiles(), part = index / tiles, tile = index - part * tiles;
    row = tile % t.down() * t.tile_rows();
    column = tile / t.down() * t.tile_columns();
    group = static_cast<int>(part / t.split.ranges);
    range = static_cast<int>(part - int64_t{group} * t.split.ranges);
    begin = range * t.split.length;
    end = t.depth - begin > t.split.length ? begin + t.split.length : t.depth;
  }
};

// How taps and pixels are walked: a tap has `blocks` blocks of 64 channels; it lies at first + (r, s) * step from where the
// window stands, which are positions of rows x columns. Its weight is number weight + (r, s) * weight_step.
struct TapWalk {
  int s, taps, blocks, channels;  // channels of one group as they lie, padded
  int first_h, first_w, step_h, step_w;
  int weight, weight_step_h, weight_step_w;
  int rows, columns, lower_h, lower_w, stride_h, stride_w;

  struct Tap {
    int weight, channel;
    uint16_t h, w;
  };
  __device__ Tap tap(int block) const {
    const int index = block / blocks, r = index / s, column = index - r * s;
    return {weight + r * weight_step_h + column * weight_step_w,
            (block - index * blocks) * kTmaStep, static_cast<uint16_t>(first_h + r * step_h),
            static_cast<uint16_t>(first_w + column * step_w)};
  }
  struct Window {
    int image, h, w;
  };
  __device__ Window window(int64_t index) const {
    const cuda::Pixel at(index, rows, columns);
    return {static_cast<int>(at.image), at.row * stride_h + lower_h,
            at.column * stride_w + lower_w};
  }
};

// Forward and the input gradient: A weights (group and row, tap, channel), B pixels; K runs over (tap, channel).
struct TapLoads {
  static constexpr bool kTransposed = false;
  TapWalk walk;

#if TILEGRAD_SM90A
  __device__ void load(unsigned char* to, uint64_t* full, const CUtensorMap& map_a,
                       const CUtensorMap& map_b, const ConvTiles& t, const ConvItem& item,
                       int k) const {
    const TapWalk::Tap tap = walk.tap(k / kTmaStep);
    const TapWalk::Window at = walk.window(item.column);
    const auto row = static_cast<int>(item.group * t.rows + item.row);
    ptx::tma_load_3d(to, &map_a, full, tap.channel, tap.weight, row);
    ptx::tma_load_im2col_4d(to + t.tile_rows() / 64 * kTmaPart, &map_b, full,
                            item.group * walk.channels + tap.channel, at.w, at.h, at.image, tap.w,
                            tap.h);
  }
#endif
};

// The weight gradient: A output gradients (pixel, filter), B pixels under the taps; K runs over pixels, lines of B over
// (tap, channel). Both lie along their lines.
struct PixelLoads {
  static constexpr bool kTransposed = true;
  TapWalk walk;
  int filters;  // of one group as they lie, padded

#if TILEGRAD_SM90A
  __device__ void load(unsigned char* to, uint64_t* full, const CUtensorMap& map_a,
                       const CUtensorMap& map_b, const ConvTiles& t, const ConvItem& item,
                       int k) const {
    const auto filter = static_cast<int>(item.group * filters + item.row);
    for (int part = 0; part < t.tile_rows() / 64; part++, to += kTmaPart)
      ptx::tma_load_2d(to, &map_a, full, filter + part * 64, k);
    const TapWalk::Window at = walk.window(k);
    const auto block = static_cast<int>(item.column / kTmaStep);
    for (int part = 0; part < t.tile_columns() / 64; part++, to += kTmaPart) {
      // Columns behind the last tap are not stored; what they hold does not matter.
      const bool exists = block + part < walk.taps * walk.blocks;
      const TapWalk::Tap tap = walk.tap(exists ? block + part : 0);
      ptx::tma_load_im2col_4d(to, &map_b, full, item.group * walk.channels + tap.channel, at.w,
                              at.h, at.image, tap.w, tap.h);
    }
  }
#endif
};

#if TILEGRAD_SM90A

template <class Loads>
__device__ void conv_load(ConvRing& ring, const CUtensorMap& map_a, const CUtensorMap& map_b,
                          const Loads& loads, const ConvTiles& t) {
  cuda::RingPlace<kTmaStages> at;
  const int bytes = (t.tile_rows() + t.tile_columns()) / 64 * kTmaPart;
#pragma unroll 1
  for (int64_t index = blockIdx.x; index < t.items(); index += gridDim.x) {
    const ConvItem item(t, index);
#pragma unroll 1
    for (int k = item.begin; k < item.end; k += kTmaStep) {
      ptx::mbarrier_wait(&ring.empty[at.stage], at.parity ^ 1);
      ptx::mbarrier_expect_bytes(&ring.full[at.stage], bytes);
      loads.load(ring.stage[at.stage], &ring.full[at.stage], map_a, map_b, t, item, k);
      at.advance();
    }
  }
}

// The sums of a warpgroup's 64 x 128. A stage is given back once the next one's products are enqueued.
template <class Kind>
__device__ void conv_sum(ConvRing& ring, cuda::RingPlace<kTmaStages>& at, float (&sum)[64],
                         int part_a, int part_b, int depth) {
  constexpr bool kTransposed = Kind::kATransposed;
  constexpr int kAdvance = cuda::kWgmmaAdvance<kTransposed>;
  const bool arrives = threadIdx.x % 128 == 0;
  int before = -1;
  ptx::accumulator_fence(sum);
#pragma unroll 1
  for (int k = 0; k < depth; k += kTmaStep) {
    ptx::mbarrier_wait(&ring.full[at.stage], at.parity);
    const unsigned char* stage = ring.stage[at.stage];
    const uint64_t a = cuda::wgmma_tile<kTransposed>(stage + part_a * kTmaPart);
    const uint64_t b = cuda::wgmma_tile<kTransposed>(stage + part_b * kTmaPart);
    ptx::wgmma_fence();
#pragma unroll
    for (int i = 0; i < 4; i++)
      Kind::multiply(sum, a + i * kAdvance, b + i * kAdvance, k > 0 || i > 0);
    ptx::wgmma_commit();
    ptx::wgmma_wait<1>();
    if (arrives && before >= 0) ptx::mbarrier_arrive(&ring.empty[before]);
    before = at.stage;
    at.advance();
  }
  ptx::wgmma_wait<0>();
  ptx::accumulator_fence(sum);
  if (arrives && before >= 0) ptx::mbarrier_arrive(&ring.empty[before]);
}

#endif

// Partial sums are (range, group, row, column); without them `out` stores, group by group.
template <class E, class Loads, class Out>
__global__ void __launch_bounds__(cuda::kWgmmaThreads, 1)
    conv_wgmma_tma(const __grid_constant__ CUtensorMap map_a,
                   const __grid_constant__ CUtensorMap map_b, const Loads loads, const Out out,
                   const ConvTiles t, float* __restrict__ partial) {
#if TILEGRAD_SM90A
  using Kind = cuda::WgmmaFloats<E, 128, Loads::kTransposed, Loads::kTransposed>;
  DYNAMIC_SHARED(ConvRing, ring);
  if (threadIdx.x == 0) {
    for (int i = 0; i < kTmaStages; i++) {
      ptx::mbarrier_init(&ring->full[i], 1);
      ptx::mbarrier_init(&ring->empty[i], 2);
    }
    ptx::fence_mbarrier_init();
  }
  __syncthreads();
  // By a shuffle, so that the compiler knows that a warp does not diverge here.
  const int warpgroup = __shfl_sync(kFullWarp, static_cast<int>(threadIdx.x / 128), 0);
  if (warpgroup == 0) {
    if (threadIdx.x == 0) conv_load(*ring, map_a, map_b, loads, t);
  } else {
    const int part = warpgroup - 1;
    cuda::RingPlace<kTmaStages> at;
    for (int64_t index = blockIdx.x; index < t.items(); index += gridDim.x) {
      const ConvItem item(t, index);
      float sum[64];
#pragma unroll
      for (float& x : sum) x = 0.0f;
      conv_sum<Kind>(*ring, at, sum, t.flat ? 0 : part, t.flat ? 1 + 2 * part : 2,
                     item.end - item.begin);
      const int64_t row0 = item.row + (t.flat ? 0 : part * 64);
      const int64_t column0 = item.column + (t.flat ? part * 128 : 0);
      Out own = out;
      own.select(item.group);
      float* to = partial == nullptr ? nullptr
                                     : partial + (int64_t{item.range} * t.groups + item.group) *
                                                     t.rows * t.columns;
      store_conv_rows(sum, ring->sums.rows[part], row0, column0, t.rows, t.columns, own, to);
    }
  }
#endif
}

}  // namespace tilegrad
