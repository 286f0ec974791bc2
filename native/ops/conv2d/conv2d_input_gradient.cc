// Input gradient as a direct convolution of dy for each phase of the stride: the pixels of dx at rows a,
// a + stride_h, ... and columns b, b + stride_w, ... meet the same taps, at shifts
// (a + pad - r * dilation) / stride of dy where that is whole. Small images under large kernels go
// through columns instead.
#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/ceil_div.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "ops/conv2d/conv2d_col2im.h"
#include "ops/conv2d/conv2d_columns.h"
#include "ops/conv2d/conv2d_depthwise.h"
#include "ops/conv2d/conv2d_direct.h"
#include "ops/conv2d/conv2d_kernels.h"
#include "ops/conv2d/conv2d_patches.h"
#include "ops/conv2d/conv2d_pointwise.h"
#include "ops/conv2d/conv2d_winograd.h"

namespace tilegrad {
namespace {

// Taps that meet pixels of phase `phase` along one side, with their whole shifts.
struct PhaseTap {
  int64_t index, shift;
};
std::vector<PhaseTap> phase_taps(int64_t phase, int64_t taps, int64_t stride, int64_t pad,
                                 int64_t dilation) {
  std::vector<PhaseTap> found;
  for (int64_t i = 0; i < taps; ++i) {
    const int64_t at = phase + pad - i * dilation;
    if (at % stride == 0) found.push_back({i, at / stride});
  }
  return found;
}

int64_t smallest_shift(const std::vector<PhaseTap>& taps) {
  int64_t least = 0;
  for (size_t i = 0; i < taps.size(); ++i) {
    least = i == 0 ? taps[i].shift : std::min(least, taps[i].shift);
  }
  return least;
}

// The whole gradient as it lies.
template <class T>
const T* spread(const ConvShape& s, const ConvGradient<T>& gradient) {
  if (!gradient.pooled()) return gradient.dy;
  const int64_t plane = s.p * s.q;
  T* dy = static_cast<T*>(
      scratch(ScratchSlot::whole, sizeof(T) * static_cast<size_t>(s.n * s.k * plane)));
  parallel_for(s.n * s.k, grain_for(plane), [&](int64_t begin, int64_t end) {
    gradient.planes(begin, end - begin, dy + begin * plane);
  });
  return dy;
}

// All phases of the stride as one product over the pixels of their common grid.
template <class T>
bool run_phases_together(const ConvShape& s, DirectConv<T> conv) {
  PatchGrid grid = {};
  grid.step_h = std::min(s.stride_h, s.h), grid.step_w = std::min(s.stride_w, s.w);
  grid.height = ceil_div(s.h, s.stride_h);
  grid.width = ceil_div(s.w, s.stride_w);
  std::vector<std::vector<PhaseTap>> rows, cols;
  int64_t top = 0, left = 0;
  for (int64_t a = 0; a < grid.step_h; ++a) {
    rows.push_back(phase_taps(a, s.r, s.stride_h, s.pad_top, s.dilation_h));
    top = std::min(top, smallest_shift(rows.back()));
  }
  for (int64_t b = 0; b < grid.step_w; ++b) {
    cols.push_back(phase_taps(b, s.s, s.stride_w, s.pad_left, s.dilation_w));
    left = std::min(left, smallest_shift(cols.back()));
  }
  std::vector<ConvTap> taps;
  for (const auto& row : rows) {
    for (const auto& col : cols) {
      const auto first = static_cast<int64_t>(taps.size());
      for (const PhaseTap& r : row) {
        for (const PhaseTap& c : col) {
          taps.push_back({r.shift - top, c.shift - left, r.index * s.s + c.index});
        }
      }
      grid.phases.push_back({first, static_cast<int64_t>(taps.size())});
    }
  }
  conv.out_row = s.w, conv.out_col = 1;
  return run_patches(conv, ConvImage(s.p, s.q, 1, 1, -top, -left, grid.width, std::move(taps)),
                     grid);
}

// Of which tiles or panels would be mostly empty.
bool few_pixels(const ConvShape& s) {
  constexpr int64_t kFewPixels = 64, kManyFilters = 256;
  return (s.p <= 2 && s.q <= 2) ||
         (pointwise_fits(s) && s.n * s.p * s.q <= kFewPixels && s.k / s.groups >= kManyFilters);
}

template <class T>
void input_gradient(const ConvShape& s, const ConvGradient<T>& gradient, const T* weight,
                    bool winograd, T* dx) {
  if (s.k == 0) {
    std::fill(dx, dx + s.n * s.c * s.h * s.w, T{});
    return;
  }
  if (!gradient.pooled() && depthwise_input_gradient(s, gradient.dy, weight, dx)) return;
  const bool columns = columns_suit(s, sizeof(T));
  if (!gradient.pooled() && (columns || few_pixels(s)) && run_col2im(s, gradient.dy, weight, dx))
    return;
  if (columns) return columns_input_gradient(s, gradient, weight, dx);
  const T* dy = spread(s, gradient);
  DirectConv<T> conv = {};
  conv.images = s.n, conv.groups = s.groups;
  conv.in = dy, conv.channels = s.k / s.groups, conv.in_h = s.p, conv.in_w = s.q;
  conv.weight = weight;
  conv.weight_row = s.r * s.s;
  conv.rows = s.c / s.groups;
  conv.weight_channel = conv.rows * conv.weight_row;
  conv.weight_group = conv.channels * conv.weight_channel;
  conv.out_plane = s.h * s.w, conv.out_row = s.stride_h * s.w, conv.out_col = s.stride_w;
  conv.out = dx, conv.out_h = s.h, conv.out_w = s.w;
  if (pointwise_fits(s) && run_pointwise(conv)) return;
  if constexpr (std::is_same_v<T, float>) {
    if (winograd && winograd_fits(s) && run_winograd(conv, {2 - s.pad_top, 2 - s.pad_left, true}))
      return;
  }
  if (run_col2im(s, dy, weight, dx)) return;
  const bool phases = std::max(std::min(s.stride_h, s.h), std::min(s.stride_w, s.w)) > 1;
  const bool outputs = s.n * s.c * s.h * s.w * s.p * s.q != 0;
  if (outputs && patches_may_suit(conv.rows, phases) && run_phases_together(s, conv)) return;
  for (int64_t a = 0; a < std::min(s.stride_h, s.h); ++a) {
    const auto rows = phase_taps(a, s.r, s.stride_h, s.pad_top, s.dilation_h);
    const int64_t top = smallest_shift(rows);
    for (int64_t b = 0; b < std::min(s.stride_w, s.w); ++b) {
      const auto cols = phase_taps(b, s.s, s.stride_w, s.pad_left, s.dilation_w);
      const int64_t left = smallest_shift(cols);
      std::vector<ConvTap> taps;
      for (const PhaseTap& r : rows) {
        for (const PhaseTap& c : cols) {
          taps.push_back({r.shift - top, c.shift - left, r.index * s.s + c.index});
        }
      }
      conv.out = dx + a * s.w + b;
      conv.out_h = ceil_div(s.h - a, s.stride_h);
      conv.out_w = ceil_div(s.w - b, s.stride_w);
      run_direct(conv, ConvImage(s.p, s.q, 1, 1, -top, -left, conv.out_w, std::move(taps)));
    }
  }
}

}  // namespace

void conv2d_input_gradient(const ConvShape& shape, const ConvGradient<float>& dy,
                           const float* weight, bool winograd, float* dx) {
  input_gradient(shape, dy, weight, winograd, dx);
}
void conv2d_input_gradient(const ConvShape& shape, const ConvGradient<double>& dy,
                           const double* weight, bool winograd, double* dx) {
  input_gradient(shape, dy, weight, winograd, dx);
}

}  // namespace tilegrad
