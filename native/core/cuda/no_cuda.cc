// Stands in for the CUDA backend in a build without nvcc.
#ifndef TILEGRAD_HAVE_CUDA

#include "core/cuda/cuda_backend.h"
#include "core/error.h"

namespace tilegrad::cuda {

const Discovery& discover() {
  static const auto* none =
      new Discovery{{}, "this build of tilegrad has no CUDA code (it was compiled without nvcc)"};
  return *none;
}

std::unique_ptr<Device> make_device(int ordinal) {
  fail(ErrorCode::device, "cuda:", ordinal, " is not available: ", discover().reason);
}

}  // namespace tilegrad::cuda

#endif
