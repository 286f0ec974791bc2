// What the files of this room share.
#pragma once

#include "core/op.h"
#include "ops/cdist/cdist_simd.h"

namespace tilegrad {

/// Sizes of a call: a (batch, p, m) and b (batch, r, m) give (batch, p, r).
struct CdistShape {
  int64_t batch, p, r, m;
  explicit CdistShape(const KernelArgs& args)
      : batch(args.inputs[0].shape()[0]),
        p(args.inputs[0].shape()[1]),
        r(args.inputs[1].shape()[1]),
        m(args.inputs[0].shape()[2]) {}
};

inline CdistNorm cdist_norm(const Attrs& attrs) {
  return static_cast<CdistNorm>(attrs.choice("norm"));
}

void cdist_cuda(KernelArgs& args);
void cdist_input_grad_cuda(KernelArgs& args);

}  // namespace tilegrad
