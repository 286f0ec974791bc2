// The product of bytes by AMX tiles: what its blocking (int8_amx.cc) asks of its kernels (int8_amx_simd.cc).
//
// A tile register holds 16 rows of 64 bytes. Of A it takes 16 rows and 64 neighbours along k as they lie in memory; of B 16
// columns, each group of 4 neighbours along k side by side, so that row r holds k = 4 r to 4 r + 3. A block is 64 along k.
// Bytes are taken signed or unsigned as they are, so nothing is shifted, and sums are exact modulo 2^32.
#pragma once

#include "core/cpu/amx.h"
#include "core/cpu/int8_gemm.h"

namespace tilegrad {

inline constexpr int kAmxDepth = kAmxRowBytes;         // of a tile, in bytes
inline constexpr int kAmxTile = kAmxRows * kAmxDepth;  // bytes
inline constexpr int kAmxCols = 32;                    // of a panel of B: two tiles
inline constexpr int kAmxPanelStep = 2 * kAmxTile;     // bytes of a panel per block

// True if int8_gemm goes by tiles, at these sizes.
bool int8_amx_serves(const Int8Gemm& g);
void int8_gemm_amx(const Int8Gemm& g);

#if defined(__x86_64__)
namespace avx512 {

// Whole blocks of 16 rows of A: block b of row r at data + r * stride + b * step; the block behind them, if k leaves a rest,
// at `rest`, whose rows are 64 bytes apart and filled up with zeros.
struct AmxRows {
  const uint8_t* data;
  int64_t stride, step;
  const uint8_t* rest;
};

struct AmxTile {
  const AmxRows* a;  // one or two
  int row_tiles;
  const uint8_t* b;  // a panel
  int64_t blocks;    // whole ones
  bool rest;
  bool accumulate;
  int32_t* c;  // (16 row_tiles, 32)
  int64_t c_row;
};

// One of 1 or 2 by 2 tiles.
using AmxMultiply = void (*)(const AmxTile& t);
AmxMultiply amx_multiply(bool a_signed, bool b_signed);

// Signed A times B in planes: plane g holds the groups g of all columns side by side. A step takes the next tiles of A and 16
// planes of B, which need no alignment.
struct AmxPlanes {
  const uint8_t* a;  // [steps][row_tiles][16][64]
  int row_tiles;     // 1 or 2
  const uint32_t* b;
  const int64_t* offsets;  // of the steps, in groups
  int64_t pitch;           // of the planes, in groups
  int64_t steps;
  bool b_signed;
  int col_tiles;  // 1 or 2
  int32_t* c;     // (16 row_tiles, 16 col_tiles)
  int64_t c_row;
};
void amx_multiply_planes(const AmxPlanes& p);

// One or two panels of B: up to 64 columns of `depth`, zeros beyond, and the sums of the columns.
struct AmxPackB {
  uint8_t* out;   // [blocks][2][16][64]
  int64_t panel;  // distance of the second from the first
  const uint8_t* in;
  int64_t row, col;  // strides of `in`
  int64_t depth;
  int cols;
  bool is_signed;
  int32_t* sums;  // (64), written in steps of 16
};
void amx_pack_b(const AmxPackB& p);

// Rows of A as a tile takes them: 16 rows of `depth`, zeros beyond `rows` and `depth`.
struct AmxPackA {
  uint8_t* out;  // [blocks][16][64]
  const uint8_t* in;
  int64_t row, col;
  int64_t depth;
  int rows;
};
void amx_pack_a(const AmxPackA& p);

// The sum of `depth` neighbours.
int32_t amx_row_sum(const uint8_t* row, int64_t depth, bool is_signed);

}  // namespace avx512
#endif

}  // namespace tilegrad
