// Weight gradient of many filters: dweight (filters, taps) = sum over images of dy (filters, pixels) times the patches
// of x (taps, pixels) transposed, taps being those of all channels. A task takes a panel of taps through the images: it
// copies the channels that they meet where padding or stride ask for it, packs the patches of a block of pixels, which the
// product reads from L1 while the filters' rows of dy pass where they lie. Small images are met together, dy being laid out
// for that first. Sums are read and written once per block in their places; where there are few panels the images are cut
// into parts, whose sums are added in order.
#include "ops/conv2d/conv2d_patch_gradient.h"

#include <algorithm>
#include <vector>

#include "core/ceil_div.h"
#include "core/cpu/gemm_blocked.h"
#include "core/cpu/gemm_kernels.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "ops/conv2d/conv2d_image.h"
#include "ops/conv2d/conv2d_segments.h"

namespace tilegrad {
namespace {

constexpr int64_t kLeastFilters = 64, kLeastTaps = 32, kFewPositions = 1024;
constexpr int64_t kTaskWork = 1 << 19;  // multiply-adds
constexpr int64_t kEnoughTasks = 16;
constexpr int64_t kPartPixels = 768;        // that are worth sums of their own
constexpr int64_t kPartsBytes = 1 << 20;    // of all parts' sums: a part of L2
constexpr int64_t kBlockBytes = 512 << 10;  // of the sums of a task: a part of L2
constexpr int64_t kCopyBytes = 512 << 10;   // of a task's images
constexpr int64_t kFewPixels = 100;         // of images that are met together

void pack_patches(const PackPatches<float>& p) { TILEGRAD_SIMD(pack_patches_f32)(p); }
void pack_patches(const PackPatches<double>& p) { TILEGRAD_SIMD(pack_patches_f64)(p); }

template <class T>
class PatchGradient {
 public:
  PatchGradient(const ConvShape& s, const T* x, const T* dy, T* dw)
      : s_(s),
        x_(x),
        dy_(dy),
        dw_(dw),
        geometry_(kernels_.geometry),
        image_(s.h, s.w, s.stride_h, s.stride_w, s.pad_top, s.pad_left, s.q, all_taps(s)),
        in_place_(image_.reads_in_place(s.p)),
        channels_(s.c / s.groups),
        filters_(s.k / s.groups),
        plane_taps_(s.r * s.s),
        taps_(channels_ * plane_taps_),
        pixels_(s.p * s.q),
        vectors_(ceil_div(taps_, geometry_.lanes)),
        panels_(ceil_div(vectors_, geometry_.tile_cols / geometry_.lanes)),
        copied_plane_(in_place_ ? 0 : image_.plane(s.p)) {
    cut();
  }

  // Filters pay for the patches and the images that are copied for each panel: else kernels that keep the sums in order of
  // the filters do better, and those that read the image where it lies where rows of output are long.
  bool suits() const {
    const int64_t copied_once = met(1) * copied_plane_, positions = s_.n * pixels_;
    const bool many = filters_ >= (positions <= kFewPositions ? kLeastFilters : 2 * kLeastFilters);
    const bool long_rows = s_.q > geometry_.one_tile_depth && filters_ < 4 * kLeastFilters;
    return many && taps_ >= kLeastTaps && !long_rows &&
           kLeastFilters * copied_once <= pixels_ * geometry_.tile_cols * filters_ &&
           copied_once * static_cast<int64_t>(sizeof(T)) <= kCopyBytes;
  }
  void run();

 private:
  // Some panels' taps, from `first` on, of which the first belongs to `channel`.
  struct Columns {
    int64_t first, count, channel, channels;
  };
  Columns columns(int64_t panel, int64_t count) const {
    const int64_t first = vectors_ * panel / panels_ * geometry_.lanes;
    const int64_t end = std::min(vectors_ * (panel + count) / panels_ * geometry_.lanes, taps_);
    const int64_t channel = first / plane_taps_;
    return {first, end - first, channel, (end - 1) / plane_taps_ + 1 - channel};
  }
  // Channels that `panels` neighbouring panels meet at most.
  int64_t met(int64_t panels) const {
    return std::min(channels_, (panels * geometry_.tile_cols - 2) / plane_taps_ + 2);
  }
  int64_t copied() const { return met(at_once_) * copied_plane_; }
  void cut();
  int64_t elements() const { return s_.k * taps_; }
  int64_t plane() const { return s_.h * s_.w; }

