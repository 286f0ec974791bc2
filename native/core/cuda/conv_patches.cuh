// The patches of images (n, h, w, channels) as an operand of a tile product: a chunk is 16 bytes of channels of one pixel
// under one tap. Along K, lines are output pixels and K runs over (tap, channel): the convolution; along lines, lines are
// (tap, channel) and K runs over output pixels: the weight gradient. Pixels outside are zero, or `outside` (channels).
#pragma once

#include "core/cuda/pixel.cuh"
#include "core/cuda/ptx.cuh"

namespace tilegrad::cuda {

// Of one group; `width` counts the channels of all groups. 32 bits: the caller has checked.
struct PatchSize {
  int64_t n;
  int h, w, p, q, s;
  int channels, width, taps;
  int stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;
};

// What is kept of a pixel of the output: its image and the patch's corner; far outside where there is none.
struct PatchPixel {
  int64_t image;
  int h, w;
};
// What is kept of a tap and a chunk of channels: the distance from the corner; -1 channels where there is none.
struct PatchTap {
  int h, w, channel;
};

template <class E, bool AlongK>
struct ConvPatches {
  static constexpr bool kAlongK = AlongK;
  using Line = std::conditional_t<AlongK, PatchPixel, PatchTap>;
  using Step = std::conditional_t<AlongK, PatchTap, PatchPixel>;
  const E* x;
  PatchSize z;
  const E* outside = nullptr;

  __device__ PatchPixel pixel(int64_t index, int64_t end) const {
    if (index >= end) return {-1, 0, 0};
    const Pixel at(index, z.p, z.q);
    return {at.image * z.h * z.w * z.width, at.row * z.stride_h - z.pad_top,
            at.column * z.stride_w - z.pad_left};
  }
  __device__ PatchTap tap(int index, int end) const {
    if (index >= end) return {0, 0, -1};
    const int tap = index / z.channels, row = tap / z.s;
    return {row * z.dilation_h, (tap - row * z.s) * z.dilation_w, index - tap * z.channels};
  }
  __device__ Line line(int64_t index) const {
    if constexpr (AlongK)
      return pixel(index, z.n * z.p * z.q);
    else
      return tap(static_cast<int>(index), z.taps * z.channels);
  }
  __device__ Step step(int k, int end) const {
    if constexpr (AlongK)
      return tap(k, end);
    else
      return pixel(k, end);
  }
  __device__ void copy(unsigned char* to, const PatchPixel& pixel, const PatchTap& tap) const {
    const int h = pixel.h + tap.h, w = pixel.w + tap.w;
    const bool exists = pixel.image >= 0 && tap.channel >= 0;
    const bool inside = exists && h >= 0 && h < z.h && w >= 0 && w < z.w;
    const E* from = inside ? x + pixel.image + (int64_t{h} * z.w + w) * z.width + tap.channel : x;
    if (outside != nullptr && exists && !inside) from = outside + tap.channel;
    ptx::cp_async_16(to, from, inside || (outside != nullptr && exists));
  }
  __device__ void copy(unsigned char* to, const PatchTap& tap, const PatchPixel& pixel) const {
    copy(to, pixel, tap);
  }
};

// The pixels of an output gradient that a tap took from a pixel of the input: the convolution's input gradient. Sizes are
// those of the convolution: lines are pixels (n, h, w), K runs over (tap, channel of the output).
template <class E>
struct ConvGradPatches {
  static constexpr bool kAlongK = true;
  using Line = PatchPixel;
  using Step = PatchTap;
  const E* dy;
  PatchSize z;

  __device__ PatchPixel line(int64_t index) const {
    if (index >= z.n * z.h * z.w) return {-1, 0, 0};
    const Pixel at(index, z.h, z.w);
    return {at.image * z.p * z.q * z.width, at.row + z.pad_top, at.column + z.pad_left};
  }
  __device__ PatchTap step(int k, int end) const {
    if (k >= end) return {0, 0, -1};
    const int tap = k / z.channels, row = tap / z.s;
    return {row * z.dilation_h, (tap - row * z.s) * z.dilation_w, k - tap * z.channels};
  }
  __device__ void copy(unsigned char* to, const PatchPixel& pixel, const PatchTap& tap) const {
    const int h = pixel.h - tap.h, w = pixel.w - tap.w;
    int p = h, q = w;
    bool inside = pixel.image >= 0 && tap.channel >= 0 && h >= 0 && w >= 0;
    if (z.stride_h != 1 || z.stride_w != 1) {
      p = h / z.stride_h, q = w / z.stride_w;
      inside = inside && p * z.stride_h == h && q * z.stride_w == w;
    }
    inside = inside && p < z.p && q < z.q;
    const E* from = inside ? dy + pixel.image + (int64_t{p} * z.q + q) * z.width + tap.channel : dy;
    ptx::cp_async_16(to, from, inside);
  }
};

}  // namespace tilegrad::cuda
