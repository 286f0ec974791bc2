// What the files of clip_grad_norm share.
#pragma once

#include "core/op.h"

namespace tilegrad {

constexpr int64_t kClipChunk = 16384;  // elements of one sum

void clip_grad_norm_cuda(KernelArgs& args);

}  // namespace tilegrad
