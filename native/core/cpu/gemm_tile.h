// The register tile of every matrix product: MR rows by NV vectors of C stay in registers while k
// runs; per k it loads NV vectors of B and broadcasts MR values of A. For *_simd.cc files only.
#pragma once

#include "core/cpu/activate_simd.h"
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

// Where a tile finds its operands. A: packed as [k][MR]; or rows or columns where they lie.
// B: a packed panel; rows where they lie; or such rows that are packed on the way, for the tiles to come.
enum class TileA { packed, rows, columns };
enum class TileB { panel, rows, fill };

template <class T>
struct TileArgs {
  int64_t k;
  const T* a;
  int64_t a_stride;  // between rows, or between columns
  const T* b;        // row p of the panel at b + p * kTileCols
  T* fill;           // the same panel, to be filled
  const T* b_rows;   // row p at b_rows + p * b_row
  int64_t b_row;
  T* c;
  int64_t c_row;
  int last;  // columns of the last vector that exist, 1..lanes
  bool accumulate, relu;
  const T* bias_row;
  const T* bias_col;
  const T* residual;  // where it meets c, or null
  const T*
      next;  // rows, next_row apart, that later tiles will read: this one brings next_rows of them into L2
  int64_t next_row, next_rows;
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
  if (t.residual != nullptr) sum += read(t.residual + row * t.c_row + col);
  if (t.relu) sum = relu<T>(sum);
  if constexpr (Partial) {
    store_partial<T>(c, sum, t.last);
  } else {
    store<T>(c, sum);
  }
}

// Without an epilogue: no branch per vector.
template <class T, int MR, int NV, bool Accumulate, bool Whole>
TG_SIMD void store_tile(const TileArgs<T>& t, const Vec<T> (&acc)[MR][NV]) {
  T* c = t.c;
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
      T* at = c + v * kLanes<T>;
      if (Whole || v < NV - 1) {
        store<T>(at, Accumulate ? acc[i][v] + load<T>(at) : acc[i][v]);
      } else {
        store_partial<T>(at, Accumulate ? acc[i][v] + load_partial<T>(at, t.last) : acc[i][v],
                         t.last);
      }
    }
    c += t.c_row;
  }
}

