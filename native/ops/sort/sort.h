// sort: the first k elements of each row in order, and where they stood.
#pragma once

#include "core/op.h"

namespace tilegrad {

void sort_cuda(KernelArgs& args);

}  // namespace tilegrad
