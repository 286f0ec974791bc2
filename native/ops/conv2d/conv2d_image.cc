#include "ops/conv2d/conv2d_image.h"

#include <algorithm>
#include <utility>

#include "core/ceil_div.h"
#include "ops/conv2d/conv2d_simd.h"

namespace tilegrad {
namespace {

// Divisions are slow, and most strides are 1.
int64_t quotient(int64_t a, int64_t b) { return b == 1 ? a : a / b; }
int64_t rest(int64_t a, int64_t b) { return b == 1 ? 0 : a % b; }

// The offsets of one channel, then those of the others.
std::vector<int64_t> repeated(std::vector<int64_t> offsets, int64_t channels, int64_t plane) {
  const size_t taps = offsets.size();
  offsets.resize(taps * static_cast<size_t>(channels));
  for (size_t i = taps; i < offsets.size(); ++i) offsets[i] = offsets[i - taps] + plane;
  return offsets;
}

}  // namespace

std::vector<ConvTap> all_taps(const ConvShape& s) {
  std::vector<ConvTap> taps;
  if (s.c == 0) return taps;  // then the weight is empty too, whatever its r and s
  taps.reserve(static_cast<size_t>(s.r * s.s));
  for (int64_t i = 0; i < s.r; ++i) {
    for (int64_t j = 0; j < s.s; ++j) {
      taps.push_back({i * s.dilation_h, j * s.dilation_w, i * s.s + j});
    }
  }
  return taps;
}

ConvImage::ConvImage(int64_t in_h, int64_t in_w, int64_t stride_h, int64_t stride_w,
                     int64_t pad_top, int64_t pad_left, int64_t out_w, std::vector<ConvTap> taps,
                     bool shifted)
    : in_h_(in_h),
      in_w_(in_w),
      stride_h_(stride_h),
      stride_w_(stride_w),
      pad_top_(pad_top),
      pad_left_(pad_left),
      out_w_(out_w),
      shifted_(shifted),
      taps_(std::move(taps)) {
  for (const ConvTap& tap : taps_) {
    if (phase_of(tap) == phases()) phases_.push_back({rest(tap.row, stride_h_), phase_col(tap)});
    extra_rows_ = std::max(extra_rows_, quotient(tap.row, stride_h_));
    extra_cols_ = std::max(extra_cols_, quotient(tap.col - phase_col(tap), stride_w_));
  }
}

int64_t ConvImage::phase_col(const ConvTap& tap) const {
  return shifted_ ? tap.col : rest(tap.col, stride_w_);
}

int64_t ConvImage::phase_of(const ConvTap& tap) const {
  const int64_t row = rest(tap.row, stride_h_), col = phase_col(tap);
  for (size_t i = 0; i < phases_.size(); ++i) {
    if (phases_[i].row == row && phases_[i].col == col) return static_cast<int64_t>(i);
  }
  return phases();
}

bool ConvImage::reads_in_place(int64_t out_h) const {
  return !shifted_ && stride_h_ == 1 && stride_w_ == 1 && pad_top_ == 0 && pad_left_ == 0 &&
         out_h + extra_rows_ <= in_h_ && out_w_ + extra_cols_ <= in_w_;
}

std::vector<int64_t> ConvImage::offsets_in_place(int64_t channels) const {
  std::vector<int64_t> offsets;
  offsets.reserve(taps_.size() * static_cast<size_t>(channels));
  for (const ConvTap& tap : taps_) offsets.push_back(tap.row * in_w_ + tap.col);
  return repeated(std::move(offsets), channels, in_h_ * in_w_);
}

std::vector<int64_t> ConvImage::offsets_in_copy(int64_t channels, int64_t rows) const {
  std::vector<int64_t> offsets;
  offsets.reserve(taps_.size() * static_cast<size_t>(channels));
  for (const ConvTap& tap : taps_) {
    const int64_t row = phase_of(tap) * (rows + extra_rows_) + quotient(tap.row, stride_h_);
    offsets.push_back(row * pitch() + quotient(tap.col - phase_col(tap), stride_w_));
  }
  return repeated(std::move(offsets), channels, plane(rows));
}

template <class T>
void ConvImage::copy(const T* in, int64_t channels, int64_t first, int64_t rows, T* out) const {
  const ConvKernels<T>& kernels = ConvKernels<T>::chosen();
  if (shifted_ && first + rows + extra_rows_ <= in_h_) {
    kernels.copy_shifted({channels, rows + extra_rows_, pitch(), phases(), in + first * in_w_,
                          in_h_ * in_w_, in_w_, out});
    return;
  }
  for (const Phase& phase : phases_) {
    const int64_t shift = phase.col - pad_left_;  // element j is column j * stride_w + shift
    CopyImage<T> c = {};
    c.planes = channels, c.rows = rows + extra_rows_, c.pitch = pitch();
    c.in = in, c.in_plane = in_h_ * in_w_, c.in_rows = in_h_, c.in_row = in_w_;
    c.first_row = first * stride_h_ + phase.row - pad_top_, c.row_step = stride_h_;
    c.in_col = shift, c.col_step = stride_w_;
    c.begin = std::clamp<int64_t>(ceil_div(-shift, stride_w_), 0, pitch());
    c.end = std::clamp<int64_t>(ceil_div(in_w_ - shift, stride_w_), c.begin, pitch());
    c.out = out, c.out_plane = plane(rows);
    kernels.copy_image(c);
    out += c.rows * c.pitch;
  }
}

template void ConvImage::copy(const float*, int64_t, int64_t, int64_t, float*) const;
template void ConvImage::copy(const double*, int64_t, int64_t, int64_t, double*) const;

}  // namespace tilegrad
