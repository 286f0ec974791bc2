// What the files of this room share.
#pragma once

#include "core/op.h"
#include "ops/group_norm/group_norm_simd.h"

namespace tilegrad {

enum GroupNormInput { kGnX, kGnWeight, kGnBias };
enum GroupNormGradInput { kGnDout, kGnGradX, kGnMean, kGnRstd, kGnGradWeight };

/// x (N, C, ...) as groups of channels.
ChannelGroups channel_groups(const KernelArgs& args, const View& x);

void group_norm_cuda(KernelArgs& args);
void group_norm_grad_cuda(KernelArgs& args);

}  // namespace tilegrad
