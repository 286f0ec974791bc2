// Forward pass as a direct convolution: out rows and columns meet tap (i, j) at i * dilation_h rows and
// j * dilation_w columns further.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "ops/conv2d/conv2d_depthwise.h"
#include "ops/conv2d/conv2d_direct.h"
#include "ops/conv2d/conv2d_filters.h"
#include "ops/conv2d/conv2d_kernels.h"
#include "ops/conv2d/conv2d_patches.h"
#include "ops/conv2d/conv2d_pointwise.h"
#include "ops/conv2d/conv2d_winograd.h"

namespace tilegrad {
namespace {

// Rows of half a vector: two of them are one load where each column of taps has its own copy.
template <class T>
bool shifts_pay(const ConvShape& s) {
  const ConvGeometry& geometry = ConvKernels<T>::chosen().geometry;
  const bool inside = s.pad_top == 0 && s.pad_left == 0 && s.p + s.r - 1 <= s.h;
  return geometry.split_vectors && 2 * s.q == geometry.lanes && s.s > 1 && inside &&
         s.stride_h * s.stride_w * s.dilation_h * s.dilation_w == 1 && s.q + s.s - 1 <= s.w;
}

// By lanes of filters, as a product of patches, or by lanes of columns.
template <class T>
void forward_plain(const ConvShape& s, const DirectConv<T>& conv, bool filters,
                   const ConvImage& image) {
  const auto taps = static_cast<int64_t>(image.taps().size());
  const PatchGrid grid = {s.p, s.q, 1, 1, {{0, taps}}};
  const bool outputs = s.n * s.k * s.p * s.q * s.c != 0 && !conv.pool;
  const bool patches = outputs && patches_may_suit(conv.rows, false);
  if (patches && (!filters || s.p == 1) && run_patches(conv, image, grid)) return;
  if constexpr (std::is_same_v<T, float>) {
    if (filters) return run_filters(conv, image);
  }
  run_direct(conv, image);
}

template <class T>
void forward(const ConvShape& s, const T* x, const T* weight, const ConvEpilogue<T>& epilogue,
             bool winograd, T* y) {
  if (depthwise_forward(s, x, weight, epilogue, y)) return;
  DirectConv<T> conv = {};
  conv.images = s.n, conv.groups = s.groups;
  conv.in = x, conv.channels = s.c / s.groups, conv.in_h = s.h, conv.in_w = s.w;
  conv.weight = weight;
  conv.weight_channel = s.r * s.s;
  conv.weight_row = conv.channels * conv.weight_channel;
  conv.rows = s.k / s.groups;
  conv.weight_group = conv.rows * conv.weight_row;
  conv.bias = epilogue.bias, conv.residual = epilogue.residual;
  conv.activation = epilogue.activation;
  conv.out_h = s.p, conv.out_w = s.q;
  conv.pool = epilogue.pool, conv.taps = epilogue.taps;
  conv.packed = epilogue.packed;
  const int64_t window = epilogue.pool ? 2 : 1;
  conv.out = y, conv.out_row = s.q / window, conv.out_col = 1;
  conv.out_plane = s.p / window * conv.out_row;
  if constexpr (std::is_same_v<T, float>) {
    if (winograd && !conv.pool && winograd_fits(s) &&
        run_winograd(conv, {s.pad_top, s.pad_left, false}))
      return;
  }
  if (pointwise_fits(s) && run_pointwise(conv)) return;
  const std::vector<ConvTap> taps = all_taps(s);
  const auto image = [&](bool shifted) {
    return ConvImage(s.h, s.w, s.stride_h, s.stride_w, s.pad_top, s.pad_left, s.q, taps, shifted);
  };
  bool filters = false;
  if constexpr (std::is_same_v<T, float>) {
    filters = filters_suit(conv, static_cast<int64_t>(taps.size()));
  }
  if (!filters && shifts_pay<T>(s)) return run_direct(conv, image(true));
  forward_plain(s, conv, filters, image(false));
}

}  // namespace

void conv2d_forward(const ConvShape& shape, const float* x, const float* weight,
                    const ConvEpilogue<float>& epilogue, bool winograd, float* y) {
  forward(shape, x, weight, epilogue, winograd, y);
}
void conv2d_forward(const ConvShape& shape, const double* x, const double* weight,
                    const ConvEpilogue<double>& epilogue, bool winograd, double* y) {
  forward(shape, x, weight, epilogue, winograd, y);
}
}  // namespace tilegrad
