// Weight gradient of 1 x 1 kernels: dweight (filters, channels) = sum over images of dy (filters, pixels) times
// x (channels, pixels) transposed. A task takes one panel of channels through its images: it transposes a block of
// pixels of x, which the product reads from L1 while rows of dy pass where they lie and the next image's channels come
// into L2. Where there are few panels the images are cut into parts too, whose sums are added in order. x is
// read once, dy once per panel, dweight read and written once per block.
#include "ops/conv2d/conv2d_pointwise_weight.h"

#include <algorithm>

#include "core/cpu/gemm_blocked.h"
#include "core/cpu/gemm_kernels.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "ops/conv2d/conv2d_pointwise.h"

namespace tilegrad {
namespace {

constexpr int64_t kFewChannels = 32;
constexpr int64_t kTaskWork = 1 << 19;  // multiply-adds
constexpr int64_t kEnoughTasks = 16;
constexpr int64_t kPartPixels = 768;      // that are worth sums of their own
constexpr int64_t kPartsBytes = 1 << 20;  // of all parts' sums: a part of L2

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

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
        vectors_(ceil_div(channels_, geometry_.lanes)),
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
    const int64_t end = std::min(vectors_ * (panel + 1) / panels_ * geometry_.lanes, channels_);
    return {first, end - first};
  }
  void run_whole() const;
  void run_task(int64_t part, int64_t group, int64_t panel, T* out) const;

  const ConvShape& s_;
  const T *x_, *dy_;
  T* dw_;
  const GemmKernels<T> kernels_;
  const GemmGeometry geometry_;
  const int64_t channels_, filters_, pixels_, elements_;
  const int64_t vectors_, panels_;  // of the channels of one group
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
  p.m = filters_, p.n = c.count;
  p.panel_rows = static_cast<int>(ceil_div(filters_, ceil_div(filters_, geometry_.tile_rows)));
  p.a_row = pixels_;
  p.b = packed;
  p.c = out + group * filters_ * channels_ + c.first, p.c_row = channels_;
  const int64_t begin = s_.n * part / parts_, end = s_.n * (part + 1) / parts_;
  for (int64_t n = begin; n < end; ++n) {
    const T* x = x_ + (n * s_.c + group * channels_ + c.first) * pixels_;
    p.next = n + 1 < end ? x + s_.c * pixels_ : nullptr;
    for (int64_t block = 0; block < blocks_.count; ++block) {
      const int64_t pixel = block * blocks_.depth;
      p.k = std::min(blocks_.depth, pixels_ - pixel);
      kernels_.pack(
          {packed, static_cast<int>(cols), static_cast<int>(c.count), p.k, x + pixel, pixels_, 1});
      p.a = dy_ + (n * s_.k + group * filters_) * pixels_ + pixel;
      kernels_.panels(p);
      p.accumulate = true;
    }
  }
}

template <class T>
void PointwiseWeight<T>::run() {
  if (pixels_ == 1) return run_whole();
  T* sums = dw_;
  if (parts_ > 1) {
    sums = static_cast<T*>(
        scratch(ScratchSlot::region, sizeof(T) * static_cast<size_t>(parts_ * elements_)));
  }
  parallel_for(parts_ * s_.groups * panels_, 1, [&](int64_t task, int64_t) {
    const int64_t part = task / panels_ / s_.groups;
    run_task(part, task / panels_ % s_.groups, task % panels_, sums + part * elements_);
  });
  parallel_for(parts_ > 1 ? elements_ : 0, 1 << 14, [&](int64_t begin, int64_t end) {
    std::copy(sums + begin, sums + end, dw_ + begin);
    for (int64_t i = 1; i < parts_; ++i) {
      const T* from = sums + i * elements_;
      for (int64_t j = begin; j < end; ++j) dw_[j] += from[j];
    }
  });
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
