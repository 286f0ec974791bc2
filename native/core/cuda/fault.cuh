// The device's side of fault.h.
#pragma once

#include "core/cuda/fault.h"
#include "core/cuda/launch.cuh"

namespace tilegrad::cuda {

/// Only the first call until the host has read it is kept.
__device__ inline void report_fault(Fault* fault, FaultKind kind, int64_t position, int64_t value,
                                    int64_t limit) {
  if (atomicCAS(&fault->claimed, 0, 1) != 0) return;
  fault->kind = kind;
  fault->position = position;
  fault->value = value;
  fault->limit = limit;
  __threadfence_system();
  atomicExch(&fault->ready, 1);
}

}  // namespace tilegrad::cuda
