// out (rows, columns) = weight (rows, depth) x patches (depth, columns), where the columns are the output pixels of all
// images one after the other and the depth are channels and taps: tiles are filled whatever the width of an image.
// Images are copied first where padding or stride ask for it, some at a time; a task packs patches of some tiles, a
// block of the depth at a time, and takes the panels of weights past them. Under a stride the input gradient has a product for
// each phase of the pixels, on one grid; those of one output row are computed aside and meshed as they are written.
#include "ops/conv2d/conv2d_patches.h"

#include <algorithm>

#include "core/ceil_div.h"
#include "core/cpu/gemm_kernels.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "ops/conv2d/conv2d_patch_weights.h"
#include "ops/conv2d/conv2d_segments.h"

namespace tilegrad {
namespace {

constexpr int64_t kTaskWork = 1 << 20;  // multiply-adds
constexpr int64_t kEnoughTasks = 16;
constexpr int64_t kPackWork = 1 << 15;   // elements
constexpr int64_t kCopyBytes = 1 << 20;  // of images at a time: a part of L2
constexpr int64_t kCopyTiles = 32;       // that the images at a time have at least
constexpr int64_t kLeastPanels = 6;      // of a task, which packs its patches

// Where patches do better than rows of the image.
constexpr int64_t kPhaseRows = 8, kPlainRows = 32, kLeastDepth = 64;
constexpr int64_t kRowBytes = 512 << 10, kWeightBytes = 1 << 20;  // parts of L2
constexpr double kPackRows = 8;

template <class T>
struct PatchKernels;
template <>
struct PatchKernels<float> {
  void (*pack)(const PackPatches<float>&) = TILEGRAD_SIMD(pack_patches_f32);
  void (*mesh)(const MeshRows<float>&) = TILEGRAD_SIMD(mesh_rows_f32);
};
template <>
struct PatchKernels<double> {
  void (*pack)(const PackPatches<double>&) = TILEGRAD_SIMD(pack_patches_f64);
  void (*mesh)(const MeshRows<double>&) = TILEGRAD_SIMD(mesh_rows_f64);
};

template <class T>
class Patches {
 public:
  Patches(const DirectConv<T>& conv, const ConvImage& image, const PatchGrid& grid)
      : conv_(conv),
        image_(image),
        grid_(grid),
        geometry_(kernels_.geometry),
        cols_(geometry_.tile_cols),
        taps_(static_cast<int64_t>(image.taps().size())),
        pixels_(grid.height * grid.width),
        weights_(conv, image, grid),
        in_place_(image.reads_in_place(grid.height)),
        fused_(conv.residual == nullptr && conv.activation != ConvActivation::relu6) {
    const std::vector<int64_t> taps =
        in_place_ ? image.offsets_in_place(1) : image.offsets_in_copy(1, grid.height);
    plane_ = in_place_ ? conv.in_h * conv.in_w : image.plane(grid.height);
    pitch_ = in_place_ ? conv.in_w : image.pitch();
    const int64_t together = weights_.sorted();
    for (const PatchPhase& phase : grid.phases) {
      for (int64_t first = 0; first < conv.channels; first += together) {
        const int64_t end = std::min(first + together, conv.channels);
        for (int64_t tap = phase.first; tap < phase.last; ++tap) {
          const int64_t at = taps[static_cast<size_t>(tap)];
          for (int64_t c = first; c < end; ++c) offsets_.push_back(at + c * plane_);
        }
      }
    }
    images_ = conv.images;
    if (!in_place_) {
      const int64_t bytes =
          std::max<int64_t>(image_elements() * static_cast<int64_t>(sizeof(T)), 1);
      images_ = std::max(kCopyBytes / bytes, ceil_div(kCopyTiles * cols_, pixels_));
      images_ = std::clamp<int64_t>(images_, 1, conv.images);
    }
  }

  void run();

 private:
  struct Tile {
    int64_t column, width;
  };
  // Some rows of one tile.
  struct Task {
    int64_t group;
    Tile tile;
    int64_t row, rows;
  };
  // A run of images, whose planes are at `in`.
  struct Batch {
    int64_t image, columns, tiles, tile_cols;
    const T* in;
  };

