// The product of bf16 by AMX tiles: what its blocking (bf16_amx.cc) asks of its kernels (bf16_amx_simd.cc).
//
// A tile register holds 16 rows of 64 bytes: of A 16 rows and 32 neighbours along k as they lie in memory; of B 16 columns,
// pairs of neighbours along k side by side, so that row r holds k = 2 r and 2 r + 1. A block is 32 along k. Sums are f32;
// subnormal numbers count as 0, in operands and in sums.
#pragma once

#include "core/cpu/amx.h"
#include "core/cpu/gemm.h"

namespace tilegrad {

inline constexpr int kBf16Depth = 32;                    // of a tile, along k
inline constexpr int kBf16Tile = kAmxRows * kBf16Depth;  // elements
inline constexpr int kBf16Cols = 32;                     // of a panel of B: two tiles

// True if the product goes by tiles, at these sizes.
bool bf16_amx_serves(const Gemm<float, bf16>& g);
void gemm_bf16_amx(const Gemm<float, bf16>& g);

#if defined(__x86_64__)
namespace avx512 {

// Whole blocks of 16 rows of A: block b of row r at data + r * stride + b * step; the block behind them, if k leaves a rest,
// at `rest`, whose rows are kBf16Depth apart and filled up with zeros.
struct Bf16Rows {
  const uint16_t* data;
  int64_t stride, step;
  const uint16_t* rest;
};

struct Bf16Tile {
  const Bf16Rows* a;  // one or two
  int row_tiles;
  int64_t first, blocks;  // of A
  bool rest;              // the block behind them too
  const uint16_t* b;      // a panel, from block `first` on
  bool accumulate;
  float* c;  // (16 row_tiles, 32)
  int64_t c_row;
};

void bf16_amx_multiply(const Bf16Tile& t);

// `width` rows of A or columns of B, up to 16, and `depth` of k; zeros beyond.
struct Bf16Pack {
  uint16_t* out;  // [blocks][16][32], a block each `step` elements
  int64_t step;
  const uint16_t* in;
  int64_t width_stride, depth_stride;
  int64_t depth;
  int width;
};
void bf16_amx_pack_a(const Bf16Pack& p);
void bf16_amx_pack_b(const Bf16Pack& p);

// What follows the sums of a tile (rows, cols).
struct Bf16Finish {
  float* c;
  int64_t c_row;
  int rows, cols;
  const float* bias_row;  // or null
  const float* bias_col;  // or null
  const float* residual;  // with the strides of C, or null
  Activation activation;
};
void bf16_amx_finish(const Bf16Finish& f);

}  // namespace avx512
#endif

}  // namespace tilegrad
