// 2:4 (semi-structured) matrices: of each 4 neighbours along a row two are kept. `values` (n, k / 2) holds them in order,
// `indices` (n, k / 8) u8 where they stood: 4 bits for each 4, two bits an element, the first ones lowest.
#pragma once

#include "core/op.h"

namespace tilegrad {

void semi_structured_compress_cpu(KernelArgs& args);  // weight -> values, indices
void semi_structured_pick_cpu(KernelArgs& args);      // weight, indices -> values
void semi_structured_dense_cpu(KernelArgs& args);     // values, indices -> weight
void semi_structured_linear_cpu(
    KernelArgs& args);  // x, values, indices, bias or absent -> x weight^T + bias

void semi_structured_compress_cuda(KernelArgs& args);
void semi_structured_pick_cuda(KernelArgs& args);
void semi_structured_dense_cuda(KernelArgs& args);
void semi_structured_linear_cuda(KernelArgs& args);

}  // namespace tilegrad
