#include "core/error.h"

#include "core/dtype.h"

namespace tilegrad {

const char* error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::shape:
      return "ERR_SHAPE";
    case ErrorCode::dtype:
      return "ERR_DTYPE";
    case ErrorCode::device:
      return "ERR_DEVICE";
    case ErrorCode::disposed:
      return "ERR_DISPOSED";
    case ErrorCode::oom:
      return "ERR_OOM";
    case ErrorCode::cuda:
      return "ERR_CUDA";
    case ErrorCode::unsupported:
      return "ERR_UNSUPPORTED";
    case ErrorCode::format:
      return "ERR_FORMAT";
    case ErrorCode::argument:
      return "ERR_ARGUMENT";
  }
  return "ERR_ARGUMENT";
}

void throw_no_kernel(DType dtype) { fail(ErrorCode::dtype, "has no kernel for ", dtype); }

}  // namespace tilegrad
