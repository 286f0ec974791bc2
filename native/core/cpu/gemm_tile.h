// The register tile of every matrix product: MR rows by NV vectors of C stay in registers while k
// runs; per k it loads NV vectors of B and broadcasts MR values of A. For *_simd.cc files only.
#pragma once

#include "core/cpu/gemm_simd.h"
#include "core/cpu/simd.h"

namespace tilegrad::TILEGRAD_ISA {

// 32 registers: 9 x 3 accumulators, 3 of B, 2 of A: fewer loads per multiply-add than 14 x 2, and loads cost
// clock where the clock follows the power. 16 registers: 6 x 2 (with FMA) or 4 x 2.
#if defined(TILEGRAD_ISA_AVX512)
constexpr int kTileRows = 9, kTileVectors = 3;
#elif defined(TILEGRAD_ISA_NEON)
constexpr int kTileRows = 8, kTileVectors = 2;
#elif defined(TILEGRAD_ISA_AVX2)
constexpr int kTileRows = 6, kTileVectors = 2;
#else
constexpr int kTileRows = 4, kTileVectors = 2;
#endif
// Unpacked: taller, since rows of A and B that lie anywhere are read less often.
#if defined(TILEGRAD_ISA_AVX512)
constexpr int kSmallRows = 14, kSmallVectors = 2;
#else
constexpr int kSmallRows = kTileRows, kSmallVectors = kTileVectors;
#endif
template <class T>
constexpr int kTileCols = kTileVectors* kLanes<T>;
constexpr int kVectorsPerLine = 64 / kVectorBytes;

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
  const T* next;  // of the next panel of B: this tile brings next_pairs pairs of lines into L2
  int64_t next_pairs;
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

// Whole vectors without bias and ReLU: no branch per vector.
template <class T, int MR, int NV, bool Accumulate>
TG_SIMD void store_tile(const TileArgs<T>& t, const Vec<T> (&acc)[MR][NV]) {
  T* c = t.c;
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
      T* at = c + v * kLanes<T>;
      store<T>(at, Accumulate ? acc[i][v] + load<T>(at) : acc[i][v]);
    }
    c += t.c_row;
  }
}

template <class T, int MR, int NV>
TG_SIMD void finish_tile(const TileArgs<T>& t, const Vec<T> (&acc)[MR][NV]) {
  constexpr int W = kLanes<T>;
  const bool whole = t.last == W;
  if (whole && t.bias_row == nullptr && t.bias_col == nullptr && !t.relu) {
    return t.accumulate ? store_tile<T, MR, NV, true>(t, acc)
                        : store_tile<T, MR, NV, false>(t, acc);
  }
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

constexpr int kStep = 4;  // k per round of the loop; a round asks for at most a handful of lines

template <class T, int MR, int NV>
TG_SIMD void prefetch_row(const TileArgs<T>& t, int row) {
#pragma GCC unroll 4
  for (int v = 0; v < NV; v += kVectorsPerLine) {
    __builtin_prefetch(t.c + row * t.c_row + v * kLanes<T>, 1);
  }
}

// acc += A[k] B[k] for one k.
template <class T, int MR, int NV, bool Packed>
TG_SIMD void multiply_step(const TileArgs<T>& t, const T* a, const T* b, Vec<T> (&acc)[MR][NV]) {
  constexpr int W = kLanes<T>;
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
}

// A is [k][MR], rows of B hold whole vectors. The lines of C, of A some rounds on and of the next panel of
// B are asked for a few at a time: all at once they would fill the line buffers and hold
// up the loads of A.
template <class T, int MR, int NV>
TG_SIMD void multiply_packed(const TileArgs<T>& t, Vec<T> (&acc)[MR][NV]) {
  constexpr int kAhead = 32 * MR, kLine = 64 / sizeof(T);
  const T *a = t.a, *b = t.b, *next = t.next;
  const int64_t rounds = t.k / kStep;
  int64_t left = t.next_pairs;
  const auto round = [&]() __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int i = 0; i < kStep * MR; i += kLine) __builtin_prefetch(a + kAhead + i);
    if (left > 0) {
      __builtin_prefetch(next, 0, 2);
      __builtin_prefetch(next + kLine, 0, 2);
      next += 2 * kLine, --left;
    }
#pragma GCC unroll 4
    for (int p = 0; p < kStep; ++p) {
      multiply_step<T, MR, NV, true>(t, a + p * MR, b + p * kTileCols<T>, acc);
    }
    a += kStep * MR;
    b += kStep * kTileCols<T>;
  };
  const int spread = static_cast<int>(rounds < MR ? rounds : MR);
  for (int i = spread; i < MR; ++i) prefetch_row<T, MR, NV>(t, i);
#pragma GCC unroll 1
  for (int i = 0; i < spread; ++i) {
    prefetch_row<T, MR, NV>(t, i);
    round();
  }
#pragma GCC unroll 1
  for (int64_t r = spread; r < rounds; ++r) round();
  for (int64_t p = rounds * kStep; p < t.k; ++p) {
    multiply_step<T, MR, NV, true>(t, a, b, acc);
    a += MR;
    b += kTileCols<T>;
  }
}

// Packed, or A with strides and B where it lies: then only `last` lanes of its last vector are read.
template <class T, int MR, int NV, bool Packed>
__attribute__((noinline)) static void gemm_tile(const TileArgs<T>& t) {
  Vec<T> acc[MR][NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) acc[i][v] = Vec<T>{};
  }
  if constexpr (Packed) {
    multiply_packed<T, MR, NV>(t, acc);
  } else {
    const T *a = t.a, *b = t.b;
#pragma GCC unroll 2
    for (int64_t p = 0; p < t.k; ++p) {
      multiply_step<T, MR, NV, false>(t, a, b, acc);
      a += t.a_col;
      b += t.b_row;
    }
  }
  finish_tile<T, MR, NV>(t, acc);
}

template <class T>
using TileFunction = void (*)(const TileArgs<T>&);

template <class T, bool Packed, int MR = Packed ? kTileRows : kSmallRows>
static TileFunction<T> tile_function(int rows, int vectors) {
  constexpr int kMost = Packed ? kTileVectors : kSmallVectors;
  if (rows == MR) {
    if (vectors == 1) return gemm_tile<T, MR, 1, Packed>;
    return vectors == 2 ? gemm_tile<T, MR, 2, Packed> : gemm_tile<T, MR, kMost, Packed>;
  }
  if constexpr (MR > 1) return tile_function<T, Packed, MR - 1>(rows, vectors);
  return nullptr;
}

}  // namespace tilegrad::TILEGRAD_ISA