  void lay_out_gradient(T* out) const;
  void run_task(int64_t part, int64_t group, int64_t panel, int64_t panels, T* out) const;
  const T* copy_images(int64_t image, int64_t images, int64_t group, const Columns& c,
                       T* space) const;
  void pack(const T* in, int64_t in_image, int64_t first, int64_t depth, const Columns& c, T* space,
            T* out) const;
  void add_parts(const T* others) const;

  const ConvShape& s_;
  const T *x_, *dy_;
  T* dw_;
  const GemmKernels<T> kernels_;
  const GemmGeometry geometry_;
  const ConvImage image_;
  const bool in_place_;
  const int64_t channels_, filters_, plane_taps_, taps_;  // of one group
  const int64_t pixels_;
  const int64_t vectors_, panels_;  // of the taps
  const int64_t copied_plane_;
  int64_t parts_;                 // of the images
  int64_t at_once_;               // panels of a task
  int64_t together_;              // images
  std::vector<int64_t> offsets_;  // of the taps of those channels
  const T* rows_ = nullptr;       // dy as (groups, filters, images, pixels), if it was laid out so
};

// Parts of the images as long as their sums stay in L2, then of the panels: those of a task share dy and the images.
template <class T>
void PatchGradient<T>::cut() {
  constexpr auto size = static_cast<int64_t>(sizeof(T));
  const int64_t work = s_.n * pixels_ * s_.k * taps_;
  const int64_t tasks = std::clamp<int64_t>(work / kTaskWork, 1, kEnoughTasks);
  parts_ = std::min({s_.n, ceil_div(tasks, s_.groups),
                     std::max<int64_t>(s_.n * pixels_ / kPartPixels, 1),
                     std::max<int64_t>(kPartsBytes / (elements() * size), 1)});
  at_once_ = std::max<int64_t>(kBlockBytes / (filters_ * geometry_.tile_cols * size), 1);
  at_once_ = std::min(at_once_, ceil_div(panels_, ceil_div(tasks, s_.groups * parts_)));
  while (at_once_ > 1 && copied() * size > kCopyBytes) --at_once_;
  together_ = 1;
  if (pixels_ <= kFewPixels) {
    const int64_t fitting = kCopyBytes / size / std::max<int64_t>(copied(), 1);
    together_ = std::clamp<int64_t>(fitting, 1, ceil_div(s_.n, parts_));
  }
}

template <class T>
void PatchGradient<T>::lay_out_gradient(T* out) const {
  parallel_for(s_.k, grain_for(s_.n * pixels_, 1 << 14), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      for (int64_t n = 0; n < s_.n; ++n) {
        const T* from = dy_ + (n * s_.k + k) * pixels_;
        std::copy(from, from + pixels_, out + (k * s_.n + n) * pixels_);
      }
    }
  });
}

// The channels that some panels meet, of some images: where they lie or in `space`.
template <class T>
const T* PatchGradient<T>::copy_images(int64_t image, int64_t images, int64_t group,
                                       const Columns& c, T* space) const {
  const T* in = x_ + (image * s_.c + group * channels_ + c.channel) * plane();
  if (in_place_) return in;
  for (int64_t n = 0; n < images; ++n) {
    image_.copy(in + n * s_.c * plane(), c.channels, 0, s_.p, space + n * copied());
  }
  return space;
}

// Pixels [first, first + depth) of one panel's patches, `in` being the images of its first channel: (depth, tile_cols).
template <class T>
void PatchGradient<T>::pack(const T* in, int64_t in_image, int64_t first, int64_t depth,
                            const Columns& c, T* space, T* out) const {
  const int64_t lanes = geometry_.lanes, most = PatchSegments::kMostPixels / lanes * lanes;
  const PixelRows rows{pixels_, s_.q, in_image, in_place_ ? s_.w : image_.pitch()};
  const int64_t* offsets = offsets_.data() + (c.first - c.channel * plane_taps_);
  for (int64_t done = 0; done < depth; done += most) {
    const int64_t width = std::min(most, depth - done);
    const PatchSegments cut(rows, first + done, width, lanes);
    pack_patches({c.count, offsets, in, cut.vectors, cut.segments, cut.first, space, most});
    const int cols = geometry_.tile_cols;
    kernels_.pack(
        {out + done * cols, cols, static_cast<int>(c.count), width, space, most, int64_t{1}});
  }
}

