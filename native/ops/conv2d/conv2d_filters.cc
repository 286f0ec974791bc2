// Lanes hold filters, so that no output width leaves lanes idle: 7 columns fill as many as 16 do. Images are
// copied first where padding or stride ask for it. A task is one panel of filters at a band of output rows;
// it computes pixels of filters (rows * columns, lanes) in its cache and writes them as planes, while the
// weights of the panel that comes next are brought into L2: with one image, weights are most of what is read.
#include "ops/conv2d/conv2d_filters.h"

#include <algorithm>
#include <vector>

#include "core/ceil_div.h"
#include "core/cpu/gemm_kernels.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "ops/conv2d/conv2d_filters_simd.h"

namespace tilegrad {
namespace {

constexpr int64_t kFewImages = 8;
constexpr int64_t kTaskWork = 1 << 20;  // multiply-adds
constexpr int64_t kEnoughTasks = 32;
constexpr int64_t kBandBytes = 256 << 10;   // of finished pixels: a part of L2
constexpr int64_t kCopyElements = 1 << 14;  // that one task copies

class Filters {
 public:
  Filters(const DirectConv<float>& conv, const ConvImage& image)
      : conv_(conv),
        image_(image),
        depth_(conv.channels * static_cast<int64_t>(image.taps().size())),
        panel_filters_(geometry_.vectors * geometry_.lanes),
        panels_(ceil_div(conv.rows, panel_filters_)),
        in_place_(image.reads_in_place(conv.out_h)) {
    offsets_ = in_place_ ? image.offsets_in_place(conv.channels)
                         : image.offsets_in_copy(conv.channels, conv.out_h);
    pitch_ = in_place_ ? conv.in_w : image.pitch();
    band_ = band_rows();
  }

  void run();

 private:
  // Two rows of a narrow image make a tile, so a band has an even number of them.
  int64_t band_rows() const {
    const int64_t row = conv_.out_w * panel_filters_;
    int64_t band = conv_.out_h;
    const auto tasks = [&] {
      return conv_.images * conv_.groups * panels_ * ceil_div(conv_.out_h, band);
    };
    const auto halve = [&] { band = ceil_div(band, 4) * 2; };
    while (band > 2 && tasks() < kEnoughTasks && band * row * depth_ > kTaskWork) halve();
    while (band > 2 && band * row * static_cast<int64_t>(sizeof(float)) > kBandBytes) halve();
    return band;
  }
  // The last panel has as many vectors as it has filters for.
  int vectors(int64_t panel) const {
    const int64_t filters = std::min(panel_filters_, conv_.rows - panel * panel_filters_);
    return filters <= geometry_.lanes ? 1 : geometry_.vectors;
  }
  int64_t group_weights() const {
    return ((panels_ - 1) * panel_filters_ + vectors(panels_ - 1) * geometry_.lanes) * depth_;
  }
  size_t weight_bytes() const {
    return sizeof(float) * static_cast<size_t>(conv_.groups * group_weights());
  }
  int64_t image_elements() const { return conv_.channels * image_.plane(conv_.out_h); }

  void pack_weights(float* out) const;
  void copy_images(float* images) const;
  void run_task(const float* weights, const float* images, int64_t task) const;

