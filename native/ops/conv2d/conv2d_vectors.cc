#include "ops/conv2d/conv2d_vectors.h"

#include <algorithm>

#include "core/ceil_div.h"

namespace tilegrad {
namespace {}  // namespace

// Writing a flat vector takes as long as about 8 taps, loading two halves a fifth longer than a whole vector.
ConvVectorLayout::ConvVectorLayout(const ConvGeometry& geometry, bool may_split, int64_t out_h,
                                   int64_t out_w, int64_t depth, int64_t pitch)
    : lanes_(geometry.lanes), out_w_(out_w) {
  const int64_t w = lanes_;
  const int64_t flat = ceil_div(flat_length(out_h, pitch), w) * (5 * depth + 40);
  const int64_t halves = row_halves();
  if (geometry.split_vectors && may_split && halves > 0 && 2 * out_w >= w) {
    const int64_t split = out_h * (out_w / w) * 5 * depth + ceil_div(out_h * halves, 2) * 6 * depth;
    if (split < flat) {
      lanes_are_ = Lanes::split;
      return;
    }
  }
  lanes_are_ =
      out_w < w || flat < out_h * ceil_div(out_w, w) * 5 * depth ? Lanes::flat : Lanes::rows;
}

// Split vectors at the end of each row: 0, 1, or 2 where the row has no other.
int64_t ConvVectorLayout::row_halves() const {
  const int64_t rest = out_w_ % lanes_;
  if (rest == 0 || (2 * rest > lanes_ && out_w_ > lanes_)) return 0;
  return 2 * rest > lanes_ ? 2 : 1;
}

// Cuts flat vectors where rows of the output end.
void ConvVectorLayout::cut_segments(ConvVectors& v, int64_t length, int64_t pitch,
                                    int64_t out_row) const {
  int64_t cols = out_w_;
  if (pitch == cols && pitch == out_row) cols = pitch = length;  // rows without a gap are one
  v.first_segment.reserve(v.image_base.size() + 1);
  v.segments.reserve(v.image_base.size() + static_cast<size_t>(length / pitch));
  for (const int64_t base : v.image_base) {
    v.first_segment.push_back(static_cast<int64_t>(v.segments.size()));
    const int64_t end = std::min(base + lanes_, length);
    for (int64_t row = base / pitch; row * pitch < end; ++row) {
      const int64_t from = std::max(base, row * pitch);
      const int64_t to = std::min(end, row * pitch + cols);
      if (from >= to) continue;
      v.segments.push_back({row * out_row + base - row * pitch, static_cast<int32_t>(from - base),
                            static_cast<int32_t>(to - base)});
    }
  }
  v.first_segment.push_back(static_cast<int64_t>(v.segments.size()));
}

// Pairs the halves that end each row; an odd one out is paired with itself.
void ConvVectorLayout::add_halves(ConvVectors& v, int64_t rows, int64_t pitch) const {
  const int64_t per_row = row_halves(), half = lanes_ / 2, count = rows * per_row;
  v.image_high.reserve(static_cast<size_t>(ceil_div(count, 2)));
  v.out_high.reserve(static_cast<size_t>(ceil_div(count, 2)));
  const auto column = [&](int64_t i) { return i % per_row + 1 < per_row ? 0 : out_w_ - half; };
  for (int64_t i = 0; i < count; i += 2) {
    const int64_t j = std::min(i + 1, count - 1);
    v.image_base.push_back(i / per_row * pitch + column(i));
    v.out_base.push_back(i / per_row * v.wide_row + column(i));
    v.image_high.push_back(j / per_row * pitch + column(j));
    v.out_high.push_back(j / per_row * v.wide_row + column(j));
  }
}

ConvVectors ConvVectorLayout::vectors(int64_t rows, int64_t pitch, int64_t out_row,
                                      bool segmented) const {
  const int64_t w = lanes_;
  ConvVectors v;
  if (flat()) {
    const int64_t length = flat_length(rows, pitch);
    v.image_base.reserve(static_cast<size_t>(ceil_div(length, w)));
    for (int64_t j = 0; j < length; j += w) {
      v.image_base.push_back(std::max<int64_t>(std::min(j, length - w), 0));
    }
    v.out_base = v.image_base;
    v.whole = static_cast<int64_t>(v.image_base.size());
    if (segmented) cut_segments(v, length, pitch, out_row);
    v.wide_row = pitch;
    v.wide_elements = ceil_div(std::max(length, w), w) * w;
    return v;
  }
  v.wide_row = out_row;
  v.wide_elements = rows * out_w_;
  const bool split = lanes_are_ == Lanes::split;
  const int64_t columns = split ? out_w_ / w * w : out_w_;
  const size_t most = static_cast<size_t>(rows * (ceil_div(columns, w) + 2));
  v.image_base.reserve(most);
  v.out_base.reserve(most);
  for (int64_t p = 0; p < rows; ++p) {
    for (int64_t j = 0; j < columns; j += w) {
      const int64_t q = std::min(j, out_w_ - w);
      v.image_base.push_back(p * pitch + q);
      v.out_base.push_back(p * v.wide_row + q);
    }
  }
  v.whole = static_cast<int64_t>(v.image_base.size());
  if (split) add_halves(v, rows, pitch);
  return v;
}

}  // namespace tilegrad
