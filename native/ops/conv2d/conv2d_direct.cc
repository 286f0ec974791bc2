// A task is one image, one group, one band of output rows: it copies the band of the image where padding
// or stride ask for it, then runs every panel of output channels over all vectors of output columns. Where
// there are few images and the kernels outweigh them, images are copied first and a task is one panel, which
// it packs for itself: each kernel is then read once.
#include "ops/conv2d/conv2d_direct.h"

#include <algorithm>
#include <vector>

#include "core/ceil_div.h"
#include "core/cpu/gemm_kernels.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "ops/conv2d/conv2d_simd.h"
#include "ops/conv2d/conv2d_vectors.h"

namespace tilegrad {
namespace {

constexpr int64_t kTaskWork = 1 << 19;     // multiply-adds
constexpr int64_t kBandBytes = 512 << 10;  // of the copied image: a part of L2
constexpr int64_t kEnoughTasks = 32;
constexpr int64_t kFewImages = 8;
constexpr int64_t kCopyChannels = 16;  // that one task copies

template <class T>
class Direct {
 public:
  Direct(const DirectConv<T>& conv, const ConvImage& image)
      : conv_(conv),
        image_(image),
        depth_(conv.channels * static_cast<int64_t>(image.taps().size())),
        panel_rows_(ceil_div(conv.rows, ceil_div(conv.rows, kernels_.geometry.panel_rows))),
        by_panels_(kernels_outweigh()),
        band_(band_rows()),
        layout_(kernels_.geometry, conv.out_col == 1, conv.out_h, conv.out_w, depth_,
                image.reads_in_place(conv.out_h) ? conv.in_w : image.pitch()),
        in_place_(image.reads_in_place(conv.out_h)) {
    for (size_t i = 0; i < image.taps().size(); ++i) {
      kernels_in_order_ = kernels_in_order_ && image.taps()[i].weight == static_cast<int64_t>(i);
    }
    const bool flat = layout_.flat();
    // Flat runs over whole vectors inside the image: a shorter band is copied, with slack behind it.
    const int64_t last_band = conv.out_h - (ceil_div(conv.out_h, band_) - 1) * band_;
    if (flat && layout_.flat_length(last_band, conv.in_w) < lanes()) in_place_ = false;
    const bool as_they_are = conv.out_col == 1 && !conv.pool;
    segmented_ = flat && as_they_are && kernels_.geometry.masked_stores;
    direct_store_ = segmented_ || (!flat && as_they_are);
    offsets_ = in_place_ ? image.offsets_in_place(conv.channels)
                         : image.offsets_in_copy(conv.channels, band_);
  }

  void run();

 private:
  int64_t lanes() const { return kernels_.geometry.lanes; }
  bool kernels_outweigh() const {
    const int64_t copied = conv_.channels * image_.plane(conv_.out_h);
    return !conv_.pool && conv_.images * conv_.groups < kFewImages &&
           conv_.rows >= 4 * panel_rows_ && conv_.rows * depth_ >= 2 * copied &&
           copied * static_cast<int64_t>(sizeof(T)) <= 2 * kBandBytes;
  }

  int64_t band_rows() const {
    int64_t band = conv_.out_h;
    if (by_panels_) return band;
    const int64_t row_work = std::max<int64_t>(conv_.rows * depth_ * conv_.out_w, 1);
    const auto tasks = [&] { return conv_.images * conv_.groups * ceil_div(conv_.out_h, band); };
    while (band > 1 && tasks() < kEnoughTasks && band * row_work > kTaskWork)
      band = ceil_div(band, 2);
    const auto bytes = [&] {
      return conv_.channels * image_.plane(band) * static_cast<int64_t>(sizeof(T));
    };
    while (band > 4 && bytes() > kBandBytes) band = ceil_div(band, 2);
    return conv_.pool && band < conv_.out_h ? band + band % 2 : band;
  }

  void pack_weights(T* out, int64_t group, int64_t row) const;
  void pack_all_weights(T* out) const;
  PackedForm kept_weights() const;
  ConvVectors vectors(int64_t rows) const {
    return layout_.vectors(rows, in_place_ ? conv_.in_w : image_.pitch(),
                           direct_store_ ? conv_.out_row : conv_.out_w, segmented_);
  }
  void run_band(const T* weights, int64_t task) const;
  void run_by_panels() const;
  void run_panel(const T* weights, const T* image, const ConvVectors& v, int64_t plane, int64_t row,
                 int64_t first, int64_t rows, T* wide) const;
  int64_t copied_elements() const {
    return in_place_ ? 0 : conv_.channels * image_.plane(band_) + lanes();
  }
  int64_t wide_elements() const { return direct_store_ ? 0 : panel_rows_ * whole_.wide_elements; }