  int64_t image_elements() const { return conv_.groups * conv_.channels * plane_; }
  Tile tile_at(const Batch& b, int64_t i) const {
    return {i * b.tile_cols, std::min(b.tile_cols, b.columns - i * b.tile_cols)};
  }
  bool in_one_image(Tile t) const { return t.column % pixels_ + t.width <= pixels_; }
  bool stored_directly(Tile t) const { return grid_.phases.size() == 1 && in_one_image(t); }

  // Calls piece(image, pixel, width, columns before it) for each image that the tile meets.
  template <class Piece>
  void each_piece(const Batch& b, Tile t, const Piece& piece) const {
    for (int64_t done = 0; done < t.width;) {
      const int64_t image = (t.column + done) / pixels_, pixel = (t.column + done) % pixels_;
      const int64_t width = std::min(t.width - done, pixels_ - pixel);
      piece(b.image + image, pixel, width, done);
      done += width;
    }
  }
  int64_t out_at(int64_t image, int64_t group, int64_t row) const {
    return ((image * conv_.groups + group) * conv_.rows + row) * conv_.out_plane;
  }

  void run_batch(const T* weights, const Batch& b) const;
  void run_task(const T* weights, const Batch& b, const Task& t) const;
  void multiply(const T* weights, const Batch& b, const Task& t, size_t phase, T* aside,
                T* packed) const;
  void pack_patches(const Batch& b, int64_t group, Tile t, int64_t first, int64_t depth,
                    T* out) const;
  void finish(const Batch& b, const Task& t, const T* aside) const;
  void mesh(const Batch& b, const Task& t, int64_t phase_row, const T* aside) const;

