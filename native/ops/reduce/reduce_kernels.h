// What a reduction is to the driver in reduce_cpu.cc: an accumulator per result and how slabs of the input go into it.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"
#include "core/dtype.h"

namespace tilegrad {

// Rows: `count` results, each takes in n neighbouring elements of its row. Columns: n neighbouring results, each takes in
// `count` elements. Rows of the slab are `stride` elements apart. The element that a result takes in k-th has the index
// `index + k * step` among the elements of that result.
struct ReduceSlab {
  const void* x;
  int64_t count, stride, n, index, step;
};

// What turns accumulators into results.
struct ReduceFinish {
  double numel = 0;       // elements of each result
  double correction = 0;  // var, std
  bool root = false;      // std
  bool mean = false;
};

struct ReduceKernel {
  int64_t bytes;  // of an accumulator; a multiple of 8
  void (*start)(void* accumulators, int64_t count);
  void (*rows)(const ReduceSlab& slab, void* accumulators);
  void (*columns)(const ReduceSlab& slab, void* accumulators);
  void (*merge)(void* into, const void* from, int64_t count);
  // `indices` only for those that have them.
  void (*finish)(const void* accumulators, int64_t count, const ReduceFinish& how, void* out,
                 int64_t* indices);
};

enum class SumOf { values, magnitudes, squares, nonzeros };

// Null functions where the dtype is none of the reduction's.
TILEGRAD_SIMD_DECLARE(ReduceKernel, sum_kernel, (DType dtype, SumOf what))
TILEGRAD_SIMD_DECLARE(ReduceKernel, prod_kernel, (DType dtype))
TILEGRAD_SIMD_DECLARE(ReduceKernel, any_kernel, (DType dtype, bool all))
TILEGRAD_SIMD_DECLARE(ReduceKernel, extreme_kernel, (DType dtype, bool smallest))
TILEGRAD_SIMD_DECLARE(ReduceKernel, extreme_index_kernel, (DType dtype, bool smallest))
TILEGRAD_SIMD_DECLARE(ReduceKernel, moments_kernel, (DType dtype))
TILEGRAD_SIMD_DECLARE(ReduceKernel, logsumexp_kernel, (DType dtype))

}  // namespace tilegrad
