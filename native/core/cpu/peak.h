// What this machine can do at most, measured: the floor that benchmarks divide by.
#pragma once

#include "core/cpu/isa.h"

namespace tilegrad {

struct Peak {
  double flops;  // f32 multiply-adds in registers, two operations each, per second
  double bytes;  // triad a = b + s * c over arrays larger than the caches, per second
};

// On the threads that kernels use now; takes about 0.2 s, without `memory` 0.01 s (bytes is 0 then). Noise
// only ever lowers what is measured, so the best of several short runs counts.
Peak measure_peak(bool memory = true);

// Returns a value that depends on every product, so that none is dropped.
TILEGRAD_SIMD_DECLARE(float, peak_multiply_add, (int64_t rounds))
TILEGRAD_SIMD_DECLARE(int, peak_flops_per_round, ())

}  // namespace tilegrad