  const DirectConv<float>& conv_;
  const ConvImage& image_;
  const FiltersGeometry geometry_ = TILEGRAD_SIMD(filters_geometry)();
  const int64_t depth_, panel_filters_, panels_;
  const bool in_place_;
  std::vector<int64_t> offsets_;
  int64_t pitch_, band_;
};

void Filters::pack_weights(float* out) const {
  const GemmKernels<float> kernels;
  parallel_for(
      conv_.groups * panels_, grain_for(panel_filters_ * depth_, 1 << 14),
      [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t group = i / panels_, filter = i % panels_ * panel_filters_;
          const int pitch = vectors(i % panels_) * geometry_.lanes;
          const int width = static_cast<int>(std::min<int64_t>(pitch, conv_.rows - filter));
          kernels.pack({out + group * group_weights() + filter * depth_, pitch, width, depth_,
                        conv_.weight + group * conv_.weight_group + filter * conv_.weight_row,
                        conv_.weight_row, 1});
        }
      });
}

void Filters::copy_images(float* images) const {
  const int64_t planes = conv_.images * conv_.groups * conv_.channels;
  const int64_t plane = image_.plane(conv_.out_h), in_plane = conv_.in_h * conv_.in_w;
  parallel_for(planes, grain_for(plane, kCopyElements), [&](int64_t begin, int64_t end) {
    image_.copy(conv_.in + begin * in_plane, end - begin, 0, conv_.out_h, images + begin * plane);
  });
}

void Filters::run_task(const float* weights, const float* images, int64_t task) const {
  const int64_t bands = ceil_div(conv_.out_h, band_), first = task % bands * band_;
  const int64_t panel = task / bands % panels_, at = task / bands / panels_;
  const int64_t group = at % conv_.groups;  // at = image * groups + group
  const int64_t filter = panel * panel_filters_, rows = std::min(band_, conv_.out_h - first);
  const int64_t pixels = rows * conv_.out_w, lanes = geometry_.lanes;

  FiltersPanel f = {};
  f.depth = depth_, f.vectors = vectors(panel);
  f.weights = weights + group * group_weights() + filter * depth_;
  f.offsets = offsets_.data();
  f.image = images +
            at * (in_place_ ? conv_.channels * conv_.in_h * conv_.in_w : image_elements()) +
            first * pitch_;
  f.rows = rows, f.cols = conv_.out_w, f.pitch = pitch_;
  f.filters = static_cast<int>(std::min(panel_filters_, conv_.rows - filter));
  f.bias = conv_.bias != nullptr ? conv_.bias + group * conv_.rows + filter : nullptr;
  f.out = static_cast<float*>(
      scratch(ScratchSlot::chunk, sizeof(float) * static_cast<size_t>(pixels * panel_filters_)));
  f.weights_end = weights + (group + 1) * group_weights();
  TILEGRAD_SIMD(filters_panel)(f);

  for (int64_t v = 0; v < f.vectors; ++v) {
    const int64_t place =
        (at * conv_.rows + filter + v * lanes) * conv_.out_plane + first * conv_.out_row;
    FiltersPixels p = {};
    p.pixels = f.out + v * pixels * lanes;
    p.height = rows, p.width = conv_.out_w;
    p.filters = static_cast<int>(std::min<int64_t>(lanes, f.filters - v * lanes));
    p.residual = conv_.residual != nullptr ? conv_.residual + place : nullptr;
    p.activation = conv_.activation;
    p.out = conv_.out + place;
    p.out_plane = conv_.out_plane, p.out_row = conv_.out_row;
    TILEGRAD_SIMD(filters_pixels)(p);
  }
}

void Filters::run() {
  const PackedForm kept = packed_form(
      conv_.packed, weight_key(conv_, "filters", {static_cast<int64_t>(image_.taps().size())}),
      weight_bytes(), [&](void* out) { pack_weights(static_cast<float*>(out)); });
  const int64_t copied = in_place_ ? 0 : conv_.images * conv_.groups * image_elements();
  const size_t copied_bytes = sizeof(float) * static_cast<size_t>(ceil_div(copied, 16) * 16);
  float* copy = static_cast<float*>(
      scratch(ScratchSlot::region, copied_bytes + (kept != nullptr ? 0 : weight_bytes())));
  const float* weights = static_cast<const float*>(kept.get());
  if (weights == nullptr) {
    pack_weights(copy + copied_bytes / sizeof(float));
    weights = copy + copied_bytes / sizeof(float);
  }
  if (!in_place_) copy_images(copy);
  const float* images = in_place_ ? conv_.in : copy;
  const int64_t bands = ceil_div(conv_.out_h, band_);
  parallel_for(conv_.images * conv_.groups * panels_ * bands, 1,
               [&](int64_t task, int64_t) { run_task(weights, images, task); });
}

}  // namespace

bool filters_suit(const DirectConv<float>& conv, int64_t taps) {
  if (conv.images * conv.groups * conv.rows * conv.out_h * conv.out_w == 0) return false;
  if (conv.pool || conv.out_col != 1 || conv.weight_channel != taps) return false;
  const int64_t lanes = TILEGRAD_SIMD(filters_geometry)().lanes;
  return conv.images * conv.groups < kFewImages && 4 * conv.rows >= 3 * lanes &&
         conv.channels * taps >= 16;
}

void run_filters(const DirectConv<float>& conv, const ConvImage& image) {
  Filters(conv, image).run();
}

}  // namespace tilegrad
