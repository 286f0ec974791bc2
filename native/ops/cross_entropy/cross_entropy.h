// What the forward and backward kernels of cross_entropy share.
#pragma once

#include "core/op.h"

namespace tilegrad {

enum CrossEntropyInput {
  kCeInput,
  kCeTarget,
  kCeWeight,  // of cross_entropy
  // of cross_entropy_input_grad:
  kCeDout = 2,
  kCeSaved,
  kCeGradWeight,
};
enum CrossEntropyReduction { kCeNone, kCeMean, kCeSum };

/// Logits as (batch, classes, inner): inner is the product of what follows the classes.
struct CrossEntropyShape {
  int64_t batch = 1, classes = 1, inner = 1;

  explicit CrossEntropyShape(const Shape& input) {
    const int dim = input.rank > 1 ? 1 : 0;
    for (int d = 0; d < input.rank; ++d) (d < dim ? batch : d == dim ? classes : inner) *= input[d];
  }
  int64_t positions() const { return batch * inner; }
  /// Offset of class 0 of a position; its classes are `inner` apart.
  int64_t first(int64_t position) const {
    return inner == 1 ? position * classes : position / inner * classes * inner + position % inner;
  }
};

/// The class at `position`; throws where it is neither `ignore` nor below `classes`.
inline int64_t class_at(const View& target, int64_t position, int64_t classes, int64_t ignore) {
  int64_t index;
  switch (target.dtype) {
    case DType::i64:
      index = target.as<int64_t>()[position];
      break;
    case DType::i32:
      index = target.as<int32_t>()[position];
      break;
    default:
      index = target.as<uint8_t>()[position];
  }
  if (index != ignore && (index < 0 || index >= classes))
    fail(ErrorCode::argument, "target ", index, " at position ", position, " is out of range for ",
         classes, " classes");
  return index;
}

void cross_entropy_cpu(KernelArgs& args);
void cross_entropy_input_grad_cpu(KernelArgs& args);
void cross_entropy_cuda(KernelArgs& args);
void cross_entropy_input_grad_cuda(KernelArgs& args);

}  // namespace tilegrad
