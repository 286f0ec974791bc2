#include "ops/int8_conv2d/int8_conv2d_plan.h"

#include <algorithm>
#include <cstring>

#include "core/cpu/amx.h"
#include "core/parallel.h"

namespace tilegrad {
namespace {

// Steps and planes of groups of 4, for each layout.
struct Counts {
  int64_t taps, planes, across;

  explicit Counts(const ConvShape& s)
      : taps(s.c / s.groups * s.r * ceil_div(s.s, 4)),
        planes(ceil_div(s.c / s.groups, 4)),
        across(planes * s.r * s.s) {}
};

// Cycles per 16 pixels: 16 for a tile of sums and step, a few for a plane that is laid out.
int64_t patches_cost(const ConvShape& s) {
  const Counts n(s);
  return ceil_div(n.taps, kAmxRows) * 16 * ceil_div(s.k / s.groups, kAmxRows) + 4 * n.taps;
}
int64_t across_cost(const ConvShape& s) {
  const Counts n(s);
  const int64_t steps = ceil_div(n.planes, kAmxRows) * s.r * s.s;
  return steps * 16 * ceil_div(s.k / s.groups, kAmxRows) + 12 * n.planes;
}

// Without tiles two vectors of groups a cycle are multiplied.
bool takes_tiles(const ConvShape& s) {
  if (!has_amx() || s.c == 0) return false;
  const Counts n(s);
  const int64_t steps = s.stride_w == 1 ? std::min(n.taps, n.across) : n.across;
  const int64_t vectors = steps * (s.k / s.groups) / 2 + 12 * n.planes;
  constexpr int64_t kConfigure = 20;
  return std::min(patches_cost(s), across_cost(s)) + kConfigure < vectors;
}

}  // namespace

Int8DirectPlan::Int8DirectPlan(const ConvShape& s)
    : s_(s),
      tiles_(takes_tiles(s)),
      geometry_(tiles_ ? Int8DirectGeometry{2 * kAmxRows, kAmxCols, 4}
                       : TILEGRAD_SIMD(int8_direct_geometry)()),
      channels_(s.c / s.groups),
      kernels_(s.k / s.groups) {
  choose_layout();
  panel_rows_ = tiles_ ? geometry_.rows : ceil_div(kernels_, ceil_div(kernels_, geometry_.rows));
}

void Int8DirectPlan::choose_layout() {
  const int64_t taps = channels_ * s_.r * ceil_div(s_.s, geometry_.group);
  const int64_t planes = ceil_div(channels_, geometry_.group);
  row_groups_ = ceil_div((s_.q - 1) * s_.stride_w + (s_.s - 1) * s_.dilation_w + 1, s_.stride_w);
  if (tiles_ && patches_cost(s_) < across_cost(s_)) {
    layout_ = Int8Layout::patches;
    row_groups_ = s_.q, planes_ = taps, steps_ = ceil_div(taps, kAmxRows);
    return;
  }
  if (tiles_) {
    planes_ = planes, steps_ = ceil_div(planes, kAmxRows) * s_.r * s_.s;
    return;
  }
  const int64_t across = planes * s_.r * s_.s;
  if (s_.stride_w == 1 && taps < across) layout_ = Int8Layout::along;
  // Without channels a step of zeros.
  steps_ = std::max<int64_t>(layout_ == Int8Layout::along ? taps : across, 1);
  planes_ = layout_ == Int8Layout::along ? channels_ : planes;
}

uint32_t Int8DirectPlan::weight_group(const uint8_t* kernel, int64_t plane, int64_t r,
                                      int64_t s) const {
  if (layout_ == Int8Layout::patches) {
    const int64_t taps = ceil_div(s_.s, geometry_.group);
    s = plane % taps * geometry_.group, r = plane / taps % s_.r, plane /= taps * s_.r;
  }
  const int bits = 32 / geometry_.group;
  const bool across = layout_ == Int8Layout::across;
  uint32_t group = 0;
  for (int i = 0; i < geometry_.group; ++i) {
    const int64_t c = across ? plane * geometry_.group + i : plane, tap = across ? s : s + i;
    if (c >= channels_ || tap >= s_.s) break;
    const auto w = static_cast<int8_t>(kernel[(c * s_.r + r) * s_.s + tap]);
    group |= (static_cast<uint32_t>(w) & (bits == 8 ? 0xffu : 0xffffu)) << (bits * i);
  }
  return group;
}

void Int8DirectPlan::pack_weights(const uint8_t* weight, void* out) {
  std::memset(out, 0, weight_bytes());
  take_weights(out);
  const int64_t panels = ceil_div(kernels_, panel_rows_), depth = channels_ * s_.r * s_.s;
  parallel_for(s_.groups * panels, grain_for(panel_rows_ * depth * 4),
               [&](int64_t begin, int64_t end) {
                 for (int64_t p = begin; p < end; ++p)
                   pack_panel(weight, p / panels, p % panels * panel_rows_);
               });
}

// Kernels from `at` on; groups of weights by step and kernel, with tiles by step, kernel and plane.
void Int8DirectPlan::pack_panel(const uint8_t* weight, int64_t group, int64_t at) const {
  const int64_t first = group * kernels_ + at;
  const int64_t rows = std::min(panel_rows_, kernels_ - at), depth = channels_ * s_.r * s_.s;
  uint32_t* out = panel(group, at);
  const int64_t pitch = tiles_ ? round_up(rows, kAmxRows) : rows, deep = tiles_ ? kAmxRows : 1;
  for (int64_t i = 0; i < rows; ++i) {
    const uint8_t* kernel = weight + (first + i) * depth;
    if (tiles_ && layout_ == Int8Layout::across) {
      pack_tile_row(kernel, reinterpret_cast<uint8_t*>(out + i * deep), pitch * kAmxDepth);
    } else {
      each_step([&](int64_t step, int64_t plane, int64_t r, int64_t s) {
        for (int64_t g = 0; g < deep; ++g)
          out[(step * pitch + i) * deep + g] = weight_group(kernel, plane + g, r, s);
      });
    }
    int32_t sum = 0;
    for (int64_t j = 0; j < depth; ++j) sum += static_cast<int8_t>(kernel[j]);
    sums_[first + i] = sum;
  }
}

// A kernel's channels side by side, 64 of them for each tap; steps lie `pitch` apart.
void Int8DirectPlan::pack_tile_row(const uint8_t* kernel, uint8_t* out, int64_t pitch) const {
  const int64_t taps = s_.r * s_.s;
  for (int64_t c = 0; c < channels_; c += kAmxDepth, out += taps * pitch) {
    const int64_t deep = std::min<int64_t>(kAmxDepth, channels_ - c);
    for (int64_t tap = 0; tap < taps; ++tap) {
      const uint8_t* in = kernel + c * taps + tap;
      for (int64_t i = 0; i < deep; ++i) out[tap * pitch + i] = in[i * taps];
    }
  }
}

uint32_t* Int8DirectPlan::panel(int64_t group, int64_t at) const {
  return weights_ + (group * packed_kernels() + at) * steps_ * (tiles_ ? kAmxRows : 1);
}

size_t Int8DirectPlan::weight_bytes() const {
  const int64_t groups = s_.groups * packed_kernels() * steps_ * (tiles_ ? kAmxRows : 1);
  return static_cast<size_t>(round_up(s_.k, 16) + groups) * 4;
}

void Int8DirectPlan::take_weights(const void* packed) {
  sums_ = const_cast<int32_t*>(static_cast<const int32_t*>(packed));
  weights_ = reinterpret_cast<uint32_t*>(sums_ + round_up(s_.k, 16));
}

}  // namespace tilegrad
