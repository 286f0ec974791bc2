// The register tile of every matrix product: MR rows by NV vectors of C stay in registers while k
// runs; per k it loads NV vectors of B and broadcasts MR values of A. For *_simd.cc files only.
#pragma once

#include "core/cpu/gemm_simd.h"
#include "core/cpu/simd.h"

namespace tilegrad::TILEGRAD_ISA {

// 32 registers: 14 x 2 accumulators, 2 of B, 1 of A. 16 registers: 6 x 2 (with FMA) or 4 x 2.
#if defined(TILEGRAD_ISA_AVX512)
constexpr int kTileRows = 14, kTileVectors = 2;
#elif defined(TILEGRAD_ISA_NEON)
constexpr int kTileRows = 8, kTileVectors = 2;
#elif defined(TILEGRAD_ISA_AVX2)
constexpr int kTileRows = 6, kTileVectors = 2;
#else
constexpr int kTileRows = 4, kTileVectors = 2;
#endif
template <class T>
constexpr int kTileCols = kTileVectors* kLanes<T>;

template <class T>
struct TileArgs {
  int64_t k;
  const T* a;  // packed: [k][MR]; else a_row, a_col
  int64_t a_row, a_col;
  const T* b;  // row p at b + p * b_row
  int64_t b_row;
  T* c;
  int64_t c_row;
  int last;  // columns of the last vector that exist, 1..lanes
  bool accumulate, relu;
  const T* bias_row;
  const T* bias_col;
};

// Adds what the epilogue asks for and writes one vector of C.
template <class T, bool Partial>
TG_SIMD void finish_vector(const TileArgs<T>& t, Vec<T> sum, int row, int col) {
  const auto read = [&](const T* p) __attribute__((always_inline)) {
    return Partial ? load_partial<T>(p, t.last) : load<T>(p);
  };
  T* c = t.c + row * t.c_row + col;
  if (t.accumulate) sum += read(c);
  if (t.bias_row != nullptr) sum += broadcast<T>(t.bias_row[row]);
  if (t.bias_col != nullptr) sum += read(t.bias_col + col);
  if (t.relu) sum = relu<T>(sum);
  if constexpr (Partial) {
    store_partial<T>(c, sum, t.last);
  } else {
    store<T>(c, sum);
  }
}

template <class T, int MR, int NV>
TG_SIMD void finish_tile(const TileArgs<T>& t, const Vec<T> (&acc)[MR][NV]) {
  constexpr int W = kLanes<T>;
  const bool whole = t.last == W;
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
      if (v < NV - 1 || whole) {
        finish_vector<T, false>(t, acc[i][v], i, v * W);
      } else {
        finish_vector<T, true>(t, acc[i][v], i, v * W);
      }
    }
  }
}

// Packed: A is [k][MR], B rows hold whole vectors. Otherwise A has strides, and only `last` lanes of
// the last vector of B are read.
template <class T, int MR, int NV, bool Packed>
__attribute__((noinline)) static void gemm_tile(const TileArgs<T>& t) {
  constexpr int W = kLanes<T>;
  Vec<T> acc[MR][NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
      acc[i][v] = Vec<T>{};
      __builtin_prefetch(t.c + i * t.c_row + v * W, 1);
    }
  }
  const T* a = t.a;
  const T* b = t.b;
  const int64_t b_row = Packed ? kTileCols<T> : t.b_row;
#pragma GCC unroll 2
  for (int64_t p = 0; p < t.k; ++p) {
    Vec<T> bv[NV];
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
      bv[v] = Packed || v < NV - 1 ? load<T>(b + v * W) : load_partial<T>(b + v * W, t.last);
    }
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      const Vec<T> av = broadcast<T>(Packed ? a[i] : a[i * t.a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) acc[i][v] += av * bv[v];
    }
    a += Packed ? MR : t.a_col;
    b += b_row;
  }
  finish_tile<T, MR, NV>(t, acc);
}

template <class T>
using TileFunction = void (*)(const TileArgs<T>&);

template <class T, bool Packed, int MR = kTileRows>
static TileFunction<T> tile_function(int rows, int vectors) {
  if (rows == MR) return vectors == 1 ? gemm_tile<T, MR, 1, Packed> : gemm_tile<T, MR, 2, Packed>;
  if constexpr (MR > 1) return tile_function<T, Packed, MR - 1>(rows, vectors);
  return nullptr;
}

}  // namespace tilegrad::TILEGRAD_ISA
