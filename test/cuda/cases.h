// The groups of cases that kernel_tests runs.
#pragma once

#include "bugs.h"

namespace tilegrad::kernel_tests {

void run_library_kernels(bool small);
void run_wgmma_kernels(bool small);
void run_op_kernels(bool small);
void run_cluster_kernels(bool small);
void run_tensor_maps(bool small);
void run_cooperative(bool small);
void run_conv_kernels(bool small);
// Each group passes on what it does not carry.
void run_planted_cluster(Bug bug);
void run_planted_tensor_map(Bug bug);
void run_planted_cooperative(Bug bug);

}  // namespace tilegrad::kernel_tests
