// Weight gradient: a reduction over images and positions. The images are cut into a number of parts that
// depends on the shape alone; each part sums into a buffer of its own and the buffers are added in
// order, so the bits do not depend on the threads. Within a part, either filters lie along the lanes (dy of a
// few rows is transposed to panels of filters, channels last, each of which stays in L1) or, where they
// are few, output columns do.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "core/ceil_div.h"
#include "core/cpu/gemm_kernels.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "ops/conv2d/conv2d_depthwise.h"
#include "ops/conv2d/conv2d_image.h"
#include "ops/conv2d/conv2d_kernels.h"
#include "ops/conv2d/conv2d_patch_gradient.h"
#include "ops/conv2d/conv2d_pointwise_weight.h"
#include "ops/conv2d/conv2d_simd.h"
#include "ops/conv2d/conv2d_winograd.h"
#include "ops/conv2d/conv2d_winograd_weight.h"

namespace tilegrad {
namespace {

constexpr int64_t kMaxParts = 16;
constexpr int64_t kPartsBytes = 1 << 20;  // of all parts' sums: a part of L2
constexpr int64_t kEnoughTasks = 16;
constexpr int64_t kBlockTaps = 256;         // of a task: each transposes dy for itself
constexpr int64_t kTaskWork = 1 << 19;      // multiply-adds
constexpr int64_t kPanelVectors = 640;      // of a panel of dy: a part of L1
constexpr int64_t kImageBytes = 128 << 10;  // of copied planes

// A kernel of 1 x 1 meets whole planes: rows are then as long as `most` allows.
ConvShape flattened(const ConvShape& s, int64_t most) {
  ConvShape flat = s;
  const int64_t positions = s.p * s.q;
  const bool whole = s.r * s.s * s.stride_h * s.stride_w == 1 && s.p == s.h && s.q == s.w;
  if (!whole || s.pad_top != 0 || s.pad_left != 0) return flat;
  int64_t rows = std::min(ceil_div(positions, most), s.h);
  while (positions % rows != 0) ++rows;
  flat.h = flat.p = rows;
  flat.w = flat.q = positions / rows;
  return flat;
}

template <class T>
class WeightGradient {
 public:
  WeightGradient(const ConvShape& s, const T* x, const ConvGradient<T>& dy, T* dw)
      : lanes_(kernels_.geometry.lanes),
        vectors_(ceil_div(s.k / s.groups, lanes_)),
        panels_(ceil_div(vectors_, TILEGRAD_SIMD(conv_weight_vectors)())),
        s_(flattened(s, panel_positions())),
        x_(x),
        dy_(dy),
        dw_(dw),
        image_(s_.h, s_.w, s_.stride_h, s_.stride_w, s_.pad_top, s_.pad_left, s_.q, all_taps(s_)),
        channels_(s.c / s.groups),
        filters_(s.k / s.groups),
        plane_taps_(s.r * s.s) {
    by_filters_ = 2 * filters_ > lanes_;
    pitch_ = by_filters_ ? vectors_ * lanes_ : filters_;
    in_place_ = image_.reads_in_place(s_.p);
    cut();
    block();
  }

  void run();

 private:
  int64_t panel_positions() const { return kPanelVectors / ceil_div(vectors_, panels_); }
  int64_t taps() const { return channels_ * plane_taps_; }
  // Taps of one kernel row are neighbours in the image, unless a stride or a dilation sets them apart.
  int64_t neighbours() const { return s_.stride_w == 1 && s_.dilation_w == 1 ? s_.s : 1; }
  int64_t image_row() const { return in_place_ ? s_.w : image_.pitch(); }
  void cut();
  void block();
  void run_task(int64_t task, T* sums) const;
  void pack_gradient(const T* from, int64_t positions, T* out) const;
  void by_filters(int64_t group, int64_t image, int64_t channel, int64_t channels, bool first,
                  T* sums) const;
  void by_columns(int64_t group, int64_t image, int64_t images, int64_t channel, int64_t channels,
                  T* sums) const;
  const T* planes(int64_t image, int64_t channel) const {
    return x_ + (image * s_.c + channel) * s_.h * s_.w;
  }
  void add_parts(T* sums, int64_t rows, int64_t width, int64_t pitch) const;
  void write_filters(T* sums, int64_t group, int64_t begin, int64_t end) const;

