// The inputs of the ops of this room.
#pragma once

#include "core/op.h"

namespace tilegrad {

enum BatchNormInput { kBnX, kBnWeight, kBnBias, kBnRunningMean, kBnRunningVar };
enum BatchNormGradInput { kBnDout, kBnGradX, kBnMean, kBnRstd, kBnGradWeight };

void batch_norm_cpu(KernelArgs& args);
void batch_norm_grad_cpu(KernelArgs& args);
void batch_norm_update_cpu(KernelArgs& args);
/// The same of tables, where a channel has one value for each row.
void batch_norm_table_cpu(KernelArgs& args);
void batch_norm_table_grad_cpu(KernelArgs& args);
void batch_norm_cuda(KernelArgs& args);
void batch_norm_grad_cuda(KernelArgs& args);
void batch_norm_update_cuda(KernelArgs& args);

}  // namespace tilegrad