template <class T, int MR, int NV>
TG_SIMD void finish_tile(const TileArgs<T>& t, const Vec<T> (&acc)[MR][NV]) {
  constexpr int W = kLanes<T>;
  const bool whole = t.last == W;
  if (t.bias_row == nullptr && t.bias_col == nullptr && t.residual == nullptr && !t.relu) {
    if (!whole) {
      return t.accumulate ? store_tile<T, MR, NV, true, false>(t, acc)
                          : store_tile<T, MR, NV, false, false>(t, acc);
    }
    return t.accumulate ? store_tile<T, MR, NV, true, true>(t, acc)
                        : store_tile<T, MR, NV, false, true>(t, acc);
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

constexpr int kStep = 4;  // k per round of the loop

template <int N>
struct Number {
  static constexpr int kValue = N;
};

template <class T, int NV>
TG_SIMD void prefetch_row(const T* c) {
#pragma GCC unroll 4
  for (int v = 0; v < NV; v += kVectorsPerLine) __builtin_prefetch(c + v * kLanes<T>, 1);
}

template <class T, int NV>
TG_SIMD void prefetch_next(const T* next) {
#pragma GCC unroll 4
  for (int v = 0; v < NV; v += kVectorsPerLine) __builtin_prefetch(next + v * kLanes<T>, 0, 2);
}

// sum += a * b in the order of the source and without a copy of the sum: left to itself the compiler brings operands of
// later steps forward and spills sums.
template <class T>
TG_SIMD void multiply_add(Vec<T>& sum, Vec<T> a, Vec<T> b) {
#if defined(TILEGRAD_ISA_AVX512) || defined(TILEGRAD_ISA_AVX2)
  if constexpr (sizeof(T) == 4) {
    asm volatile("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  } else {
    asm volatile("vfmadd231pd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  }
#else
  sum += a * b;
#endif
}

// The element `kOffset` bytes into row 0, 1 or 2 from `base`. Left to itself the compiler keeps a sum of stride and offset
// for each of them, more than there are registers.
#if defined(TILEGRAD_ISA_AVX512) || defined(TILEGRAD_ISA_AVX2)
// The elements from `base` that the assembly is said to read, so that writes of packed rows stay before it: any bound above
// what panels hold. (Clang takes no array without one.)
inline constexpr int64_t kReach = int64_t{1} << 24;
template <int kOffset>
TG_SIMD VecF32 broadcast_row(const float* base, int64_t row_bytes, int row) {
  VecF32 v;
  const auto& read = *reinterpret_cast<const float(*)[kReach]>(base);
  if (row == 0) {
    asm volatile("vbroadcastss %c2(%1), %0" : "=v"(v) : "r"(base), "i"(kOffset), "m"(read));
  } else if (row == 1) {
    asm volatile("vbroadcastss %c2(%1,%3), %0"
                 : "=v"(v)
                 : "r"(base), "i"(kOffset), "r"(row_bytes), "m"(read));
  } else {
    asm volatile("vbroadcastss %c2(%1,%3,2), %0"
                 : "=v"(v)
                 : "r"(base), "i"(kOffset), "r"(row_bytes), "m"(read));
  }
  return v;
}
template <int kOffset>
TG_SIMD VecF64 broadcast_row(const double* base, int64_t row_bytes, int row) {
  VecF64 v;
  const auto& read = *reinterpret_cast<const double(*)[kReach]>(base);
  if (row == 0) {
    asm volatile("vbroadcastsd %c2(%1), %0" : "=v"(v) : "r"(base), "i"(kOffset), "m"(read));
  } else if (row == 1) {
    asm volatile("vbroadcastsd %c2(%1,%3), %0"
                 : "=v"(v)
                 : "r"(base), "i"(kOffset), "r"(row_bytes), "m"(read));
  } else {
    asm volatile("vbroadcastsd %c2(%1,%3,2), %0"
                 : "=v"(v)
                 : "r"(base), "i"(kOffset), "r"(row_bytes), "m"(read));
  }
  return v;
}
#else
template <int kOffset, class T>
TG_SIMD Vec<T> broadcast_row(const T* base, int64_t row_bytes, int row) {
  constexpr int kSize = sizeof(T);
  return broadcast<T>(base[row * (row_bytes / kSize) + kOffset / kSize]);
}
#endif

// acc += A B over k. Lines of C, of rows of B that are being packed and of what `next` names are asked for a few at a
// time: all at once they would fill the line buffers and hold up the loads. Those of C first, since they may come from
// memory; with AVX-512, whose last steps take long enough for that, last, since a deep panel of B would evict them again.
#if defined(TILEGRAD_ISA_AVX512)
constexpr bool kAsksForCLast = true;
#else
constexpr bool kAsksForCLast = false;
#endif
template <class T, int MR, int NV, TileA A, TileB B>
TG_SIMD void multiply(const TileArgs<T>& t, Vec<T> (&acc)[MR][NV]) {
  constexpr int W = kLanes<T>, kCols = kTileCols<T>;
  constexpr bool kRows = A == TileA::rows;
  // Rows of A by threes: the stride gives the addresses of the second and third of each three.
  constexpr int kThrees = kRows ? (MR + 2) / 3 : 1;
  const T* a[kThrees];
#pragma GCC unroll 8
  for (int i = 0; i < kThrees; ++i) a[i] = t.a + 3 * i * t.a_stride;
  const T *b = t.b, *rows = t.b_rows;
  T* fill = t.fill;
  const auto advance = [&](int64_t by) __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int i = 0; i < kThrees; ++i) {
      a[i] += by;
      keep_address(a[i]);
    }
  };
  const int64_t stride = t.a_stride, stride_bytes = stride * static_cast<int64_t>(sizeof(T));
  const auto step = [&](auto number, auto masked) __attribute__((always_inline)) {
    constexpr int p = decltype(number)::kValue;
    Vec<T> bv[NV];
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
      if constexpr (B == TileB::panel) {
        bv[v] = load<T>(b + p * kCols + v * W);
      } else {
        const bool part = decltype(masked)::kValue != 0 && v == NV - 1;
        bv[v] = part ? load_partial<T>(rows + v * W, t.last) : load<T>(rows + v * W);
        if constexpr (B == TileB::fill) {
          __builtin_prefetch(rows + 8 * t.b_row + v * W);
          store<T>(fill + p * kCols + v * W, bv[v]);
        }
      }
    }
    if constexpr (B != TileB::panel) rows += t.b_row;
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      Vec<T> av;
      if constexpr (kRows) {
        av = broadcast_row<p* static_cast<int>(sizeof(T))>(a[i / 3], stride_bytes, i % 3);
      } else {
        av = broadcast<T>(a[0][A == TileA::packed ? p * MR + i : i]);
      }
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) multiply_add<T>(acc[i][v], av, bv[v]);
    }
    if constexpr (A == TileA::columns) advance(stride);
  };
  const auto end_steps = [&](int steps) __attribute__((always_inline)) {
    if constexpr (A != TileA::columns) advance(kRows ? steps : steps * MR);
    b += steps * kCols;
    if (!kRows) keep_address(b);
    fill += steps * kCols;
  };
  // A masked load takes a port of the multiply-adds. So rows of B are read in whole vectors, whatever follows them, but for
  // the last few, whose ends may be the end of the memory.
  const bool whole = B == TileB::panel || t.last == W;
  const int64_t masked = whole ? 0 : t.b_row * kStep >= W ? kStep : t.k;
  const int64_t rounds = t.k > masked ? (t.k - masked) / kStep : 0;
  for (int64_t i = rounds; i < MR; ++i) prefetch_row<T, NV>(t.c + i * t.c_row);
  // `count` rounds that ask for one row each, in cache 1 or 2, or for none. No condition within: what takes a port of the
  // multiply-adds shows. Packed rows of A are not asked for, they come in order by themselves.
  const auto run = [&](int64_t count, const T* at, int64_t row, auto level)
      __attribute__((always_inline)) {
    constexpr int kLevel = decltype(level)::kValue;
    if (kLevel > 0) keep_address(at);
#pragma GCC unroll 1
    for (; count > 0; --count) {
      if constexpr (kLevel == 1) prefetch_row<T, NV>(at);
      if constexpr (kLevel == 2) prefetch_next<T, NV>(at);
      step(Number<0>{}, Number<0>{}), step(Number<1>{}, Number<0>{});
      step(Number<2>{}, Number<0>{}), step(Number<3>{}, Number<0>{});
      if (kLevel > 0) at += row;
      end_steps(kStep);
    }
  };
  const int64_t of_c = rounds < MR ? rounds : MR;
  const int64_t of_next = rounds - of_c < t.next_rows ? rounds - of_c : t.next_rows;
  if constexpr (!kAsksForCLast) run(of_c, t.c, t.c_row, Number<1>{});
  run(of_next, t.next, t.next_row, Number<2>{});
  run(rounds - of_c - of_next, t.c, 0, Number<0>{});
  if constexpr (kAsksForCLast) run(of_c, t.c, t.c_row, Number<1>{});
#pragma GCC unroll 1
  for (int64_t p = rounds * kStep; p < t.k; ++p) {
    step(Number<0>{}, Number<1>{});
    end_steps(1);
  }
}

