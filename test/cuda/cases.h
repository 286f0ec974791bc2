// The groups of cases that kernel_tests runs.
#pragma once

#include "bugs.h"

namespace tilegrad::kernel_tests {

void run_library_kernels(bool small);
void run_wgmma_kernels(bool small);
void run_cluster_kernels(bool small);
void run_planted_cluster(Bug bug);

}  // namespace tilegrad::kernel_tests
