// The vectorised parts of batch_norm, by dtype, for channels [first, last) of x (batch, channels, inner). Arrays with one
// value for each channel are of the compute type.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"
#include "core/dtype.h"

namespace tilegrad {

struct ChannelLayout {
  int64_t batch, channels, inner;
  int64_t per_channel() const { return batch * inner; }
};

struct BatchNormKernels {
  // Mean and biased variance, in f64.
  void (*moments)(const void* x, const ChannelLayout& layout, int64_t first, int64_t last,
                  double* mean, double* variance);
  // y = (x - mean) scale + shift
  void (*normalize)(const void* x, void* y, const ChannelLayout& layout, int64_t first,
                    int64_t last, const void* mean, const void* scale, const void* shift);
  // Sums of dout and of dout (x - mean).
  void (*gradient_sums)(const void* dout, const void* x, const ChannelLayout& layout, int64_t first,
                        int64_t last, const void* mean, double* sum, double* dot);
  // dx = scale dout + slope (x - mean) + shift; with x null, scale dout.
  void (*gradient)(const void* dout, const void* x, void* dx, const ChannelLayout& layout,
                   int64_t first, int64_t last, const void* mean, const void* scale,
                   const void* slope, const void* shift);
};

TILEGRAD_SIMD_DECLARE(BatchNormKernels, batch_norm_kernels, (DType dtype))

// Rows of a table (rows, channels), whose channels lie side by side.
struct BatchNormRows {
  const void* dout;  // null: forwards
  const void* x;     // null in `map`: dx = dout scale
  int64_t rows, channels;
};

struct BatchNormRowKernels {
  // Added to per channel: the sums of d = x - around and of d^2, or of dout and of dout d.
  void (*sums)(const BatchNormRows& table, const void* around, double* first, double* second);
  // out = (x - around) scale + shift, or dout scale + ((x - around) slope + shift).
  void (*map)(const BatchNormRows& table, void* out, const void* around, const void* scale,
              const void* slope, const void* shift);
};

TILEGRAD_SIMD_DECLARE(BatchNormRowKernels, batch_norm_row_kernels, (DType dtype))

}  // namespace tilegrad