template <class T, int MR, int NV, TileA A, TileB B>
__attribute__((noinline)) static void gemm_tile(const TileArgs<T>& t) {
  Vec<T> acc[MR][NV];
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) acc[i][v] = Vec<T>{};
  }
  multiply<T, MR, NV, A, B>(t, acc);
  finish_tile<T, MR, NV>(t, acc);
}

template <class T>
using TileFunction = void (*)(const TileArgs<T>&);

// The activation of a tile (rows, cols) of C that was just written and lies in L1.
TG_SIMD void activate_tile(const TileArgs<float>& t, int64_t rows, int cols, Activation a) {
  if (is_curved(a)) activate_rows_f32(t.c, t.c_row, rows, cols, a);
}
TG_SIMD void activate_tile(const TileArgs<double>& t, int64_t rows, int cols, Activation a) {
  if (is_curved(a)) activate_rows_f64(t.c, t.c_row, rows, cols, a);
}

template <class T, TileA A, TileB B, int MR = B == TileB::rows ? kSmallRows : kTileRows>
static TileFunction<T> tile_function(int rows, int vectors) {
  constexpr int kMost = B == TileB::rows ? kSmallVectors : kTileVectors;
  if (rows == MR) {
    if (vectors == 1) return gemm_tile<T, MR, 1, A, B>;
    return vectors == 2 ? gemm_tile<T, MR, 2, A, B> : gemm_tile<T, MR, kMost, A, B>;
  }
  if constexpr (MR > 1) return tile_function<T, A, B, MR - 1>(rows, vectors);
  return nullptr;
}

}  // namespace tilegrad::TILEGRAD_ISA
