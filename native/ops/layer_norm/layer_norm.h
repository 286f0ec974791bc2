// What the files of this room share.
#pragma once

#include "core/op.h"
#include "ops/layer_norm/layer_norm_simd.h"

namespace tilegrad {

enum LayerNormInput { kLnX, kLnWeight, kLnBias };
enum LayerNormGradInput { kLnDout, kLnGradX, kLnMean, kLnRstd, kLnGradWeight };

/// x as rows over its last `dims` dimensions; without weight and bias.
NormRows norm_rows(const KernelArgs& args, const View& x);

void layer_norm_cuda(KernelArgs& args);
void layer_norm_grad_cuda(KernelArgs& args);

}  // namespace tilegrad