  const ConvKernels<T> kernels_;
  const GemmKernels<T> gemm_kernels_;
  const int64_t lanes_, vectors_, panels_;  // of the filters of one group
  const ConvShape s_;
  const T* x_;
  const ConvGradient<T>& dy_;
  T* dw_;
  const ConvImage image_;
  const int64_t channels_, filters_, plane_taps_;  // of one group
  bool by_filters_, in_place_;
  int64_t pitch_;           // filters of a row of sums, padded to whole vectors
  int64_t parts_;           // of the images
  int64_t channel_blocks_;  // tasks per part and group
  int64_t rows_, at_once_;
  std::vector<int64_t> offsets_;
};

// The parts of images first, then blocks of channels until there are enough tasks.
template <class T>
void WeightGradient<T>::cut() {
  const int64_t bytes = std::max<int64_t>(s_.groups * taps() * pitch_ * sizeof(T), 1);
  const int64_t work = std::max<int64_t>(s_.n * s_.p * s_.q * s_.k * taps(), 1);
  const int64_t tasks = std::clamp<int64_t>(work / kTaskWork, 1, kEnoughTasks);
  const int64_t most = std::clamp<int64_t>(kPartsBytes / bytes, 1, kMaxParts);
  parts_ = std::min({s_.n, most, ceil_div(tasks, s_.groups)});
  // Few parts cannot feed the threads, so that smaller blocks pay.
  const int64_t least = parts_ * s_.groups >= 4 ? kBlockTaps : kBlockTaps / 16;
  channel_blocks_ = std::clamp<int64_t>(ceil_div(tasks, parts_ * s_.groups), 1,
                                        std::clamp<int64_t>(taps() / least, 1, channels_));
}

// How much is copied at once: rows of output for dy, channels for the image.
template <class T>
void WeightGradient<T>::block() {
  rows_ = s_.p;
  if (by_filters_) rows_ = std::clamp<int64_t>(panel_positions() / s_.q, 1, s_.p);
  const int64_t plane_bytes = image_.plane(rows_) * static_cast<int64_t>(sizeof(T));
  const int64_t fitting = by_filters_ ? kImageBytes / std::max<int64_t>(plane_bytes, 1) : 1;
  const int64_t wanted = by_filters_ ? ceil_div(16, plane_taps_) : 1;
  at_once_ = in_place_ ? channels_ : std::min(channels_, std::max(fitting, wanted));
  offsets_ =
      in_place_ ? image_.offsets_in_place(at_once_) : image_.offsets_in_copy(at_once_, rows_);
}

// dy at `positions` neighbouring positions, as panels.
template <class T>
void WeightGradient<T>::pack_gradient(const T* from, int64_t positions, T* out) const {
  const int64_t plane = s_.p * s_.q;
  for (int64_t i = 0; i < panels_; ++i) {
    const int64_t first = vectors_ * i / panels_ * lanes_;
    const int64_t pitch = vectors_ * (i + 1) / panels_ * lanes_ - first;
    gemm_kernels_.pack({out + first * positions, static_cast<int>(pitch),
                        static_cast<int>(std::min(pitch, filters_ - first)), positions,
                        from + first * plane, plane, 1});
  }
}

// Filters along the lanes: sums (taps, pitch), which the first image overwrites.
template <class T>
void WeightGradient<T>::by_filters(int64_t group, int64_t image, int64_t channel, int64_t channels,
                                   bool first, T* sums) const {
  const int64_t dy_elements = rows_ * s_.q * pitch_;
  const int64_t copied = in_place_ ? 0 : at_once_ * image_.plane(rows_);
  const int64_t spread = dy_.pooled() ? filters_ * s_.p * s_.q : 0;
  T* dy = static_cast<T*>(scratch(ScratchSlot::chunk, sizeof(T) * (dy_elements + copied + spread)));
  T* copy = dy + dy_elements;
  const T* from = dy_.planes(image * s_.k + group * filters_, filters_, copy + copied);
  for (int64_t p = 0; p < s_.p; p += rows_) {
    const int64_t height = std::min(rows_, s_.p - p);
    pack_gradient(from + p * s_.q, height * s_.q, dy);
    for (int64_t c = 0; c < channels; c += at_once_) {
      const int64_t count = std::min(at_once_, channels - c);
      const T* in = planes(image, group * channels_ + channel + c);
      if (!in_place_) image_.copy(in, count, p, rows_, copy);
      kernels_.weight_tile({count * plane_taps_, pitch_, neighbours(), offsets_.data(),
                            in_place_ ? in + p * s_.w : copy, image_row(), dy, height, s_.q,
                            sums + c * plane_taps_ * pitch_, first && p == 0});
    }
  }
}

// Output columns along the lanes, all images of the part at once: sums (filters, taps).
template <class T>
void WeightGradient<T>::by_columns(int64_t group, int64_t image, int64_t images, int64_t channel,
                                   int64_t channels, T* sums) const {
  const int64_t plane = image_.plane(rows_);
  ConvWeightDot<T> dot = {};
  dot.filters = filters_;
  dot.run = neighbours();
  dot.offsets = offsets_.data();
  dot.images = images;
  dot.dy_plane = s_.p * s_.q;
  const bool spread = dy_.pooled();
  dot.dy_stride = (spread ? filters_ : s_.k) * dot.dy_plane;
  dot.rows = s_.p, dot.cols = s_.q;
  dot.sums_row = taps();
  dot.image_stride = in_place_ ? s_.c * s_.h * s_.w : plane;
  dot.image_row = image_row();
  const int64_t copied = in_place_ ? 0 : images * plane;
  T* copy = static_cast<T*>(
      scratch(ScratchSlot::chunk, sizeof(T) * (copied + (spread ? images * dot.dy_stride : 0))));
  const auto dy_of = [&](int64_t i) {
    return dy_.planes((image + i) * s_.k + group * filters_, filters_,
                      copy + copied + i * dot.dy_stride);
  };
  dot.dy = dy_of(0);
  for (int64_t i = 1; i < images && spread; ++i) dy_of(i);
  for (int64_t c = 0; c < channels; c += at_once_) {
    const int64_t first = group * channels_ + channel + c;
    for (int64_t i = 0; i < images && !in_place_; ++i) {
      image_.copy(planes(image + i, first), 1, 0, rows_, copy + i * plane);
    }
    dot.taps = std::min(at_once_, channels - c) * plane_taps_;
    dot.image = in_place_ ? planes(image, first) : copy;
    dot.sums = sums + c * plane_taps_;
    kernels_.weight_dot(dot);
  }
}

template <class T>
void WeightGradient<T>::run_task(int64_t task, T* sums) const {
  const int64_t block = task % channel_blocks_;
  const int64_t group = task / channel_blocks_ % s_.groups;
  const int64_t part = task / channel_blocks_ / s_.groups;
  const int64_t image = s_.n * part / parts_, end = s_.n * (part + 1) / parts_;
  const int64_t channel = channels_ * block / channel_blocks_;
  const int64_t channels = channels_ * (block + 1) / channel_blocks_ - channel;
  sums += (part * s_.groups + group) * taps() * pitch_;
  if (!by_filters_) {
    by_columns(group, image, end - image, channel, channels, sums + channel * plane_taps_);
    return;
  }
  T* own = sums + channel * plane_taps_ * pitch_;
  for (int64_t i = image; i < end; ++i) by_filters(group, i, channel, channels, i == image, own);
}

// Adds the parts into the first one, in order, `rows` rows of `width` elements that lie `pitch` apart.
template <class T>
void WeightGradient<T>::add_parts(T* sums, int64_t rows, int64_t width, int64_t pitch) const {
  const int64_t part = s_.groups * taps() * pitch_;
  for (int64_t i = 1; i < parts_; ++i) {
    const T* from = sums + i * part;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t j = 0; j < width; ++j) sums[row * pitch + j] += from[row * pitch + j];
    }
  }
}