  const DirectConv<T>& conv_;
  const ConvImage& image_;
  const ConvKernels<T>& kernels_ = ConvKernels<T>::chosen();
  const GemmKernels<T> gemm_kernels_;
  const int64_t depth_, panel_rows_;
  const bool by_panels_;
  const int64_t band_;
  const ConvVectorLayout layout_;
  PackedForm kept_;  // all packed weights, or null
  bool in_place_, segmented_, direct_store_;
  bool kernels_in_order_ = true;  // the taps are those of a whole kernel, one after the other
  std::vector<int64_t> offsets_;
  ConvVectors whole_, last_;  // of a whole band, and of the last one where it is shorter
};

template <class T>
void Direct<T>::pack_weights(T* out, int64_t group, int64_t row) const {
  const int64_t rows = std::min(panel_rows_, conv_.rows - row);
  const T* weight = conv_.weight + group * conv_.weight_group + row * conv_.weight_row;
  const int64_t taps = static_cast<int64_t>(image_.taps().size());
  if (kernels_in_order_ && conv_.weight_row > 1) {
    // One transpose where the kernels of a row are neighbours, else one per channel.
    const bool together = conv_.weight_channel == taps;
    const int width = static_cast<int>(rows);
    for (int64_t c = 0; c < (together ? 1 : conv_.channels); ++c) {
      gemm_kernels_.pack({out + c * taps * rows, width, width, together ? depth_ : taps,
                          weight + c * conv_.weight_channel, conv_.weight_row, 1});
    }
    return;
  }
  for (int64_t c = 0; c < conv_.channels; ++c) {
    for (const ConvTap& tap : image_.taps()) {
      const T* from = weight + c * conv_.weight_channel + tap.weight;
      for (int64_t i = 0; i < rows; ++i) *out++ = from[i * conv_.weight_row];
    }
  }
}

template <class T>
void Direct<T>::pack_all_weights(T* out) const {
  const int64_t panels = ceil_div(conv_.rows, panel_rows_);
  const int64_t pack_grain = grain_for(panel_rows_ * depth_, 1 << 14);
  parallel_for(conv_.groups * panels, pack_grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / panels, row = i % panels * panel_rows_;
      pack_weights(out + (group * conv_.rows + row) * depth_, group, row);
    }
  });
}

template <class T>
PackedForm Direct<T>::kept_weights() const {
  if (!kernels_in_order_) return nullptr;
  const int64_t taps = static_cast<int64_t>(image_.taps().size());
  const size_t bytes = sizeof(T) * static_cast<size_t>(conv_.groups * conv_.rows * depth_);
  return packed_form(conv_.packed, weight_key(conv_, "direct", {taps, panel_rows_}), bytes,
                     [&](void* out) { pack_all_weights(static_cast<T*>(out)); });
}

// The output channels from `row` on, one panel, at output rows [first, first + rows).
template <class T>
void Direct<T>::run_panel(const T* weights, const T* image, const ConvVectors& v, int64_t plane,
                          int64_t row, int64_t first, int64_t rows, T* wide) const {
  const int64_t out_row = conv_.pool ? first / 2 : first;
  const int64_t at = (plane + row) * conv_.out_plane + out_row * conv_.out_row;
  T* const out = conv_.out + at;
  const T* const residual = conv_.residual != nullptr ? conv_.residual + at : nullptr;
  ConvPanel<T> panel = {};
  panel.rows = static_cast<int>(std::min(panel_rows_, conv_.rows - row));
  panel.depth = depth_;
  panel.weights = weights;
  panel.offsets = offsets_.data();
  panel.image = image;
  panel.vectors = v.whole;
  panel.image_base = v.image_base.data();
  panel.out_base = v.out_base.data();
  panel.segments = segmented_ ? v.segments.data() : nullptr;
  panel.first_segment = v.first_segment.data();
  panel.out = direct_store_ ? out : wide;
  panel.out_row = direct_store_ ? conv_.out_plane : v.wide_elements;
  panel.bias =
      conv_.bias != nullptr ? conv_.bias + plane % (conv_.groups * conv_.rows) + row : nullptr;
  if (direct_store_) panel.residual = residual, panel.activation = conv_.activation;
  if (v.whole > 0) kernels_.panel(panel);
  if (!v.image_high.empty()) {
    panel.vectors = static_cast<int64_t>(v.image_high.size());
    panel.image_base += v.whole, panel.out_base += v.whole;
    panel.image_high = v.image_high.data(), panel.out_high = v.out_high.data();
    kernels_.panel(panel);
  }
  for (int i = 0; i < panel.rows && conv_.pool; ++i) {
    const int64_t place = at + i * conv_.out_plane;
    kernels_.pool({rows / 2, conv_.out_w / 2, wide + i * v.wide_elements, v.wide_row,
                   conv_.out + place, conv_.taps != nullptr ? conv_.taps + place : nullptr,
                   conv_.activation});
  }
  for (int i = 0; i < panel.rows && !direct_store_ && !conv_.pool; ++i) {
    kernels_.copy_rows({rows, conv_.out_w, wide + i * v.wide_elements, v.wide_row,
                        out + i * conv_.out_plane, conv_.out_row, conv_.out_col,
                        residual != nullptr ? residual + i * conv_.out_plane : nullptr,
                        conv_.activation});
  }
}

