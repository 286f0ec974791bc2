// The weights of a convolution by patches, in panels.
#pragma once

#include "core/cpu/gemm_blocked.h"
#include "core/cpu/gemm_kernels.h"
#include "ops/conv2d/conv2d_patches.h"

namespace tilegrad {

// For each group and phase: blocks of the depth, of panels of rows. The depth are channels by taps as the weights of a row
// lie, or some channels at a time, taps by channels.
template <class T>
class PatchWeights {
 public:
  PatchWeights(const DirectConv<T>& conv, const ConvImage& image, const PatchGrid& grid);

  bool together() const { return together_; }
  int64_t sorted() const;  // channels of which one tap comes after the other
  int64_t panel_rows() const { return panel_rows_; }
  int64_t depth(size_t phase) const {
    return conv_.channels * (grid_.phases[phase].last - grid_.phases[phase].first);
  }
  int64_t depth_before(size_t phase) const { return conv_.channels * grid_.phases[phase].first; }
  DepthBlocks blocks(size_t phase) const {
    return depth_blocks(depth(phase), kernels_.geometry.one_tile_depth);
  }
  int64_t group_elements() const {
    return conv_.rows * conv_.channels * static_cast<int64_t>(image_.taps().size());
  }
  void pack(T* out) const;

 private:
  void pack_together(int64_t group, int64_t row, T* out) const;
  void pack_sorted(int64_t group, int64_t channel, T* out) const;
  void pack_tap(size_t phase, int64_t tap, int64_t row, int64_t channel, int64_t count, const T* in,
                int64_t in_channel, T* out) const;

  const DirectConv<T>& conv_;
  const ConvImage& image_;
  const PatchGrid& grid_;
  const GemmKernels<T> kernels_;
  const int64_t panel_rows_;
  const bool together_;
};

}  // namespace tilegrad
