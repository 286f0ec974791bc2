// Convolution as one product of matrices over the output pixels of all images.
#pragma once

#include <vector>

#include "ops/conv2d/conv2d_direct.h"

namespace tilegrad {

// The taps [first, last) of an image, which make output pixels at every step-th row and column.
struct PatchPhase {
  int64_t first, last;
};

// Output pixel (i * step_h + a, j * step_w + b) is pixel (i, j) of the grid in phase a * step_w + b. conv has the whole
// output plane, with out_col 1; steps of 1 may have bias, residual and activation.
struct PatchGrid {
  int64_t height, width;
  int64_t step_h, step_w;
  std::vector<PatchPhase> phases;
};

// False where run_patches would be, whatever else the convolution is.
bool patches_may_suit(int64_t rows, bool phases);

// Computes conv, which has outputs and channels, over the taps of `image`, made for rows of the grid's width. False where the direct convolution does better.
bool run_patches(const DirectConv<float>& conv, const ConvImage& image, const PatchGrid& grid);
bool run_patches(const DirectConv<double>& conv, const ConvImage& image, const PatchGrid& grid);

}  // namespace tilegrad
