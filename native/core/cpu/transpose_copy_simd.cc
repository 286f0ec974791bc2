// Blocks of W x W elements are transposed in registers, W lanes of a vector; elements of 1 and 2 bytes in vectors of 16 bytes.
// Two to four rows or columns that lie side by side (colours of pixels) are woven or unwoven instead.
#include "core/cpu/simd.h"
#include "core/cpu/transpose.h"
#include "core/cpu/transpose_copy.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

// Columns of the result are N rows of the source: to[r * N + c].
template <class T, int N>
void weave(const T* __restrict from, int64_t stride, T* __restrict to, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < N; ++c) to[r * N + c] = from[c * stride + r];
  }
}

template <class T, int N>
void unweave(const T* __restrict from, T* __restrict to, int64_t stride, int64_t cols) {
  for (int64_t c = 0; c < cols; ++c) {
#pragma GCC unroll 4
    for (int r = 0; r < N; ++r) to[r * stride + c] = from[c * N + r];
  }
}

template <class T>
void each_element(const T* from, int64_t from_stride, T* to, int64_t to_stride, int64_t rows,
                  int64_t cols) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) to[r * to_stride + c] = from[c * from_stride + r];
}

// Lanes of one 128-bit vector.
template <class T>
constexpr int kShort = 16 / static_cast<int>(sizeof(T));

template <class T>
TG_SIMD void square_128(const T* from, int64_t from_stride, T* to, int64_t to_stride) {
  constexpr int W = kShort<T>;
  typedef T V __attribute__((vector_size(16)));
  V v[W], low, high;
#pragma GCC unroll 16
  for (int i = 0; i < W; ++i) {
    __builtin_memcpy(&v[i], from + i * from_stride, 16);
    low[i] = static_cast<T>(i / 2 + (i % 2) * W);
    high[i] = static_cast<T>(W / 2 + i / 2 + (i % 2) * W);
  }
  // Each pass interleaves row i with row i + W / 2: after log2(W) of them rows are columns.
#pragma GCC unroll 4
  for (int pass = 1; pass < W; pass *= 2) {
    V next[W];
#pragma GCC unroll 8
    for (int i = 0; i < W / 2; ++i) {
      next[2 * i] = __builtin_shuffle(v[i], v[i + W / 2], low);
      next[2 * i + 1] = __builtin_shuffle(v[i], v[i + W / 2], high);
    }
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i) v[i] = next[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < W; ++i) __builtin_memcpy(to + i * to_stride, &v[i], 16);
}

template <class T>
void squares_128(const T* from, int64_t from_stride, T* to, int64_t to_stride, int64_t rows,
                 int64_t cols) {
  constexpr int W = kShort<T>;
  const int64_t whole_rows = rows / W * W, whole_cols = cols / W * W;
  for (int64_t r = 0; r < whole_rows; r += W)
    for (int64_t c = 0; c < whole_cols; c += W)
      square_128(from + c * from_stride + r, from_stride, to + r * to_stride + c, to_stride);
  each_element(from + whole_cols * from_stride, from_stride, to + whole_cols, to_stride, whole_rows,
               cols - whole_cols);
  each_element(from + whole_rows, from_stride, to + whole_rows * to_stride, to_stride,
               rows - whole_rows, cols);
}

template <class T>
void squares(const T* from, int64_t from_stride, T* to, int64_t to_stride, int64_t rows,
             int64_t cols) {
  constexpr int W = kLanes<T>;
  for (int64_t r = 0; r < rows; r += W) {
    const int height = rows - r < W ? static_cast<int>(rows - r) : W;
    for (int64_t c = 0; c < cols; c += W) {
      const int width = cols - c < W ? static_cast<int>(cols - c) : W;
      const T* in = from + c * from_stride + r;
      T* out = to + r * to_stride + c;
      Vec<T> v[W];
      if (height == W && width == W) {
#pragma GCC unroll 16
        for (int i = 0; i < W; ++i) v[i] = load(in + i * from_stride);
        transpose<T>(v);
#pragma GCC unroll 16
        for (int i = 0; i < W; ++i) store<T>(out + i * to_stride, v[i]);
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < W; ++i)
          v[i] = i < width ? load_partial(in + i * from_stride, height) : zero<T>();
        transpose<T>(v);
#pragma GCC unroll 16
        for (int i = 0; i < W; ++i) {
          if (i < height) store_partial<T>(out + i * to_stride, v[i], width);
        }
      }
    }
  }
}

template <class T>
void transpose_elements(const TransposeBlock& b) {
  const T* from = static_cast<const T*>(b.from);
  T* to = static_cast<T*>(b.to);
  if (b.cols == b.to_stride) {
    if (b.cols == 2) return weave<T, 2>(from, b.from_stride, to, b.rows);
    if (b.cols == 3) return weave<T, 3>(from, b.from_stride, to, b.rows);
    if (b.cols == 4) return weave<T, 4>(from, b.from_stride, to, b.rows);
  }
  if (b.rows == b.from_stride) {
    if (b.rows == 2) return unweave<T, 2>(from, to, b.to_stride, b.cols);
    if (b.rows == 3) return unweave<T, 3>(from, to, b.to_stride, b.cols);
    if (b.rows == 4) return unweave<T, 4>(from, to, b.to_stride, b.cols);
  }
  if constexpr (sizeof(T) >= 4)
    squares(from, b.from_stride, to, b.to_stride, b.rows, b.cols);
  else
    squares_128(from, b.from_stride, to, b.to_stride, b.rows, b.cols);
}

}  // namespace

void transpose_copy(const TransposeBlock& block) {
  switch (block.size) {
    case 1:
      return transpose_elements<uint8_t>(block);
    case 2:
      return transpose_elements<uint16_t>(block);
    case 4:
      return transpose_elements<float>(block);
    default:
      return transpose_elements<double>(block);
  }
}

}  // namespace tilegrad::TILEGRAD_ISA
