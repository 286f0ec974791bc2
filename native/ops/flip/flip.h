// flip: the dimensions after those that are turned round alike were merged.
#pragma once

#include "core/op.h"
#include "core/platform.h"

namespace tilegrad {

struct FlipPlan {
  int rank = 0;
  int64_t size[kMaxRank] = {};
  bool turned[kMaxRank] = {};

  // The flat index in the input of the output's element `index`.
  TG_HOST_DEVICE int64_t source(int64_t index) const {
    int64_t at = 0, stride = 1;
    for (int d = rank - 1; d >= 0; --d) {
      const int64_t i = index % size[d];
      index /= size[d];
      at += (turned[d] ? size[d] - 1 - i : i) * stride;
      stride *= size[d];
    }
    return at;
  }
};

FlipPlan flip_plan(const Attrs& attrs, const Shape& shape);

void flip_cuda(KernelArgs& args);

}  // namespace tilegrad
