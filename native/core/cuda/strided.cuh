// Offsets of an element of a collapsed shape in N layouts at once. Travels to kernels by value.
#pragma once

#include <cstdint>

#include "core/cuda/launch.cuh"
#include "core/layout.h"

namespace tilegrad::cuda {

template <int N>
struct Strided {
  int rank = 0;
  int64_t numel = 0;
  int64_t dims[kMaxRank];
  int64_t strides[N][kMaxRank];  // outermost dimension first
  int64_t offsets[N];            // in elements, from the starts of the buffers

  // The layouts have one shape; they are collapsed to the fewest dimensions.
  explicit Strided(Layout (&layouts)[N]) {
    collapse_dims(layouts, N);
    rank = layouts[0].rank();
    numel = layouts[0].numel();
    for (int d = 0; d < rank; d++) dims[d] = layouts[0].shape[d];
    for (int k = 0; k < N; k++) {
      offsets[k] = layouts[k].offset;
      for (int d = 0; d < rank; d++) strides[k][d] = layouts[k].strides[d];
    }
  }

  // All layouts walk memory in order, without gaps.
  bool contiguous() const {
    if (rank != 1) return false;
    for (int k = 0; k < N; k++) {
      if (dims[0] > 1 && strides[k][0] != 1) return false;
    }
    return true;
  }

  // 32-bit division is several times cheaper than 64-bit, so it is used wherever it can be.
  __host__ __device__ void locate(int64_t index, int64_t (&at)[N]) const {
    for (int k = 0; k < N; k++) at[k] = offsets[k];
    if (numel <= 0x7fffffff) {
      auto rest = static_cast<uint32_t>(index);
      for (int d = rank - 1; d > 0; d--) {
        const auto size = static_cast<uint32_t>(dims[d]), quotient = rest / size;
        for (int k = 0; k < N; k++)
          at[k] += static_cast<int64_t>(rest - quotient * size) * strides[k][d];
        rest = quotient;
      }
      for (int k = 0; k < N; k++) at[k] += rest * strides[k][0];
      return;
    }
    for (int d = rank - 1; d > 0; d--) {
      const int64_t quotient = index / dims[d];
      for (int k = 0; k < N; k++) at[k] += (index - quotient * dims[d]) * strides[k][d];
      index = quotient;
    }
    for (int k = 0; k < N; k++) at[k] += index * strides[k][0];
  }
};

}  // namespace tilegrad::cuda
