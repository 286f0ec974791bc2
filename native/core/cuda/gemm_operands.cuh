// What the matrix product kernels share: operands with any strides, batches, the epilogue, and a split depth.
#pragma once

#include <cstdint>

#include "core/cpu/gemm.h"
#include "core/cuda/ptx.cuh"
#include "core/math_activations.h"

namespace tilegrad::cuda {

// Batches are numbered row-major over their dimensions.
__device__ inline int64_t batch_offset(const GemmBatch& batch, int64_t index,
                                       const int64_t (&strides)[8]) {
  int64_t offset = 0;
  for (int d = batch.rank - 1; d >= 0; d--) {
    offset += index % batch.size[d] * strides[d];
    index /= batch.size[d];
  }
  return offset;
}

inline int64_t batch_count(const GemmBatch& batch) {
  int64_t count = 1;
  for (int d = 0; d < batch.rank; d++) count *= batch.size[d];
  return count;
}

// A NaN survives.
template <class Sum>
__device__ Sum activated(Activation activation, Sum x) {
  switch (activation) {
    case Activation::relu:
      return x < Sum(0) ? Sum(0) : x;
    case Activation::gelu:
      return gelu(x);
    case Activation::gelu_tanh:
      return gelu_tanh(x);
    case Activation::silu:
      return silu(x);
    default:
      return x;
  }
}

// C[row, column] from its sum: what it held, bias, residual, activation, then the rounding to T. Activations are long:
// kernels do not unroll this over their sums, but go by way of shared memory.
template <class T, class Sum>
__device__ T finish(const Gemm<T>& g, int64_t row, int64_t column, Sum sum, T before, T residual) {
  if (g.accumulate) sum += static_cast<Sum>(before);
  if (g.bias_axis == BiasAxis::row) sum += static_cast<Sum>(g.bias[row]);
  if (g.bias_axis == BiasAxis::col) sum += static_cast<Sum>(g.bias[column]);
  if (g.residual != nullptr) sum += static_cast<Sum>(residual);
  return static_cast<T>(activated(g.activation, sum));
}
template <class T, class Sum>
__device__ void store_result(const Gemm<T>& g, T* c, int64_t row, int64_t column, Sum sum) {
  const int64_t at = row * g.c_row + column;
  const T residual = g.residual != nullptr ? g.residual[c - g.c + at] : T{};
  c[at] = finish(g, row, column, sum, g.accumulate ? c[at] : T{}, residual);
}

// The same for two neighbours; written at once where `paired` says that pairs are aligned.
template <class T, class Sum>
__device__ void store_pair(const Gemm<T>& g, T* c, int64_t row, int64_t column, Sum first,
                           Sum second, bool paired) {
  if (row >= g.m || column >= g.n) return;
  if (!paired || column + 1 == g.n) {
    store_result(g, c, row, column, first);
    if (column + 1 < g.n) store_result(g, c, row, column + 1, second);
    return;
  }
  struct alignas(2 * sizeof(T)) Pair {
    T values[2];
  };
  const int64_t at = row * g.c_row + column;
  auto* out = reinterpret_cast<Pair*>(c + at);
  const Pair before = g.accumulate ? *out : Pair{};
  Pair residual = {};
  if (g.residual != nullptr) residual = *reinterpret_cast<const Pair*>(g.residual + (c - g.c) + at);
  *out = {{finish(g, row, column, first, before.values[0], residual.values[0]),
           finish(g, row, column + 1, second, before.values[1], residual.values[1])}};
}

// Pairs of neighbours in C and in the residual start on twice their size.
template <class T>
bool stores_pairs(const Gemm<T>& g, const GemmBatch& batch) {
  bool paired = reinterpret_cast<uintptr_t>(g.c) % (2 * sizeof(T)) == 0 &&
                reinterpret_cast<uintptr_t>(g.residual) % (2 * sizeof(T)) == 0 && g.c_row % 2 == 0;
  for (int d = 0; d < batch.rank; d++) paired = paired && batch.c_stride[d] % 2 == 0;
  return paired;
}

// Adds the partial sums of a split depth in order; those of a range are (batch, m, n).
template <class T, class Sum>
__global__ void __launch_bounds__(256)
    add_ranges(const Sum* __restrict__ partial, const Gemm<T> g, const GemmBatch batch,
               int64_t numel, int ranges) {
  const int64_t matrix = g.m * g.n;
  for (int64_t i = int64_t{blockIdx.x} * 256 + threadIdx.x; i < numel;
       i += int64_t{256} * gridDim.x) {
    Sum sum = 0;
    for (int range = 0; range < ranges; range++) sum += partial[range * numel + i];
    const int64_t index = i / matrix, at = i - index * matrix, row = at / g.n;
    store_result(g, g.c + batch_offset(batch, index, batch.c_stride), row, at - row * g.n, sum);
  }
}

// A matrix of any strides as an operand of a tile product: chunks of 16 bytes where they are aligned and inside, else
// element by element. `line` and `k` count rows of A, or columns of B, and places of K.
template <class E, bool AlongK>
struct StridedOperand {
  static constexpr bool kAlongK = AlongK;
  static constexpr int kPer = 16 / static_cast<int>(sizeof(E));
  const E* data;
  int64_t line_stride, k_stride, lines;
  bool vectors;  // elements of a chunk are neighbours, every chunk starts on 16 bytes

  struct Line {
    int index, count;
  };
  using Step = Line;
  template <class I>
  __device__ static int inside(I first, I end, int most) {
    return first >= end ? 0 : end - first < most ? static_cast<int>(end - first) : most;
  }
  __device__ Line line(int64_t index) const {
    const int count = inside(index, lines, AlongK ? 1 : kPer);
    return {count > 0 ? static_cast<int>(index) : 0, count};
  }
  __device__ Step step(int k, int end) const {
    const int count = inside(k, end, AlongK ? kPer : 1);
    return {count > 0 ? k : 0, count};
  }
  __device__ void copy(unsigned char* to, const Line& line, const Step& step) const {
    const int count =
        AlongK ? (line.count > 0 ? step.count : 0) : (step.count > 0 ? line.count : 0);
    const E* from = data + line.index * line_stride + step.index * k_stride;
    if (vectors && (count == 0 || count == kPer)) {
      ptx::cp_async_16(to, from, count > 0);
      return;
    }
    const int64_t stride = AlongK ? k_stride : line_stride;
#pragma unroll 1  // the rare way: registers matter more
    for (int j = 0; j < kPer; j++) reinterpret_cast<E*>(to)[j] = j < count ? from[j * stride] : E{};
  }
};

}  // namespace tilegrad::cuda
