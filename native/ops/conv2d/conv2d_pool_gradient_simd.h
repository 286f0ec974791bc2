// What the gradients of a convolution under pooling ask of their SIMD file. "Entry": one element of the gradient behind
// the pooling: its value, and where the values that it scales start.
#pragma once

#include "ops/conv2d/conv2d_simd.h"

namespace tilegrad {

// scale[i] = the gradient of element i before the activation, start[i] = first + base[i] (0 where base is null), plus
// `down` where the tap lies in the window's second row and `right` where it lies in its second column.
struct PooledEntries {
  int64_t count;
  const float *dy, *y;
  const uint8_t* taps;
  ConvActivation activation;
  const int32_t* base;
  int32_t first, down, right;
  float* scale;    // room for count + 16
  int32_t* start;  // room for count + 16
};
struct PooledSum {
  float sum;
  bool finite;
};

// out[place[v] + lane] += the sum over entries of scale[e] * in[start[e] + v * lanes + lane], for v < vectors.
struct ScaledRuns {
  int64_t vectors, count;
  const float* scale;
  const int32_t* start;
  const float* in;
  const int32_t* place;
  float* out;
};

// out (cols, rows, out_row): in each row `length` elements of every plane from in[plane * in_plane + row * in_row
// + col * in_col] on. Reads and writes up to 7 elements beyond.
struct ExpandRows {
  int64_t cols, rows, planes;
  const float* in;
  int64_t in_plane, in_row, in_col;
  int64_t length;
  float* out;
  int64_t out_row;
};

TILEGRAD_SIMD_DECLARE(PooledSum, conv_pooled_entries, (const PooledEntries& c))
TILEGRAD_SIMD_DECLARE(void, conv_scaled_runs, (const ScaledRuns& c))
TILEGRAD_SIMD_DECLARE(void, conv_expand_rows, (const ExpandRows& c))

}  // namespace tilegrad
