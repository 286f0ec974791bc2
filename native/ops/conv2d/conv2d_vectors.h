// How the columns of a direct convolution's output lie in vectors. They start at each row and the last of a row
// overlaps its neighbour ("rows"). Where much of that one would be waste, the ends of two rows make one vector
// ("split"), or vectors run through the rows of the image ("flat") and the columns between rows are dropped when the
// result is written.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/conv2d/conv2d_simd.h"

namespace tilegrad {

// The vectors of one band of rows. Of those from `whole` on, the upper half lies apart from the lower one.
struct ConvVectors {
  std::vector<int64_t> image_base, out_base;
  int64_t whole = 0;
  std::vector<int64_t> image_high, out_high;  // of the split ones
  std::vector<ConvSegment> segments;          // where they are written straight from registers
  std::vector<int64_t> first_segment;
  int64_t wide_row = 0;       // between rows of the result
  int64_t wide_elements = 0;  // of one output channel
};

class ConvVectorLayout {
 public:
  // Chosen by the taps that out_h rows of out_w columns cost, `depth` each, where rows of the image lie `pitch` apart.
  ConvVectorLayout(const ConvGeometry& geometry, bool may_split, int64_t out_h, int64_t out_w,
                   int64_t depth, int64_t pitch);

  bool flat() const { return lanes_are_ == Lanes::flat; }
  // What flat vectors run through.
  int64_t flat_length(int64_t rows, int64_t pitch) const { return (rows - 1) * pitch + out_w_; }

  // Of `rows` rows, `pitch` apart in the image and out_row in the result: flat ones are written in segments, or to
  // rows as wide as those of the image.
  ConvVectors vectors(int64_t rows, int64_t pitch, int64_t out_row, bool segmented) const;

 private:
  enum class Lanes { rows, split, flat };
  int64_t row_halves() const;
  void cut_segments(ConvVectors& v, int64_t length, int64_t pitch, int64_t out_row) const;
  void add_halves(ConvVectors& v, int64_t rows, int64_t pitch) const;

  const int64_t lanes_, out_w_;
  Lanes lanes_are_;
};

}  // namespace tilegrad
