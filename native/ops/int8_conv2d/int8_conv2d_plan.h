// What the direct convolution of bytes makes of a shape: which values share a group, in which order the steps of a sum go, and
// its weights in that order.
#pragma once

#include <cstdint>

#include "core/ceil_div.h"
#include "core/conv_shape.h"
#include "core/cpu/int8_amx.h"
#include "ops/int8_conv2d/int8_conv2d_simd.h"

namespace tilegrad {

// A group holds neighbouring channels, neighbouring taps, or neighbouring taps of pixels that no longer overlap: a plane has a
// group for each pixel of the padded image, but of patches one for each output.
enum class Int8Layout : uint8_t { across, along, patches };

class Int8DirectPlan {
 protected:
  explicit Int8DirectPlan(const ConvShape& s);

  // Calls visit(step, plane, r, first tap along s) in the order of the steps; with tiles for the first plane of a step.
  template <class Visit>
  void each_step(Visit visit) const {
    int64_t step = 0;
    if (layout_ == Int8Layout::patches) {
      for (; step < steps_; ++step) visit(step, step * kAmxRows, 0, 0);
      return;
    }
    for (int64_t plane = 0; plane < planes_; plane += tiles_ ? kAmxRows : 1)
      for (int64_t r = 0; r < s_.r; ++r)
        for (int64_t s = 0; s < s_.s; s += layout_ == Int8Layout::along ? geometry_.group : 1)
          visit(step++, plane, r, s);
  }

  // The sums of the kernels, and panels of panel_rows_ kernels, the last of a group with fewer.
  size_t weight_bytes() const;
  void pack_weights(const uint8_t* weight, void* out);
  void take_weights(const void* packed);
  // Where the weights of the kernels from `at` on begin.
  uint32_t* panel(int64_t group, int64_t at) const;

  const ConvShape& s_;
  const bool tiles_;  // whether tiles of the processor multiply
  const Int8DirectGeometry geometry_;
  const int64_t channels_, kernels_;  // of a group of the convolution
  Int8Layout layout_ = Int8Layout::across;
  int64_t steps_ = 0, planes_ = 0, panel_rows_ = 0;
  int64_t row_groups_ = 0;  // of a plane
  int32_t* sums_ = nullptr;

 private:
  void choose_layout();
  uint32_t weight_group(const uint8_t* kernel, int64_t plane, int64_t r, int64_t s) const;
  void pack_panel(const uint8_t* weight, int64_t group, int64_t at) const;
  void pack_tile_row(const uint8_t* kernel, uint8_t* out, int64_t pitch) const;
  int64_t packed_kernels() const { return tiles_ ? round_up(kernels_, kAmxRows) : kernels_; }

  uint32_t* weights_ = nullptr;
};

}  // namespace tilegrad
