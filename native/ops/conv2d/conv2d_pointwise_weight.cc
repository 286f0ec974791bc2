// Weight gradient of 1 x 1 kernels: dweight (filters, channels) = sum over images of dy (filters, pixels) times
// x (channels, pixels) transposed, or the transpose of that where there are few filters: then dy is the
// operand that is transposed. A task takes one panel of its planes through the images: it transposes a block of pixels,
// which the product reads from L1 while the rows of the other operand pass where they lie and the next image's planes
// come into L2. Where there are few panels the images are cut into parts too, whose sums are added in order. The
// transposed operand is read once, the other one once per panel, the sums are read and written once per block.
#include "ops/conv2d/conv2d_pointwise_weight.h"

#include <algorithm>

#include "core/ceil_div.h"
#include "core/cpu/gemm_blocked.h"
#include "core/cpu/gemm_kernels.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "ops/conv2d/conv2d_pointwise.h"

namespace tilegrad {
namespace {

constexpr int64_t kFewChannels = 32;
constexpr int64_t kTurnedFilters = 128;  // more outweigh the transpose of all channels
constexpr int64_t kTaskWork = 1 << 19;   // multiply-adds
constexpr int64_t kEnoughTasks = 16;
constexpr int64_t kPartPixels = 768;      // that are worth sums of their own
constexpr int64_t kPartsBytes = 1 << 20;  // of all parts' sums: a part of L2

template <class T>
class PointwiseWeight {
 public:
  PointwiseWeight(const ConvShape& s, const T* x, const T* dy, T* dw)
      : s_(s),
        x_(x),
        dy_(dy),
        dw_(dw),
        geometry_(kernels_.geometry),
        channels_(s.c / s.groups),
        filters_(s.k / s.groups),
        pixels_(s.p * s.q),
        elements_(s.k * channels_),
        turned_(filters_ <= kTurnedFilters && 4 * filters_ < 3 * channels_),
        rows_(turned_ ? channels_ : filters_),
        cols_(turned_ ? filters_ : channels_),
        vectors_(ceil_div(cols_, geometry_.lanes)),
        panels_(ceil_div(vectors_, geometry_.tile_cols / geometry_.lanes)),
        blocks_(depth_blocks(pixels_, geometry_.one_tile_depth)) {
    const int64_t work = s.n * pixels_ * elements_;
    const int64_t tasks = std::clamp<int64_t>(work / kTaskWork, 1, kEnoughTasks);
    const int64_t bytes = elements_ * static_cast<int64_t>(sizeof(T));
    parts_ = std::min({s.n, ceil_div(tasks, s.groups * panels_),
                       std::max<int64_t>(s.n * pixels_ / kPartPixels, 1),
                       std::max<int64_t>(kPartsBytes / bytes, 1)});
  }

  bool suits() const {
    return pixels_ == 1 || (channels_ >= kFewChannels && filters_ >= kFewChannels);
  }
  void run();

 private:
  struct Columns {
    int64_t first, count;
  };
  Columns columns(int64_t panel) const {
    const int64_t first = vectors_ * panel / panels_ * geometry_.lanes;
    const int64_t end = std::min(vectors_ * (panel + 1) / panels_ * geometry_.lanes, cols_);
    return {first, end - first};
  }
  void run_whole() const;
  void run_task(int64_t part, int64_t group, int64_t panel, T* out) const;
  void add_parts(T* first, const T* others) const;
  void turn(const T* sums) const;

