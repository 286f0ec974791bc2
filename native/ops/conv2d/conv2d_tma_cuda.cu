#include <algorithm>
#include <numeric>

#include "core/cuda/copy.h"
#include "core/cuda/tensor_map.h"
#include "core/cuda/wgmma_operand.h"
#include "ops/conv2d/conv2d_mma.cuh"
#include "ops/conv2d/conv2d_tma.cuh"

namespace tilegrad {

namespace {

using cuda::PixelWindow;

template <class T>
constexpr CUtensorMapDataType kMapType = CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
template <>
constexpr CUtensorMapDataType kMapType<bf16> = CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;

// Channels in whole stages waste little, and what a stage holds beyond a group's channels is not another group's, unless
// the product does not store it.
bool channels_fit(int channels, int groups, bool stored) {
  const int whole = ceil_div(channels, kTmaStep) * kTmaStep;
  return whole * 4 <= channels * 5 && (whole == channels || groups == 1 || !stored);
}

// x under the window that makes y. `channels`: of one group, padded.
PixelWindow forward_window(const ConvSizes& z, int channels) {
  return {z.n,
          z.h,
          z.w,
          channels * z.groups,
          z.p,
          z.q,
          -z.pad_top,
          -z.pad_left,
          z.stride_h,
          z.stride_w,
          (z.r - 1) * z.dilation_h,
          (z.s - 1) * z.dilation_w};
}

// The walk over all taps of a window.
TapWalk walk_of(const ConvSizes& z, const PixelWindow& window, int channels) {
  TapWalk walk = {};
  walk.s = z.s, walk.taps = z.r * z.s, walk.channels = channels;
  walk.blocks = ceil_div(channels, kTmaStep);
  walk.step_h = z.dilation_h, walk.step_w = z.dilation_w;
  walk.weight_step_h = z.s, walk.weight_step_w = 1;
  walk.rows = window.rows, walk.columns = window.columns;
  walk.lower_h = window.lower_h, walk.lower_w = window.lower_w;
  walk.stride_h = window.stride_h, walk.stride_w = window.stride_w;
  return walk;
}

// The taps that pixels phase + i * stride of dx meet: first + m * step, at place i + lower + (count - 1 - m) * reach of dy.
struct PhaseTaps {
  int first, step, count, lower, reach;
};
PhaseTaps phase_taps(int phase, int pad, int stride, int dilation, int taps) {
  const int step = stride / std::gcd(stride, dilation);
  int first = 0;
  while (first < step && first < taps && (phase + pad - first * dilation) % stride != 0) first++;
  if (first == step || first == taps) return {};
  const int count = ceil_div(taps - first, step), reach = step * dilation / stride;
  return {first, step, count, (phase + pad - first * dilation) / stride - (count - 1) * reach,
          reach};
}

// A phase of the input gradient: dy under the window that makes its pixels, the taps mirrored. Without taps it is zero.
struct Phase {
  int h, w;
  PixelWindow window;
  TapWalk walk;
};
Phase phase_of(const ConvSizes& z, int filters, int phase_h, int phase_w) {
  const PhaseTaps down = phase_taps(phase_h, z.pad_top, z.stride_h, z.dilation_h, z.r);
  const PhaseTaps across = phase_taps(phase_w, z.pad_left, z.stride_w, z.dilation_w, z.s);
  Phase out = {phase_h, phase_w, {}, {}};
  PixelWindow& window = out.window;
  window.n = z.n, window.height = z.p, window.width = z.q, window.channels = filters * z.groups;
  window.rows = ceil_div(z.h - phase_h, z.stride_h);
  window.columns = ceil_div(z.w - phase_w, z.stride_w);
  window.stride_h = window.stride_w = 1;
  out.walk = walk_of(z, window, filters);
  TapWalk& walk = out.walk;
  walk.s = across.count, walk.taps = down.count * across.count;
  if (walk.taps == 0) return out;
  window.lower_h = walk.lower_h = down.lower, window.lower_w = walk.lower_w = across.lower;
  window.far_h = walk.first_h = (down.count - 1) * down.reach, walk.step_h = -down.reach;
  window.far_w = walk.first_w = (across.count - 1) * across.reach, walk.step_w = -across.reach;
  walk.weight = down.first * z.s + across.first;
  walk.weight_step_h = down.step * z.s, walk.weight_step_w = across.step;
  return out;
}

ConvTiles tiles_of(int64_t rows, int64_t columns, int64_t depth, int groups) {
  ConvTiles t = {rows, columns, static_cast<int>(depth), groups, (rows - 1) / 64 % 2 == 0, {}};
  t.split = cuda::split_depth(t.tiles() * groups, depth, kTmaStep, 256);
  return t;
}

// On Hopper where the tiles, with the depth split, fill a third of the device.
template <class T, class Loads, class Out>
bool takes(const cuda::CudaStream& stream, const ConvTiles& t) {
  constexpr int64_t kFewestBlocks = 48;
  static const bool has_code =
      cuda::has_wgmma_code(reinterpret_cast<const void*>(conv_wgmma_tma<T, Loads, Out>));
  return stream.traits().capability == 90 && t.rows >= 48 && t.items() >= kFewestBlocks && has_code;
}

template <class T, class Loads, class Out>
void run(cuda::CudaStream& stream, const CUtensorMap& map_a, const CUtensorMap& map_b,
         const Loads& loads, const Out& out, const ConvTiles& t) {
  auto* kernel = conv_wgmma_tma<T, Loads, Out>;
  cuda::check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                   cudaFuncAttributeMaxDynamicSharedMemorySize, sizeof(ConvRing)),
              "cudaFuncSetAttribute");
  BufferRef space;
  float* partial = nullptr;
  if (t.split.ranges > 1) {
    space = cuda::workspace(
        stream, static_cast<size_t>(t.split.ranges * t.groups * t.rows * t.columns) * 4);
    partial = static_cast<float*>(space->data);
  }
  const int64_t blocks = std::min<int64_t>(t.items(), stream.traits().multiprocessors);
  cuda::check(launch(kernel, dim3(static_cast<unsigned>(blocks)), dim3(cuda::kWgmmaThreads),
                     sizeof(ConvRing), stream.handle(), map_a, map_b, loads, out, t, partial),
              "conv_wgmma_tma");
  if (partial != nullptr)
    add_conv_ranges(stream, out, t.rows, t.columns, t.groups, t.split.ranges, partial);
}

