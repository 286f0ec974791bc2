// gather, scatter and scatter_add: an index tensor says for each of its elements which place along one dimension of
// another tensor it means; its other coordinates are the element's own.
#pragma once

#include "core/op.h"
#include "core/platform.h"

namespace tilegrad {

// Elements of the index in rows of its last dimension. Element i of row r means
// base(r) + index * along + i * step in the tensor that is indexed.
struct GatherPlan {
  int rank = 0, dim = 0;
  int64_t index_shape[kMaxRank], strides[kMaxRank];  // strides of the indexed tensor
  int64_t size = 0;                                  // of the indexed dimension
  int64_t rows = 0, n = 0;                           // n: the index's last dimension
  int64_t along = 0, step = 0;

  TG_HOST_DEVICE int64_t base(int64_t row) const {
    int64_t at = 0;
    for (int d = rank - 2; d >= 0; --d) {
      if (d != dim) at += row % index_shape[d] * strides[d];
      row /= index_shape[d];
    }
    return at;
  }
};

GatherPlan gather_plan(const Attrs& attrs, const Shape& x, const Shape& index);

void gather_cpu(KernelArgs& args);
void scatter_cpu(KernelArgs& args);
void scatter_add_cpu(KernelArgs& args);
void gather_cuda(KernelArgs& args);
void scatter_cuda(KernelArgs& args);
void scatter_add_cuda(KernelArgs& args);

}  // namespace tilegrad