  const ConvShape& s_;
  const T *x_, *dy_;
  T* dw_;
  const GemmKernels<T> kernels_;
  const GemmGeometry geometry_;
  const int64_t channels_, filters_, pixels_, elements_;
  const bool turned_;
  const int64_t rows_, cols_;       // of the sums of one group
  const int64_t vectors_, panels_;  // of the columns
  const DepthBlocks blocks_;        // of the pixels of one image
  int64_t parts_;                   // of the images
};

// Images of one pixel are one product: its depth is their number.
template <class T>
void PointwiseWeight<T>::run_whole() const {
  for (int64_t group = 0; group < s_.groups; ++group) {
    Gemm<T> g = {};
    g.m = filters_, g.n = channels_, g.k = s_.n;
    g.a = dy_ + group * filters_, g.a_row = 1, g.a_col = s_.k;
    g.b = x_ + group * channels_, g.b_row = s_.c, g.b_col = 1;
    g.c = dw_ + group * filters_ * channels_, g.c_row = channels_;
    gemm(g);
  }
}

template <class T>
void PointwiseWeight<T>::run_task(int64_t part, int64_t group, int64_t panel, T* out) const {
  const Columns c = columns(panel);
  const int64_t cols = geometry_.tile_cols;
  T* packed = static_cast<T*>(
      scratch(ScratchSlot::chunk, sizeof(T) * static_cast<size_t>(cols * blocks_.depth)));
  GemmPanels<T> p = {};
  p.m = rows_, p.n = c.count;
  p.panel_rows = static_cast<int>(ceil_div(rows_, ceil_div(rows_, geometry_.tile_rows)));
  p.a_row = pixels_;
  p.b = packed;
  p.c = out + group * rows_ * cols_ + c.first, p.c_row = cols_;
  const T *a = turned_ ? x_ : dy_, *b = turned_ ? dy_ : x_;
  const int64_t begin = s_.n * part / parts_, end = s_.n * (part + 1) / parts_;
  for (int64_t n = begin; n < end; ++n) {
    const int64_t image = n * s_.groups + group;
    const T* planes = b + (image * cols_ + c.first) * pixels_;
    p.next = n + 1 < end ? planes + s_.groups * cols_ * pixels_ : nullptr;
    for (int64_t block = 0; block < blocks_.count; ++block) {
      const int64_t pixel = block * blocks_.depth;
      p.k = std::min(blocks_.depth, pixels_ - pixel);
      kernels_.pack({packed, static_cast<int>(cols), static_cast<int>(c.count), p.k, planes + pixel,
                     pixels_, 1});
      p.a = a + image * rows_ * pixels_ + pixel;
      kernels_.panels(p);
      p.accumulate = true;
    }
  }
}

// In order.
template <class T>
void PointwiseWeight<T>::add_parts(T* first, const T* others) const {
  parallel_for(parts_ > 1 ? elements_ : 0, 1 << 14, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < parts_ - 1; ++i) {
      const T* from = others + i * elements_;
      for (int64_t j = begin; j < end; ++j) first[j] += from[j];
    }
  });
}

// (channels, filters) to (filters, channels).
template <class T>
void PointwiseWeight<T>::turn(const T* sums) const {
  const int64_t lanes = geometry_.lanes, blocks = ceil_div(filters_, lanes);
  const int64_t grain = grain_for(std::min(filters_, lanes) * channels_, 1 << 14);
  parallel_for(s_.groups * blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / blocks * filters_ * channels_, filter = i % blocks * lanes;
      const int width = static_cast<int>(channels_);
      kernels_.pack({dw_ + group + filter * channels_, width, width,
                     std::min(lanes, filters_ - filter), sums + group + filter, filters_, 1});
    }
  });
}

template <class T>
void PointwiseWeight<T>::run() {
  if (pixels_ == 1) return run_whole();
  // The sums of the first part are the result's, unless that must be turned.
  const int64_t aside = parts_ - (turned_ ? 0 : 1);
  T* others = nullptr;
  if (aside > 0) {
    others = static_cast<T*>(
        scratch(ScratchSlot::region, sizeof(T) * static_cast<size_t>(aside * elements_)));
  }
  T* first = dw_;
  if (turned_) first = others, others += elements_;
  parallel_for(parts_ * s_.groups * panels_, 1, [&](int64_t task, int64_t) {
    const int64_t part = task / panels_ / s_.groups;
    run_task(part, task / panels_ % s_.groups, task % panels_,
             part == 0 ? first : others + (part - 1) * elements_);
  });
  add_parts(first, others);
  if (turned_) turn(first);
}

template <class T>
bool run(const ConvShape& s, const T* x, const ConvGradient<T>& dy, T* dw) {
  if (dy.pooled() || !pointwise_fits(s)) return false;
  PointwiseWeight<T> gradient(s, x, dy.dy, dw);
  if (!gradient.suits()) return false;
  gradient.run();
  return true;
}

}  // namespace

bool run_pointwise_weight(const ConvShape& s, const float* x, const ConvGradient<float>& dy,
                          float* dw) {
  return run(s, x, dy, dw);
}
bool run_pointwise_weight(const ConvShape& s, const double* x, const ConvGradient<double>& dy,
                          double* dw) {
  return run(s, x, dy, dw);
}

}  // namespace tilegrad