template <class T>
void PatchGradient<T>::run_task(int64_t part, int64_t group, int64_t panel, int64_t panels,
                                T* out) const {
  const Columns all = columns(panel, panels);
  const int64_t cols = geometry_.tile_cols, turned = cols * PatchSegments::kMostPixels;
  const int64_t packed = cols * geometry_.one_tile_depth;
  T* space = static_cast<T*>(scratch(
      ScratchSlot::chunk, sizeof(T) * static_cast<size_t>(packed + turned + together_ * copied())));
  GemmPanels<T> p = {};
  p.m = filters_;
  p.panel_rows = static_cast<int>(ceil_div(filters_, ceil_div(filters_, geometry_.tile_rows)));
  p.a_row = rows_ != nullptr ? s_.n * pixels_ : pixels_;
  p.b = space;
  p.c_row = taps_;
  const int64_t in_image = in_place_ ? s_.c * plane() : copied();
  const int64_t in_channel = in_place_ ? plane() : copied_plane_;
  const int64_t begin = s_.n * part / parts_, end = s_.n * (part + 1) / parts_;
  for (int64_t n = begin; n < end; n += together_) {
    const int64_t images = std::min(together_, end - n);
    const T* in = copy_images(n, images, group, all, space + packed + turned);
    const T* a = rows_ != nullptr ? rows_ + group * filters_ * p.a_row + n * pixels_
                                  : dy_ + (n * s_.k + group * filters_) * pixels_;
    const DepthBlocks blocks = depth_blocks(images * pixels_, geometry_.one_tile_depth);
    for (int64_t block = 0; block < blocks.count; ++block) {
      const int64_t pixel = block * blocks.depth;
      p.k = std::min(blocks.depth, images * pixels_ - pixel);
      p.a = a + pixel;
      for (int64_t i = panel; i < panel + panels; ++i) {
        const Columns c = columns(i, 1);
        pack(in + (c.channel - all.channel) * in_channel, in_image, pixel, p.k, c, space + packed,
             space);
        p.n = c.count;
        p.c = out + group * filters_ * taps_ + c.first;
        kernels_.panels(p);
      }
      p.accumulate = true;
    }
  }
}

// In order.
template <class T>
void PatchGradient<T>::add_parts(const T* others) const {
  parallel_for(parts_ > 1 ? elements() : 0, 1 << 14, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < parts_ - 1; ++i) {
      const T* from = others + i * elements();
      for (int64_t j = begin; j < end; ++j) dw_[j] += from[j];
    }
  });
}

template <class T>
void PatchGradient<T>::run() {
  const int64_t met_at_once = met(1);
  offsets_ =
      in_place_ ? image_.offsets_in_place(met_at_once) : image_.offsets_in_copy(met_at_once, s_.p);
  const int64_t others = (parts_ - 1) * elements();
  const int64_t laid_out = together_ > 1 ? s_.n * s_.k * pixels_ : 0;
  T* sums = nullptr;
  if (others + laid_out > 0) {
    sums = static_cast<T*>(
        scratch(ScratchSlot::region, sizeof(T) * static_cast<size_t>(others + laid_out)));
  }
  if (laid_out > 0) {
    lay_out_gradient(sums + others);
    rows_ = sums + others;
  }
  const int64_t runs = ceil_div(panels_, at_once_);
  parallel_for(parts_ * s_.groups * runs, 1, [&](int64_t task, int64_t) {
    const int64_t part = task / runs / s_.groups, i = task % runs;
    const int64_t panel = panels_ * i / runs;
    run_task(part, task / runs % s_.groups, panel, panels_ * (i + 1) / runs - panel,
             part == 0 ? dw_ : sums + (part - 1) * elements());
  });
  add_parts(sums);
}

template <class T>
bool run(const ConvShape& s, const T* x, const ConvGradient<T>& dy, T* dw) {
  if (dy.pooled() || s.k / s.groups < kLeastFilters) return false;
  PatchGradient<T> gradient(s, x, dy.dy, dw);
  if (!gradient.suits()) return false;
  gradient.run();
  return true;
}

}  // namespace

bool run_patch_gradient(const ConvShape& s, const float* x, const ConvGradient<float>& dy,
                        float* dw) {
  return run(s, x, dy, dw);
}
bool run_patch_gradient(const ConvShape& s, const double* x, const ConvGradient<double>& dy,
                        double* dw) {
  return run(s, x, dy, dw);
}

}  // namespace tilegrad
