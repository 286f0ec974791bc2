// pad and its gradient: which element of the input stands at each place of the output.
#pragma once

#include "core/op.h"
#include "core/platform.h"

namespace tilegrad {

enum class PadMode : int { constant, reflect, replicate, circular };

// One dimension. `begin` places are added before the input, or taken off where it is negative.
struct PadAxis {
  int64_t in, out, begin;

  // The input's index at place o, or -1 for the constant.
  TG_HOST_DEVICE int64_t source(PadMode mode, int64_t o) const {
    const int64_t i = o - begin;
    if (i >= 0 && i < in) return i;
    switch (mode) {
      case PadMode::reflect:  // begin and end are smaller than in
        return i < 0 ? -i : 2 * (in - 1) - i;
      case PadMode::replicate:
        return i < 0 ? 0 : in - 1;
      case PadMode::circular:
        return (i % in + in) % in;
      default:
        return -1;
    }
  }
};

struct PadPlan {
  PadMode mode;
  int rank = 0;
  PadAxis axes[kMaxRank];
};

// By the attributes pads (begin and end of each dimension) and mode. Throws ERR_ARGUMENT and ERR_SHAPE.
PadPlan pad_plan(const Attrs& attrs, const Shape& x);

void pad_cpu(KernelArgs& args);
void pad_input_grad_cpu(KernelArgs& args);
void pad_cuda(KernelArgs& args);
void pad_input_grad_cuda(KernelArgs& args);

}  // namespace tilegrad
