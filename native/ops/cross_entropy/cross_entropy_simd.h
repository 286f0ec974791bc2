// The vectorised parts of cross_entropy, by dtype. Rows: `count` rows of n neighbouring classes.
// Columns: n classes `stride` apart, for each of `count` neighbouring positions. The arrays with one
// value for each row or column are of the compute type.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"
#include "core/dtype.h"

namespace tilegrad {

struct ClassLayout {
  int64_t n;       // classes
  int64_t stride;  // from class to class; 1 for rows
  int64_t count;   // rows or columns
  bool rows;
};

// What the target adds for class c: weight[c] (probability[c] a + b); a missing weight is 1, missing
// probabilities are 0.
struct ClassTarget {
  const void* probability = nullptr;
  const void* weight = nullptr;
  double a = 0, b = 0;
};

struct CrossEntropyKernels {
  // The largest logit, and the logarithm of the sum of exp(x - largest).
  void (*log_sums)(const void* x, const ClassLayout& layout, void* largest, void* log_sum);
  // dot: the sum of target times log-probability; total: the sum of the target.
  void (*target_sums)(const void* x, const ClassLayout& layout, const ClassTarget& target,
                      const void* largest, const void* log_sum, void* dot, void* total);
  // dx = slope exp(x - largest - log_sum) - scale target; a null slope leaves the first term out.
  void (*gradients)(const void* x, void* dx, const ClassLayout& layout, const ClassTarget& target,
                    const void* largest, const void* log_sum, const void* slope, const void* scale);
};

TILEGRAD_SIMD_DECLARE(CrossEntropyKernels, cross_entropy_kernels, (DType dtype))

}  // namespace tilegrad
