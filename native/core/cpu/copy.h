// Strided copy on the CPU: what the dispatcher inserts before kernels that want contiguous inputs.
#pragma once

#include "core/tensor.h"

namespace tilegrad {

/// Copies `source` (any layout) to `target` (any layout without overlap) of the same shape and dtype.
void copy_strided_cpu(const View& source, const View& target);

}  // namespace tilegrad
