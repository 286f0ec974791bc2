// Pruning masks: which elements of a tensor stay. bool, true = kept.
#pragma once

#include "core/op.h"

namespace tilegrad {

// x, and the mask so far or absent; attribute count: how many of those still kept are dropped, the smallest |x| first,
// of equal ones the earlier. NaN counts as largest.
void magnitude_mask_cpu(KernelArgs& args);

// x; attributes n, m, dim: of every m neighbours along dim the n largest |x| stay, of equal ones the earlier.
void nm_mask_cpu(KernelArgs& args);

void magnitude_mask_cuda(KernelArgs& args);
void nm_mask_cuda(KernelArgs& args);

}  // namespace tilegrad
