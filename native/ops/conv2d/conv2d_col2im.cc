// Input gradient of few output pixels: columns (channels x taps, pixels) = weight (filters, channels x taps) transposed
// times dy (filters, pixels), each of whose rows is added to the pixels of dx that its tap meets. Weights, of which there
// are far more than of anything else, are read once as they lie: a task takes some channels, copies a block of
// their rows side by side into L2 and multiplies by all pixels, whose dy was packed before. The columns of a task
// stay in L2.
#include "ops/conv2d/conv2d_col2im.h"

#include <algorithm>

#include "core/ceil_div.h"
#include "core/cpu/gemm_blocked.h"
#include "core/cpu/gemm_kernels.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"

namespace tilegrad {
namespace {

constexpr int64_t kLeastFilters = 64, kMostPixels = 512;
constexpr int64_t kFewPixels = 200;
constexpr int64_t kLeastBytes = 512 << 10;  // of the weights
constexpr int64_t kTaskRows = 144;          // channels by taps of a task at least
constexpr int64_t kPackWork = 1 << 14;      // elements
constexpr int64_t kTaskWork = 1 << 18;      // multiply-adds

template <class T>
class Col2im {
 public:
  Col2im(const ConvShape& s, const T* dy, const T* weight, T* dx)
      : s_(s),
        dy_(dy),
        weight_(weight),
        dx_(dx),
        geometry_(kernels_.geometry),
        channels_(s.c / s.groups),
        filters_(s.k / s.groups),
        taps_(s.r * s.s),
        pixels_(s.p * s.q),
        columns_(s.n * pixels_),
        panels_(ceil_div(columns_, geometry_.tile_cols)),
        at_once_(std::min(channels_, ceil_div(kTaskRows, taps_))),
        blocks_(depth_blocks(filters_, geometry_.one_tile_depth)) {}

  bool suits() const {
    const int64_t weights = filters_ * channels_ * taps_ * static_cast<int64_t>(sizeof(T));
    return filters_ >= kLeastFilters && columns_ > 0 && columns_ <= kMostPixels &&
           weights >= (columns_ <= kFewPixels ? kLeastBytes : 2 * kLeastBytes);
  }
  void run();

 private:
  int64_t depth_of(int64_t block) const {
    return std::min(blocks_.depth, filters_ - block * blocks_.depth);
  }
  int64_t group_elements() const { return panels_ * geometry_.tile_cols * filters_; }
  void lay_out(T* out) const;
  void pack(const T* dy, T* out) const;
  void run_task(int64_t group, int64_t channel, int64_t channels, const T* packed) const;
  void add_taps(const T* columns, int64_t image, T* dx) const;