// Filters [begin, end) of one group: all parts of (taps, pitch) to (filters, taps).
template <class T>
void WeightGradient<T>::write_filters(T* sums, int64_t group, int64_t begin, int64_t end) const {
  T* from = sums + group * taps() * pitch_;
  T* out = dw_ + (group * filters_ + begin) * taps();
  const int64_t count = end - begin;
  if (by_filters_) {
    const int width = static_cast<int>(taps());
    add_parts(from + begin, taps(), count, pitch_);
    gemm_kernels_.pack({out, width, width, count, from + begin, pitch_, 1});
  } else {
    add_parts(from + begin * taps(), 1, count * taps(), 0);
    std::copy(from + begin * taps(), from + end * taps(), out);
  }
}

template <class T>
void WeightGradient<T>::run() {
  const int64_t tasks = parts_ * s_.groups * channel_blocks_;
  const size_t elements = static_cast<size_t>(parts_ * s_.groups * taps() * pitch_);
  T* sums = static_cast<T*>(scratch(ScratchSlot::region, sizeof(T) * elements));
  const int64_t work = s_.n * s_.p * s_.q * s_.k * taps() / tasks;
  parallel_for(tasks, grain_for(work, kTaskWork / 2), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) run_task(task, sums);
  });
  const int64_t blocks = ceil_div(filters_, lanes_);
  const int64_t moved = std::min(filters_, lanes_) * taps() * parts_;
  parallel_for(s_.groups * blocks, grain_for(moved, 1 << 14), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % blocks * lanes_;
      write_filters(sums, i / blocks, first, std::min(first + lanes_, filters_));
    }
  });
}

