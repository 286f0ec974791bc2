// Groups of channels of group_norm, by dtype. Statistics are of the compute type, one for each sample and group.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"
#include "core/dtype.h"

namespace tilegrad {

struct ChannelGroups {
  int64_t samples, groups, channels, inner;  // channels: of one group
  int64_t rows() const { return samples * groups; }
  int64_t size() const { return channels * inner; }
};

struct GroupNormKernels {
  // Rows [first, last), each one group of one sample; weight and bias (groups channels) or null.
  void (*forward)(const void* x, void* y, const ChannelGroups& g, int64_t first, int64_t last,
                  const void* weight, const void* bias, double eps, void* mean, void* rstd);
  // sums and dots (samples, groups, channels): of dout, and of dout times the normalized x.
  void (*backward)(const void* dout, const void* x, void* dx, const ChannelGroups& g, int64_t first,
                   int64_t last, const void* weight, const void* mean, const void* rstd,
                   double* sums, double* dots);
};

TILEGRAD_SIMD_DECLARE(GroupNormKernels, group_norm_kernels, (DType dtype))

}  // namespace tilegrad
