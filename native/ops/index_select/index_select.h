// index_select and index_add: a dimension seen as (outer, rows, inner).
#pragma once

#include "core/op.h"

namespace tilegrad {

struct IndexedRows {
  int64_t outer = 1, rows = 0, inner = 1;
};
// `shape` along the attribute dim.
IndexedRows indexed_rows(const Attrs& attrs, const Shape& shape);

void index_select_cpu(KernelArgs& args);
void index_add_cpu(KernelArgs& args);
void index_select_cuda(KernelArgs& args);
void index_add_cuda(KernelArgs& args);

}  // namespace tilegrad
