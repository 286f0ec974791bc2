// The groups of cases that kernel_tests runs.
#pragma once

namespace tilegrad::kernel_tests {

void run_library_kernels(bool small);

}  // namespace tilegrad::kernel_tests
