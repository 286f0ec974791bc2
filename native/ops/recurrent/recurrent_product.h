// The products of a step of a recurrent layer: states (rows, H) with a packed weight. A tile of a few rows and
// one slice of units keeps the sums of all its gates in registers while k runs, and hands them to the gates: sums never lie in
// memory beyond the stack. Each sum is one chain along k whatever the tile, so rows and slices may be cut anywhere. For
// *_simd.cc files only.
#pragma once

#include "core/cpu/gemm_tile.h"
#include "ops/recurrent/recurrent_simd.h"

namespace tilegrad::TILEGRAD_ISA {

// Vectors of a slice: a GRU's three gates of one vector of units, an LSTM's four, or four vectors of units.
template <RecurrentCell C>
constexpr int kSliceVectors = gates_of(C) == 3 ? 3 : 4;
template <RecurrentCell C, class T>
constexpr int kSliceUnits = gates_of(C) > 1 ? kLanes<T> : kSliceVectors<C>* kLanes<T>;

// Rows of a tile, so that its sums, a row of the slice and one state fit the registers.
#if defined(TILEGRAD_ISA_AVX512) || defined(TILEGRAD_ISA_NEON)
constexpr int kStateSums = 24;
#elif defined(TILEGRAD_ISA_AVX2)
constexpr int kStateSums = 12;
#else
constexpr int kStateSums = 8;
#endif

TG_SIMD void pack_panel(const PackPanel<float>& p) { pack_panel_f32(p); }
TG_SIMD void pack_panel(const PackPanel<double>& p) { pack_panel_f64(p); }

template <class T, RecurrentCell C>
void pack_slices(const T* weight, int64_t hidden, int64_t first, int64_t last, T* packed) {
  constexpr int W = kLanes<T>, NV = kSliceVectors<C>;
  constexpr int64_t kRun = 64;
  alignas(64) T panel[kRun * W];
  for (int64_t slice = first; slice < last; ++slice) {
    for (int j = 0; j < NV; ++j) {
      const int64_t unit = slice * kSliceUnits<C, T> + (gates_of(C) > 1 ? 0 : j * W);
      const int width = static_cast<int>(hidden - unit < W ? hidden - unit : W);
      const T* rows = weight + ((gates_of(C) > 1 ? j * hidden : 0) + unit) * hidden;
      for (int64_t k = 0; k < hidden; k += kRun) {
        const int64_t depth = hidden - k < kRun ? hidden - k : kRun;
        if (width > 0) pack_panel({panel, W, width, depth, rows + k, hidden, 1});
        T* out = packed + ((slice * hidden + k) * NV + j) * W;
        for (int64_t p = 0; p < depth; ++p)
          store<T>(out + p * NV * W, width > 0 ? load<T>(panel + p * W) : Vec<T>{});
      }
    }
  }
}

// sums (M, V, NV vectors) of M rows from `row` and V slices from `slice`.
template <class T, int NV, int M, int V>
__attribute__((noinline)) void state_product(const RecurrentStep<T>& s, int64_t row, int64_t slice,
                                             T* sums) {
  constexpr int W = kLanes<T>, kThrees = (M + 2) / 3;
  const int64_t stride = s.hidden, stride_bytes = stride * static_cast<int64_t>(sizeof(T));
  const T *a[kThrees], *b[V];
#pragma GCC unroll 8
  for (int i = 0; i < kThrees; ++i) a[i] = s.h + (row + 3 * i) * stride;
#pragma GCC unroll 2
  for (int v = 0; v < V; ++v) b[v] = s.weight + (slice + v) * stride * NV * W;
  Vec<T> acc[M][V * NV] = {};
  const auto multiply = [&](auto number) __attribute__((always_inline)) {
    constexpr int p = decltype(number)::kValue;
    const auto weights = [&](int j) __attribute__((always_inline)) {
      return load<T>(b[j / NV] + (p * NV + j % NV) * W);
    };
    Vec<T> bv[V * NV];
#pragma GCC unroll 8
    for (int j = 0; j < V * NV && M > 1; ++j) bv[j] = weights(j);
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) {
      const Vec<T> av =
          broadcast_row<p* static_cast<int>(sizeof(T))>(a[i / 3], stride_bytes, i % 3);
#pragma GCC unroll 8
      for (int j = 0; j < V * NV; ++j) multiply_add<T>(acc[i][j], av, M > 1 ? bv[j] : weights(j));
    }
  };
  const auto advance = [&](int steps) __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int i = 0; i < kThrees; ++i) {
      a[i] += steps;
      keep_address(a[i]);
    }
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) b[v] += steps * NV * W;
  };
  int64_t k = 0;
  for (; k + 4 <= s.hidden; k += 4) {
    multiply(Number<0>{}), multiply(Number<1>{}), multiply(Number<2>{}), multiply(Number<3>{});
    advance(4);
  }
  for (; k < s.hidden; ++k) {
    multiply(Number<0>{});
    advance(1);
  }
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < V * NV; ++j) store<T>(sums + (i * V * NV + j) * W, acc[i][j]);
  }
}