  const DirectConv<T>& conv_;
  const ConvImage& image_;
  const PatchGrid& grid_;
  const GemmKernels<T> kernels_;
  const ConvKernels<T>& conv_kernels_ = ConvKernels<T>::chosen();
  const PatchKernels<T> patch_kernels_;
  const GemmGeometry geometry_;
  const int64_t cols_, taps_, pixels_;
  const PatchWeights<T> weights_;
  const bool in_place_;
  const bool fused_;  // the product's own epilogue does all that is asked for
  int64_t plane_, pitch_;
  int64_t images_;                // at a time
  std::vector<int64_t> offsets_;  // (all phases, depth)
};

// Some of the depth of a tile: (depth, cols).
template <class T>
void Patches<T>::pack_patches(const Batch& b, int64_t group, Tile t, int64_t first, int64_t depth,
                              T* out) const {
  const PatchSegments cut({pixels_, grid_.width, image_elements(), pitch_}, t.column, t.width,
                          geometry_.lanes);
  patch_kernels_.pack({depth, offsets_.data() + first, b.in + group * conv_.channels * plane_,
                       cut.vectors, cut.segments, cut.first, out, cols_});
}

// The rows of one phase; `aside` is (rows, cols).
template <class T>
void Patches<T>::multiply(const T* weights, const Batch& b, const Task& t, size_t phase, T* aside,
                          T* packed) const {
  const DepthBlocks cut = weights_.blocks(phase);
  GemmPanels<T> p = {};
  p.m = t.rows, p.n = t.tile.width;
  p.panel_rows = static_cast<int>(std::min(weights_.panel_rows(), t.rows));
  p.b = packed;
  p.c = aside, p.c_row = cols_;
  if (stored_directly(t.tile)) {
    p.c = conv_.out + out_at(b.image + t.tile.column / pixels_, t.group, t.row) +
          t.tile.column % pixels_;
    p.c_row = conv_.out_plane;
  }
  weights += t.group * weights_.group_elements() + conv_.rows * weights_.depth_before(phase);
  for (int64_t block = 0; block < cut.count; ++block) {
    const int64_t begin = block * cut.depth;
    p.k = std::min(cut.depth, weights_.depth(phase) - begin);
    pack_patches(b, t.group, t.tile, weights_.depth_before(phase) + begin, p.k, packed);
    p.a = weights + conv_.rows * begin + t.row * p.k;
    p.accumulate = block > 0;
    if (block == cut.count - 1) {
      if (conv_.bias != nullptr) p.bias_row = conv_.bias + t.group * conv_.rows + t.row;
      if (fused_ && conv_.activation == ConvActivation::relu) p.activation = Activation::relu;
    }
    kernels_.panels(p);
  }
}

// Residual and activation where the product does not know them, and tiles that stand aside.
template <class T>
void Patches<T>::finish(const Batch& b, const Task& t, const T* aside) const {
  const bool direct = stored_directly(t.tile);
  if (direct && fused_) return;
  each_piece(b, t.tile, [&](int64_t image, int64_t pixel, int64_t width, int64_t at) {
    const int64_t place = out_at(image, t.group, t.row) + pixel;
    CopyRows<T> c = {};
    c.height = t.rows, c.width = width;
    c.in = direct ? conv_.out + place : aside + at;
    c.in_row = direct ? conv_.out_plane : cols_;
    c.out = conv_.out + place, c.out_row = conv_.out_plane, c.out_col = 1;
    c.residual = conv_.residual != nullptr ? conv_.residual + place : nullptr;
    c.activation = fused_ ? ConvActivation::none : conv_.activation;
    conv_kernels_.copy_rows(c);
  });
}

// Output rows of one phase of rows, from the products of its phases of columns: (step_w, rows, cols).
template <class T>
void Patches<T>::mesh(const Batch& b, const Task& t, int64_t phase_row, const T* aside) const {
  const int64_t step = grid_.step_w;
  MeshRows<T> m = {};
  m.height = t.rows, m.step = step;
  m.in_step = t.rows * cols_, m.in_row = cols_;
  m.out_plane = conv_.out_plane;
  each_piece(b, t.tile, [&](int64_t image, int64_t pixel, int64_t width, int64_t at) {
    for (const int64_t end = pixel + width; pixel < end;) {
      const int64_t col = pixel % grid_.width, count = std::min(end - pixel, grid_.width - col);
      const int64_t row = pixel / grid_.width * grid_.step_h + phase_row;
      m.width = std::min(count * step, conv_.out_w - col * step);
      m.in = aside + at;
      m.out = conv_.out + out_at(image, t.group, t.row) + row * conv_.out_row + col * step;
      if (row < conv_.out_h && m.width > 0) patch_kernels_.mesh(m);
      pixel += count, at += count;
    }
  });
}

template <class T>
void Patches<T>::run_task(const T* weights, const Batch& b, const Task& t) const {
  const int64_t results = t.rows * cols_, packed = geometry_.one_tile_depth * cols_;
  const int64_t elements = packed + grid_.step_w * results + geometry_.lanes;
  T* space =
      static_cast<T*>(scratch(ScratchSlot::chunk, sizeof(T) * static_cast<size_t>(elements)));
  T* aside = space + packed;
  for (int64_t a = 0; a < grid_.step_h; ++a) {
    for (int64_t i = 0; i < grid_.step_w; ++i) {
      const auto phase = static_cast<size_t>(a * grid_.step_w + i);
      T* own = aside + i * results;
      if (weights_.depth(phase) == 0) {
        std::fill(own, own + results, T{});
      } else {
        multiply(weights, b, t, phase, own, space);
      }
    }
    if (grid_.phases.size() > 1) mesh(b, t, a, aside);
  }
  if (grid_.phases.size() == 1) finish(b, t, aside);
}

// Tasks are one tile each, and where these are few, some rows of it.
template <class T>
void Patches<T>::run_batch(const T* weights, const Batch& b) const {
  const int64_t panels = ceil_div(conv_.rows, weights_.panel_rows()),
                tasks = conv_.groups * b.tiles;
  const int64_t work = conv_.rows * conv_.channels * taps_ * cols_;
  const int64_t wanted = std::min(ceil_div(kEnoughTasks, tasks), tasks * work / kTaskWork);
  const int64_t parts = std::clamp<int64_t>(wanted, 1, ceil_div(panels, kLeastPanels));
  parallel_for(tasks * parts, parts > 1 ? 1 : grain_for(work, kTaskWork),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t part = i / tasks, tile = i % b.tiles;
                   const int64_t row = panels * part / parts * weights_.panel_rows();
                   const int64_t last =
                       std::min(panels * (part + 1) / parts * weights_.panel_rows(), conv_.rows);
                   run_task(weights, b, {i % tasks / b.tiles, tile_at(b, tile), row, last - row});
                 }
               });
}

