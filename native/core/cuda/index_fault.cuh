// The device's side of index_fault.h.
#pragma once

#include "core/cuda/cuda_device.h"
#include "core/cuda/fault.cuh"
#include "core/cuda/index_fault.h"

namespace tilegrad::cuda {

struct IndexCheck {  // travels to kernels by value
  Fault* fault;
  FaultKind kind;
  int64_t size;

  /// True if 0 <= index < size; else reports it and where it stands in the index tensor.
  __device__ bool operator()(int64_t index, int64_t at) const {
    if (index >= 0 && index < size) return true;
    report_fault(fault, kind, at, index, size);
    return false;
  }
};

inline IndexCheck index_check(CudaStream& stream, IndexedOp op, int dim, int64_t size) {
  return {stream.fault(), index_kind(op, dim), size};
}

}  // namespace tilegrad::cuda