// The gates of `units` units of a row; gate g has its sums at sums + g * pitch.
template <class T>
using CloseGates = void (*)(const RecurrentStep<T>& s, int64_t row, int64_t unit, int64_t units,
                            const T* sums, int64_t pitch);

template <class T, int NV, int M, int V>
TG_SIMD void product_of(const RecurrentStep<T>& s, int64_t rows, int64_t row, int64_t slice,
                        T* sums) {
  if (rows == M) return state_product<T, NV, M, V>(s, row, slice, sums);
  if constexpr (M > 1) product_of<T, NV, M - 1, V>(s, rows, row, slice, sums);
}

// What the gates will read lies a line here and a line there, which no processor foresees.
template <class T, RecurrentCell C>
TG_SIMD void prefetch_gates(const RecurrentStep<T>& s, int64_t row, int64_t unit) {
  constexpr int G = gates_of(C);
  const T* x = s.x + row * G * s.hidden + unit;
#pragma GCC unroll 4
  for (int g = 0; g < G; ++g) __builtin_prefetch(x + g * s.hidden);
  if constexpr (C == RecurrentCell::lstm) __builtin_prefetch(s.c + row * s.hidden + unit);
}

// Few rows take two slices at a time: the sums of one would wait for one another.
template <class T, RecurrentCell C>
TG_SIMD void take_step(const RecurrentStep<T>& s, CloseGates<T> close) {
  constexpr int W = kLanes<T>, NV = kSliceVectors<C>, kMost = kStateSums / NV,
                kPair = kMost > 3 ? kMost / 3 : 1, kUnits = kSliceUnits<C, T>;
  alignas(64) T sums[kStateSums * W];
  const int64_t groups = (s.rows + kMost - 1) / kMost, even = s.rows / groups,
                taller = s.rows % groups;
  for (int64_t slice = s.first; slice < s.last;) {
    const int slices = even + (taller > 0) <= kPair && slice + 1 < s.last ? 2 : 1;
    int64_t row = 0;
    for (int64_t group = 0; group < groups; ++group) {
      const int64_t rows = even + (group < taller);
      for (int64_t i = 0; i < rows * slices; ++i)
        prefetch_gates<T, C>(s, row + i / slices, (slice + i % slices) * kUnits);
      if (slices == 2) {
        product_of<T, NV, kPair, 2>(s, rows, row, slice, sums);
      } else {
        product_of<T, NV, kMost, 1>(s, rows, row, slice, sums);
      }
      for (int64_t i = 0; i < rows * slices; ++i) {
        const int64_t unit = (slice + i % slices) * kUnits;
        close(s, row + i / slices, unit, s.hidden - unit < kUnits ? s.hidden - unit : kUnits,
              sums + i * NV * W, W);
      }
      row += rows;
    }
    slice += slices;
  }
}

}  // namespace tilegrad::TILEGRAD_ISA
