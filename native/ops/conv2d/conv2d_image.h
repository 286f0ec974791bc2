// The layout in which convolution kernels read an image: padded, and cut into stride_h x stride_w phases
// (every stride-th row and column), so that one tap meets neighbours in memory at successive output
// columns and rows, whatever the stride. Or "shifted", for stride and dilation 1 inside of the image: each column of
// taps has a phase of its own, which holds the output's columns and no others, so that vectors run through its
// rows without a gap.
#pragma once

#include <cstdint>
#include <vector>

#include "core/conv_shape.h"

namespace tilegrad {

// Where a tap lies: padded row row + p * stride_h for output row p, and so for columns.
struct ConvTap {
  int64_t row, col;
  int64_t weight;  // index within one (r, s) plane of the weight
};

// Those of a convolution, row by row.
std::vector<ConvTap> all_taps(const ConvShape& s);

class ConvImage {
 public:
  // Planes of in_h x in_w, padded by pad_top rows and pad_left columns (cropped where negative), for
  // output rows of out_w columns.
  ConvImage(int64_t in_h, int64_t in_w, int64_t stride_h, int64_t stride_w, int64_t pad_top,
            int64_t pad_left, int64_t out_w, std::vector<ConvTap> taps, bool shifted = false);

  const std::vector<ConvTap>& taps() const { return taps_; }

  // True where the planes can be read as they are by `out_h` output rows.
  bool reads_in_place(int64_t out_h) const;

  // Of a copy for `rows` output rows, in elements.
  int64_t pitch() const { return out_w_ + extra_cols_; }
  int64_t plane(int64_t rows) const { return phases() * (rows + extra_rows_) * pitch(); }

  // Where (channel, tap) starts, for each channel and each tap in it; in place or in a copy.
  std::vector<int64_t> offsets_in_place(int64_t channels) const;
  std::vector<int64_t> offsets_in_copy(int64_t channels, int64_t rows) const;

  // Copies what output rows [first, first + rows) read of `channels` planes.
  template <class T>
  void copy(const T* in, int64_t channels, int64_t first, int64_t rows, T* out) const;

 private:
  struct Phase {
    int64_t row, col;
  };
  int64_t phases() const { return static_cast<int64_t>(phases_.size()); }
  // The first column of a tap's phase.
  int64_t phase_col(const ConvTap& tap) const;
  int64_t phase_of(const ConvTap& tap) const;

  int64_t in_h_, in_w_, stride_h_, stride_w_, pad_top_, pad_left_, out_w_;
  bool shifted_;
  std::vector<ConvTap> taps_;
  std::vector<Phase> phases_;  // those that some tap reads
  int64_t extra_rows_ = 0, extra_cols_ = 0;
};

}  // namespace tilegrad