  const ConvShape& s_;
  const T *dy_, *weight_;
  T* dx_;
  const GemmKernels<T> kernels_;
  const GemmGeometry geometry_;
  const int64_t channels_, filters_;  // of one group
  const int64_t taps_, pixels_;
  const int64_t columns_, panels_;  // pixels of all images, and their panels
  const int64_t at_once_;           // channels of a task
  const DepthBlocks blocks_;        // of the filters
};

// dy (n, k, pixels) as (k, n, pixels).
template <class T>
void Col2im<T>::lay_out(T* out) const {
  for (int64_t n = 0; n < s_.n; ++n) {
    for (int64_t k = 0; k < s_.k; ++k) {
      const T* from = dy_ + (n * s_.k + k) * pixels_;
      std::copy(from, from + pixels_, out + (k * s_.n + n) * pixels_);
    }
  }
}

// For each group and block of filters: panels of columns.
template <class T>
void Col2im<T>::pack(const T* dy, T* out) const {
  const int64_t cols = geometry_.tile_cols, count = blocks_.count * panels_;
  parallel_for(
      s_.groups * count, grain_for(blocks_.depth * cols, kPackWork),
      [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t group = i / count, block = i % count / panels_;
          const int64_t col = i % panels_ * cols, first = block * blocks_.depth;
          kernels_.pack(
              {out + group * group_elements() + first * panels_ * cols + col * depth_of(block),
               static_cast<int>(cols), static_cast<int>(std::min(cols, columns_ - col)),
               depth_of(block), dy + (group * filters_ + first) * columns_ + col, 1, columns_});
        }
      });
}

// The columns (taps, columns_) of one channel to the plane of one image.
template <class T>
void Col2im<T>::add_taps(const T* columns, int64_t image, T* dx) const {
  std::fill(dx, dx + s_.h * s_.w, T{});
  for (int64_t r = 0; r < s_.r; ++r) {
    for (int64_t c = 0; c < s_.s; ++c) {
      const T* from = columns + (r * s_.s + c) * columns_ + image * pixels_;
      const int64_t left = c * s_.dilation_w - s_.pad_left;
      const int64_t begin = left < 0 ? ceil_div(-left, s_.stride_w) : 0;
      const int64_t end = left < s_.w ? std::min(s_.q, (s_.w - 1 - left) / s_.stride_w + 1) : 0;
      for (int64_t p = 0; p < s_.p; ++p, from += s_.q) {
        const int64_t row = p * s_.stride_h + r * s_.dilation_h - s_.pad_top;
        if (row < 0 || row >= s_.h) continue;
        T* to = dx + row * s_.w + left;
        if (s_.stride_w == 1) {
          for (int64_t q = begin; q < end; ++q) to[q] += from[q];
        } else {
          for (int64_t q = begin; q < end; ++q) to[q * s_.stride_w] += from[q];
        }
      }
    }
  }
}

template <class T>
void Col2im<T>::run_task(int64_t group, int64_t channel, int64_t channels, const T* packed) const {
  const int64_t rows = channels * taps_, weight_row = channels_ * taps_;
  T* space = static_cast<T*>(scratch(
      ScratchSlot::chunk, sizeof(T) * static_cast<size_t>(rows * (blocks_.depth + columns_))));
  T* columns = space + rows * blocks_.depth;
  GemmPanels<T> p = {};
  p.m = rows, p.n = columns_;
  p.panel_rows = static_cast<int>(ceil_div(rows, ceil_div(rows, geometry_.tile_rows)));
  p.a = space, p.a_col = rows;
  p.c = columns, p.c_row = columns_;
  for (int64_t block = 0; block < blocks_.count; ++block) {
    const int64_t first = block * blocks_.depth;
    const T* from = weight_ + (group * filters_ + first) * weight_row + channel * taps_;
    p.k = depth_of(block);
    for (int64_t k = 0; k < p.k; ++k, from += weight_row) {
      std::copy(from, from + rows, space + k * rows);
    }
    p.b = packed + group * group_elements() + first * panels_ * geometry_.tile_cols;
    kernels_.panels(p);
    p.accumulate = true;
  }
  for (int64_t n = 0; n < s_.n; ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      add_taps(columns + c * taps_ * columns_, n,
               dx_ + (n * s_.c + group * channels_ + channel + c) * s_.h * s_.w);
    }
  }
}

template <class T>
void Col2im<T>::run() {
  const int64_t packed = s_.groups * group_elements();
  const int64_t laid_out = s_.n > 1 ? s_.k * columns_ : 0;
  T* space = static_cast<T*>(
      scratch(ScratchSlot::region, sizeof(T) * static_cast<size_t>(packed + laid_out)));
  if (laid_out > 0) lay_out(space + packed);
  pack(laid_out > 0 ? space + packed : dy_, space);
  const int64_t blocks = ceil_div(channels_, at_once_);
  const int64_t work = at_once_ * taps_ * filters_ * columns_;
  parallel_for(s_.groups * blocks, grain_for(work, kTaskWork), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t channel = channels_ * (i % blocks) / blocks;
      run_task(i / blocks, channel, channels_ * (i % blocks + 1) / blocks - channel, space);
    }
  });
}

template <class T>
bool run(const ConvShape& s, const T* dy, const T* weight, T* dx) {
  if (s.k / s.groups < kLeastFilters || s.n * s.p * s.q > kMostPixels) return false;
  Col2im<T> gradient(s, dy, weight, dx);
  if (!gradient.suits()) return false;
  gradient.run();
  return true;
}

}  // namespace

bool run_col2im(const ConvShape& s, const float* dy, const float* weight, float* dx) {
  return run(s, dy, weight, dx);
}
bool run_col2im(const ConvShape& s, const double* dy, const double* weight, double* dx) {
  return run(s, dy, weight, dx);
}

}  // namespace tilegrad