template <class T>
void Patches<T>::run() {
  const int64_t elements = conv_.groups * weights_.group_elements();
  const PackedForm kept =
      packed_form(weights_.together() ? conv_.packed : nullptr,
                  weight_key(conv_, "patches", {taps_}), sizeof(T) * static_cast<size_t>(elements),
                  [&](void* out) { weights_.pack(static_cast<T*>(out)); });
  const int64_t own = kept != nullptr ? 0 : round_up(elements, 16);
  const int64_t copied = in_place_ ? 0 : images_ * image_elements();
  T* space =
      static_cast<T*>(scratch(ScratchSlot::region, sizeof(T) * static_cast<size_t>(own + copied)));
  const T* weights = static_cast<const T*>(kept.get());
  if (weights == nullptr) {
    weights_.pack(space);
    weights = space;
  }
  const int64_t planes = conv_.groups * conv_.channels, in_plane = conv_.in_h * conv_.in_w;
  for (int64_t image = 0; image < conv_.images; image += images_) {
    const int64_t count = std::min(images_, conv_.images - image);
    const T* in = conv_.in + image * planes * in_plane;
    if (!in_place_) {
      T* copy = space + own;
      parallel_for(count * planes, grain_for(plane_, kPackWork), [&](int64_t begin, int64_t end) {
        image_.copy(in + begin * in_plane, end - begin, 0, grid_.height, copy + begin * plane_);
      });
      in = copy;
    }
    // Evenly: 49 columns as 32 and 17, not as 48 and one.
    const int64_t columns = count * pixels_, tiles = ceil_div(columns, cols_);
    const int64_t wide = round_up(ceil_div(columns, tiles), geometry_.lanes);
    run_batch(weights, {image, columns, ceil_div(columns, wide), wide, in});
  }
}

// A direct convolution would read all channels of one row anew for each of its panels.
template <class T>
bool rows_outgrow_cache(const DirectConv<T>& conv, const ConvImage& image) {
  return conv.channels * image.plane(1) * static_cast<int64_t>(sizeof(T)) > kRowBytes;
}

// In vectors of multiply-adds per row and depth, against a direct convolution, which takes whole vectors from the rows of an
// image and reads all weights again for each; packing a patch takes as long as some rows do.
template <class T>
bool suits(const DirectConv<T>& conv, const ConvImage& image, const PatchGrid& grid) {
  if (image.taps().empty()) return false;
  if (grid.phases.size() > 1) return true;
  const int64_t lanes = ConvKernels<T>::chosen().geometry.lanes;
  const int64_t depth = conv.channels * static_cast<int64_t>(image.taps().size());
  if (depth < kLeastDepth) return false;
  if (rows_outgrow_cache(conv, image)) return true;
  const int64_t rest = grid.width % lanes, whole = grid.height * (grid.width / lanes);
  const bool halves = ConvKernels<T>::chosen().geometry.split_vectors && 2 * rest <= lanes;
  const double split = whole + grid.height * (rest == 0 ? 0 : halves ? 0.5 : 1);
  const double flat = static_cast<double>(ceil_div(grid.height * image.pitch(), lanes));
  const int64_t weights = conv.rows * depth * static_cast<int64_t>(sizeof(T));
  const double direct = std::min(split, flat) + (weights > kWeightBytes ? 2 : 0);
  const int64_t vectors = ceil_div(conv.images * grid.height * grid.width, lanes);
  const double columns = static_cast<double>(vectors) / static_cast<double>(conv.images);
  return columns * (1 + kPackRows / static_cast<double>(conv.rows)) < direct;
}

template <class T>
bool run(const DirectConv<T>& conv, const ConvImage& image, const PatchGrid& grid) {
  if (!suits(conv, image, grid)) return false;
  Patches<T>(conv, image, grid).run();
  return true;
}

}  // namespace

bool patches_may_suit(int64_t rows, bool phases) {
  return rows >= (phases ? kPhaseRows : kPlainRows);
}

bool run_patches(const DirectConv<float>& conv, const ConvImage& image, const PatchGrid& grid) {
  return run(conv, image, grid);
}
bool run_patches(const DirectConv<double>& conv, const ConvImage& image, const PatchGrid& grid) {
  return run(conv, image, grid);
}

}  // namespace tilegrad
