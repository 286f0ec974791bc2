// Direct convolution: what the forward pass and the input gradient share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "core/packed_forms.h"
#include "ops/conv2d/conv2d_image.h"
#include "ops/conv2d/conv2d_simd.h"

namespace tilegrad {

// out[n, g, m, p, q] = sum over channels c and taps t of
//   weight[g * weight_group + m * weight_row + c * weight_channel + t.weight]
//   * in[n, g, c, p * stride + t.row - pad, q * stride + t.col - pad]
template <class T>
struct DirectConv {
  int64_t images = 0, groups = 0;
  const T* in = nullptr;  // (images, groups, channels, in_h, in_w)
  int64_t channels = 0, in_h = 0, in_w = 0;
  const T* weight = nullptr;
  int64_t weight_group = 0, weight_row = 0, weight_channel = 0;
  PackedForms* packed = nullptr;  // of the weight, or null
  const T* bias = nullptr;        // (groups, rows), or null
  const T* residual = nullptr;    // lies as out does, or null; needs out_col 1
  ConvActivation activation = ConvActivation::none;
  int64_t rows = 0;              // output channels per group
  int64_t out_h = 0, out_w = 0;  // positions, which need not be all of the output plane
  T* out = nullptr;              // (images, groups, rows) planes of out_plane elements
  int64_t out_plane = 0, out_row = 0, out_col = 0;
  bool pool = false;  // the largest of each 2 x 2 window goes to out, whose planes are smaller then
  uint8_t* taps = nullptr;  // where it stood, as out, or null
};

// The key of a form of the weight; `numbers` are what the form depends on besides (three at most).
template <class T>
PackedKey weight_key(const DirectConv<T>& conv, const char* kind,
                     std::initializer_list<int64_t> numbers) {
  PackedKey key = {kind,
                   {static_cast<int64_t>(reinterpret_cast<intptr_t>(conv.weight)),
                    static_cast<int64_t>(sizeof(T)), conv.groups, conv.weight_group, conv.rows,
                    conv.weight_row, conv.channels, conv.weight_channel}};
  std::copy(numbers.begin(), numbers.end(), key.numbers.begin() + 8);
  return key;
}

void run_direct(const DirectConv<float>& conv, const ConvImage& image);
void run_direct(const DirectConv<double>& conv, const ConvImage& image);

}  // namespace tilegrad