template <class T>
void gradient_of_group(const ConvShape& s, const T* x, const ConvGradient<T>& dy, bool winograd,
                       T* dw) {
  if constexpr (std::is_same_v<T, float>) {
    if (winograd && winograd_fits(s) && run_winograd_weight(s, x, dy, dw)) return;
  }
  if (run_pointwise_weight(s, x, dy, dw)) return;
  if (!dy.pooled() && depthwise_weight_gradient(s, x, dy.dy, dw)) return;
  if (run_patch_gradient(s, x, dy, dw)) return;
  WeightGradient<T>(s, x, dy, dw).run();
}

// Images by groups, whose gradients are added in order: an f32 that has counted to 2^24 sees no further ones.
template <class T>
void weight_gradient(ConvShape s, const T* x, const ConvGradient<T>& dy, bool winograd, T* dw) {
  constexpr int64_t kPositions = 1 << 24;
  const int64_t elements = s.k * (s.c / s.groups) * s.r * s.s, all = s.n, plane = s.p * s.q;
  if (elements == 0) return;
  if (all * plane == 0) {
    std::fill(dw, dw + elements, T{});
    return;
  }
  const int64_t images = std::max<int64_t>(kPositions / plane, 1);
  s.n = std::min(images, all);
  gradient_of_group(s, x, dy, winograd, dw);
  for (int64_t first = images; first < all; first += images) {
    s.n = std::min(images, all - first);
    T* more =
        static_cast<T*>(scratch(ScratchSlot::whole, sizeof(T) * static_cast<size_t>(elements)));
    gradient_of_group(s, x + first * s.c * s.h * s.w, dy.from_plane(first * s.k), winograd, more);
    parallel_for(elements, 1 << 14, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) dw[i] += more[i];
    });
  }
}

}  // namespace

void conv2d_weight_gradient(const ConvShape& shape, const float* x, const ConvGradient<float>& dy,
                            bool winograd, float* dweight) {
  weight_gradient(shape, x, dy, winograd, dweight);
}
void conv2d_weight_gradient(const ConvShape& shape, const double* x, const ConvGradient<double>& dy,
                            bool winograd, double* dweight) {
  weight_gradient(shape, x, dy, winograd, dweight);
}

}  // namespace tilegrad
