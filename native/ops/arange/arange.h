// Numbers at equal distances, by their position.
#pragma once

#include "core/op.h"
#include "core/platform.h"

namespace tilegrad {

// start + i * step before `turn`, end - (count - 1 - i) * step from there on: both ends are met exactly.
struct Progression {
  double start, step, end;
  int64_t count, turn;

  TG_HOST_DEVICE double at(int64_t i) const {
    return i < turn ? start + static_cast<double>(i) * step
                    : end - static_cast<double>(count - 1 - i) * step;
  }
};

Progression arange_values(const KernelArgs& args);
Progression linspace_values(const KernelArgs& args);

void arange_cuda(KernelArgs& args);
void linspace_cuda(KernelArgs& args);

}  // namespace tilegrad
