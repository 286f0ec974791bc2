// Kernels that lie as a row of the depth does are packed by one transpose. Others, those of the input gradient, belong to
// phases: the taps of a few channels are transposed in L1 and dealt out to their phases. Moves 2 elements per weight.
#include "ops/conv2d/conv2d_patch_weights.h"

#include <algorithm>

#include "core/ceil_div.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"

namespace tilegrad {
namespace {

constexpr int64_t kSortedChannels = 16;  // whose images stay in L1 from tap to tap
constexpr int64_t kPackWork = 1 << 15;   // elements

}  // namespace

template <class T>
PatchWeights<T>::PatchWeights(const DirectConv<T>& conv, const ConvImage& image,
                              const PatchGrid& grid)
    : conv_(conv),
      image_(image),
      grid_(grid),
      panel_rows_(ceil_div(conv.rows, ceil_div(conv.rows, kernels_.geometry.tile_rows))),
      together_(conv.weight_channel == static_cast<int64_t>(image.taps().size()) &&
                grid.phases.size() == 1) {}

template <class T>
int64_t PatchWeights<T>::sorted() const {
  return together_ ? 1 : kSortedChannels;
}

// One tap of the `count` channels that are sorted together from `channel` on, in a panel of one phase. Rows are neighbours in `in`.
template <class T>
void PatchWeights<T>::pack_tap(size_t phase, int64_t tap, int64_t row, int64_t channel,
                               int64_t count, const T* in, int64_t in_channel, T* out) const {
  const DepthBlocks cut = blocks(phase);
  const int rows = static_cast<int>(std::min(panel_rows_, conv_.rows - row));
  const PatchPhase& taps = grid_.phases[phase];
  const int64_t first = channel * (taps.last - taps.first) + (tap - taps.first) * count;
  for (int64_t c = 0; c < count;) {
    const int64_t d = first + c, block = d / cut.depth * cut.depth;
    const int64_t deep = std::min(cut.depth, depth(phase) - block);
    const int64_t run = std::min(count - c, block + deep - d);
    T* at = out + conv_.rows * (depth_before(phase) + block) + row * deep + (d - block) * rows;
    kernels_.pack({at, rows, rows, run, in + c * in_channel, 1, in_channel});
    c += run;
  }
}

// The channels that are sorted together from `channel` on, in all panels and phases, `out` being the group's. Kernels of
// several taps have these transposed first.
template <class T>
void PatchWeights<T>::pack_sorted(int64_t group, int64_t channel, T* out) const {
  const int64_t kernel = conv_.weight_row;
  const int64_t count = std::min(kSortedChannels, conv_.channels - channel);
  T* space = static_cast<T*>(
      scratch(ScratchSlot::chunk, sizeof(T) * static_cast<size_t>(count * panel_rows_ * kernel)));
  const T* in = conv_.weight + group * conv_.weight_group + channel * conv_.weight_channel;
  for (int64_t row = 0; row < conv_.rows; row += panel_rows_, in += panel_rows_ * kernel) {
    const int rows = static_cast<int>(std::min(panel_rows_, conv_.rows - row));
    const int64_t turned = rows * kernel;
    for (int64_t c = 0; c < count && kernel > 1; ++c) {
      kernels_.pack(
          {space + c * turned, rows, rows, kernel, in + c * conv_.weight_channel, kernel, 1});
    }
    for (size_t phase = 0; phase < grid_.phases.size(); ++phase) {
      for (int64_t tap = grid_.phases[phase].first; tap < grid_.phases[phase].last; ++tap) {
        const int64_t at = image_.taps()[static_cast<size_t>(tap)].weight * rows;
        pack_tap(phase, tap, row, channel, count, kernel > 1 ? space + at : in,
                 kernel > 1 ? turned : conv_.weight_channel, out);
      }
    }
  }
}

// The panels of one group that lie as the weights do.
template <class T>
void PatchWeights<T>::pack_together(int64_t group, int64_t row, T* out) const {
  const DepthBlocks cut = blocks(0);
  const int rows = static_cast<int>(std::min(panel_rows_, conv_.rows - row));
  const T* in = conv_.weight + group * conv_.weight_group + row * conv_.weight_row;
  for (int64_t begin = 0; begin < depth(0); begin += cut.depth) {
    const int64_t deep = std::min(cut.depth, depth(0) - begin);
    kernels_.pack(
        {out + conv_.rows * begin + row * deep, rows, rows, deep, in + begin, conv_.weight_row, 1});
  }
}

// All panels: for each group and phase, blocks of the depth.
template <class T>
void PatchWeights<T>::pack(T* out) const {
  const int64_t panels = ceil_div(conv_.rows, panel_rows_);
  const int64_t parts = together_ ? panels : ceil_div(conv_.channels, kSortedChannels);
  const int64_t grain = grain_for(ceil_div(group_elements(), parts), kPackWork);
  parallel_for(conv_.groups * parts, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / parts, part = i % parts;
      T* own = out + group * group_elements();
      if (together_) {
        pack_together(group, part * panel_rows_, own);
      } else {
        pack_sorted(group, part * kSortedChannels, own);
      }
    }
  });
}

template class PatchWeights<float>;
template class PatchWeights<double>;

}  // namespace tilegrad