// Weights (groups, rows, taps, channels) by boxes of 64 channels of one tap.
template <class T>
CUtensorMap weight_map(const void* weight, int taps, int channels, const ConvTiles& t) {
  const int64_t size[3] = {channels, taps, t.groups * t.rows};
  const int64_t stride[2] = {channels, int64_t{channels} * taps};
  const int box[2] = {1, t.tile_rows()};
  return cuda::swizzled_map(kMapType<T>, weight, 3, size, stride, sizeof(T), box);
}

ConvTiles tap_tiles(int64_t rows, const PixelWindow& window, const TapWalk& walk, int groups) {
  return tiles_of(rows, window.n * window.rows * window.columns,
                  int64_t{walk.taps} * walk.blocks * kTmaStep, groups);
}

template <class T, class Out>
void run_taps(cuda::CudaStream& stream, const Out& out, const void* images, const void* weight,
              int taps, const PixelWindow& window, const TapWalk& walk, const ConvTiles& t) {
  run<T>(stream, weight_map<T>(weight, taps, walk.channels, t),
         cuda::pixel_map(kMapType<T>, images, window, sizeof(T), t.tile_columns()), TapLoads{walk},
         out, t);
}

}  // namespace

template <class T>
bool try_conv2d_tma(cuda::CudaStream& stream, const ConvForward<T>& conv, const void* x,
                    const void* weight, int channels) {
  const ConvSizes& z = conv.z;
  const PixelWindow window = forward_window(z, channels);
  if (!cuda::window_fits(window) || !channels_fit(channels, z.groups, true)) return false;
  const TapWalk walk = walk_of(z, window, channels);
  const ConvTiles t = tap_tiles(conv.rows(), window, walk, z.groups);
  if (!takes<T, TapLoads, ConvForward<T>>(stream, t)) return false;
  run_taps<T>(stream, conv, x, weight, z.r * z.s, window, walk, t);
  return true;
}

template <class T>
bool try_conv2d_tma(cuda::CudaStream& stream, const ConvInputGrad<T>& conv, const void* dy,
                    const void* weight, int filters) {
  const ConvSizes& z = conv.z;
  if (!channels_fit(filters, z.groups, true) || z.stride_h > z.h || z.stride_w > z.w ||
      z.stride_h * z.stride_w > 16)
    return false;
  const int phases = z.stride_h * z.stride_w;
  const auto each_phase = [&](auto&& use) {
    for (int i = 0; i < phases; i++) {
      const Phase phase = phase_of(z, filters, i / z.stride_w, i % z.stride_w);
      if (!use(phase, tap_tiles(conv.rows(), phase.window, phase.walk, z.groups))) return false;
    }
    return true;
  };
  const bool suits = each_phase([&](const Phase& phase, const ConvTiles& t) {
    return cuda::window_fits(phase.window) && takes<T, TapLoads, PhaseOutput<T>>(stream, t);
  });
  return suits && each_phase([&](const Phase& phase, const ConvTiles& t) {
           const PhaseOutput<T> out = {conv, phase.h, phase.w, phase.window.rows,
                                       phase.window.columns};
           run_taps<T>(stream, out, dy, weight, z.r * z.s, phase.window, phase.walk, t);
           return true;
         });
}

template <class T>
bool try_conv2d_tma(cuda::CudaStream& stream, const ConvWeightGrad<T>& conv, const void* x,
                    const void* dy, int channels, int filters) {
  const ConvSizes& z = conv.z;
  const PixelWindow window = forward_window(z, channels);
  if (!cuda::window_fits(window) || !channels_fit(channels, z.groups, false)) return false;
  const PixelLoads loads = {walk_of(z, window, channels), filters};
  const int whole = loads.walk.blocks * kTmaStep;
  const ConvTiles t =
      tiles_of(conv.rows(), int64_t{loads.walk.taps} * whole, conv.depth(), z.groups);
  const WeightOutput<T> out = {conv, whole, loads.walk.taps};
  if (!takes<T, PixelLoads, WeightOutput<T>>(stream, t)) return false;
  const CUtensorMap map_a =
      cuda::swizzled_map(kMapType<T>, dy, int64_t{filters} * z.groups, conv.depth(),
                         int64_t{filters} * z.groups, sizeof(T), kTmaStep);
  const CUtensorMap map_b = cuda::pixel_map(kMapType<T>, x, window, sizeof(T), kTmaStep);
  run<T>(stream, map_a, map_b, loads, out, t);
  return true;
}

#define TG_CONV_TMA(T)                                                                             \
  template bool try_conv2d_tma(cuda::CudaStream&, const ConvForward<T>&, const void*, const void*, \
                               int);                                                               \
  template bool try_conv2d_tma(cuda::CudaStream&, const ConvInputGrad<T>&, const void*,            \
                               const void*, int);                                                  \
  template bool try_conv2d_tma(cuda::CudaStream&, const ConvWeightGrad<T>&, const void*,           \
                               const void*, int, int);
TG_CONV_TMA(f16)
TG_CONV_TMA(bf16)
#undef TG_CONV_TMA

}  // namespace tilegrad