template <class T>
void Direct<T>::run_band(const T* weights, int64_t task) const {
  const int64_t bands = ceil_div(conv_.out_h, band_);
  const int64_t first = task % bands * band_;
  const int64_t rows = std::min(band_, conv_.out_h - first);
  const int64_t group = task / bands % conv_.groups;
  const int64_t planes = task / bands;  // image * groups + group
  const T* in = conv_.in + planes * conv_.channels * conv_.in_h * conv_.in_w;
  const ConvVectors& v = rows == band_ ? whole_ : last_;

  const int64_t copied = copied_elements();
  T* buffer = static_cast<T*>(scratch(ScratchSlot::chunk, sizeof(T) * (copied + wide_elements())));
  const T* image = in + first * conv_.in_w;
  if (!in_place_) {
    // Offsets are those of a whole band, so the last band is copied as one, zeros below the image.
    image_.copy(in, conv_.channels, first, band_, buffer);
    std::fill(buffer + copied - lanes(), buffer + copied, T{});
    image = buffer;
  }
  weights += group * conv_.rows * depth_;
  for (int64_t row = 0; row < conv_.rows; row += panel_rows_) {
    run_panel(weights + row * depth_, image, v, planes * conv_.rows, row, first, rows,
              buffer + copied);
  }
}

template <class T>
void Direct<T>::run_by_panels() const {
  const int64_t copied = copied_elements(), planes = conv_.images * conv_.groups;
  const int64_t plane = image_.plane(band_), in_plane = conv_.in_h * conv_.in_w;
  T* images = nullptr;
  if (!in_place_) {
    images = static_cast<T*>(scratch(ScratchSlot::region, sizeof(T) * planes * copied));
    const int64_t parts = ceil_div(conv_.channels, kCopyChannels);
    parallel_for(planes * parts, 1, [&](int64_t task, int64_t) {
      const int64_t image = task / parts, channel = task % parts * kCopyChannels;
      const int64_t count = std::min(kCopyChannels, conv_.channels - channel);
      image_.copy(conv_.in + (image * conv_.channels + channel) * in_plane, count, 0, band_,
                  images + image * copied + channel * plane);
      if (channel + count == conv_.channels) {
        std::fill(images + (image + 1) * copied - lanes(), images + (image + 1) * copied, T{});
      }
    });
  }
  const int64_t panels = ceil_div(conv_.rows, panel_rows_);
  const int64_t kernels = round_up(panel_rows_ * depth_, 16);
  parallel_for(conv_.groups * panels, 1, [&](int64_t task, int64_t) {
    const int64_t group = task / panels, row = task % panels * panel_rows_;
    T* own = static_cast<T*>(scratch(ScratchSlot::chunk, sizeof(T) * (kernels + wide_elements())));
    const T* weights = own;
    if (kept_ != nullptr) {
      weights = static_cast<const T*>(kept_.get()) + (group * conv_.rows + row) * depth_;
    } else {
      pack_weights(own, group, row);
    }
    for (int64_t image = 0; image < conv_.images; ++image) {
      const int64_t at = image * conv_.groups + group;
      const T* in = in_place_ ? conv_.in + at * conv_.channels * in_plane : images + at * copied;
      run_panel(weights, in, whole_, at * conv_.rows, row, 0, conv_.out_h, own + kernels);
    }
  });
}

template <class T>
void Direct<T>::run() {
  whole_ = vectors(band_);
  kept_ = kept_weights();
  if (by_panels_) return run_by_panels();
  const T* weights = static_cast<const T*>(kept_.get());
  if (weights == nullptr) {
    const size_t elements = static_cast<size_t>(conv_.groups * conv_.rows * depth_);
    T* own = static_cast<T*>(scratch(ScratchSlot::region, sizeof(T) * elements));
    pack_all_weights(own);
    weights = own;
  }
  const int64_t bands = ceil_div(conv_.out_h, band_);
  const int64_t last_rows = conv_.out_h - (bands - 1) * band_;
  if (last_rows != band_) last_ = vectors(last_rows);
  const int64_t work = conv_.rows * depth_ * band_ * conv_.out_w;
  parallel_for(conv_.images * conv_.groups * bands, grain_for(work, kTaskWork),
               [&](int64_t begin, int64_t end) {
                 for (int64_t task = begin; task < end; ++task) run_band(weights, task);
               });
}

template <class T>
void run(const DirectConv<T>& conv, const ConvImage& image) {
  if (conv.images * conv.groups * conv.rows * conv.out_h * conv.out_w == 0) return;
  Direct<T>(conv, image).run();
}

}  // namespace

void run_direct(const DirectConv<float>& conv, const ConvImage& image) { run(conv, image); }
void run_direct(const DirectConv<double>& conv, const ConvImage& image) { run(conv, image); }

}  // namespace tilegrad
