// out (rows, columns) = weight (rows, channels) x in (channels, columns) for each group, where the columns are the
// pixels of all images one after the other: tiles are then filled whatever the size of an image. The weights are
// packed once, into panels, by all threads; a task packs some tiles of columns and takes the panels past them
// while they stay in its L1 and L2. A tile that belongs to several images is computed aside and copied. Packing moves
// 2 (rows + columns) channels elements; each output is written once, and read once per further block of channels. Few
// weights and large images are read where they lie instead.
#include "ops/conv2d/conv2d_pointwise.h"

#include <algorithm>

#include "core/ceil_div.h"
#include "core/cpu/gemm_blocked.h"
#include "core/cpu/gemm_kernels.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"

namespace tilegrad {
namespace {

constexpr int64_t kTaskWork = 1 << 19;       // multiply-adds
constexpr int64_t kPackWork = 1 << 15;       // elements
constexpr int64_t kColumnBytes = 512 << 10;  // of packed columns: a part of L2
constexpr int64_t kPassPanels = 4;  // of weights: the output of a tile stays in L1 meanwhile
// Neighbouring tiles make long runs of each output row, where there are enough for all threads.
constexpr int64_t kMostTiles = 4, kFewTiles = 16, kManyTiles = 64;
constexpr int64_t kFewRows = 32, kFewChannels = 32;
// What is read where it lies.
constexpr int64_t kLeastRows = 12, kLeastPanels = 4, kDeepChannels = 64;
constexpr int64_t kFewWeights = 1 << 15, kCachedBytes = 8 << 20;

template <class T>
class Pointwise {
 public:
  explicit Pointwise(const DirectConv<T>& conv)
      : conv_(conv),
        geometry_(kernels_.geometry),
        cols_(geometry_.tile_cols),
        pixels_(conv.out_h * conv.out_w),
        columns_(conv.images * pixels_),
        tiles_(ceil_div(columns_, cols_)),
        blocks_(depth_blocks(conv.channels, geometry_.one_tile_depth)) {
    panels_ = ceil_div(conv.rows, geometry_.tile_rows);
    panel_rows_ = ceil_div(conv.rows, panels_);
    panels_ = ceil_div(conv.rows, panel_rows_);
    pass_rows_ = kPassPanels * panel_rows_;
    fused_ = conv.residual == nullptr && conv.activation != ConvActivation::relu6;
    const int64_t tile_elements = conv.channels * cols_;
    const int64_t most = std::min(kColumnBytes / static_cast<int64_t>(tile_elements * sizeof(T)),
                                  tiles_ / kFewTiles);
    const int64_t wanted = std::max(grain_for(conv.rows * tile_elements, kTaskWork),
                                    std::min(kMostTiles, tiles_ / kManyTiles));
    tiles_at_once_ = std::max<int64_t>(std::min(wanted, most), 1);
  }

  // Few weights do not pay for packing: each panel of columns is packed while the first rows of weights meet it. Where
  // memory bounds the product, longer runs of each output row do better.
  bool suits_rows() const {
    const int64_t bytes =
        (conv_.rows + conv_.channels) * conv_.groups * columns_ * static_cast<int64_t>(sizeof(T));
    const bool bound = conv_.channels < kDeepChannels && bytes > kCachedBytes;
    return !conv_.pool && !bound && conv_.rows >= kLeastRows &&
           conv_.channels >= (conv_.weight_channel == 1 ? 1 : 2) * kLeastRows &&
           conv_.rows * conv_.channels <= kFewWeights && pixels_ >= kLeastPanels * cols_;
  }

  bool suits() const {
    return !conv_.pool && tiles_ >= kFewTiles && conv_.rows >= kFewRows &&
           conv_.channels >= kFewChannels;
  }

  // Weights and images are read where they lie; a task is some panels of columns of one image.
  void run_rows() {
    const int64_t panels = grain_for(conv_.rows * conv_.channels * cols_, kTaskWork);
    const int64_t run = cols_ * std::min(panels, ceil_div(pixels_, cols_));
    const int64_t runs = ceil_div(pixels_, run);
    parallel_for(conv_.images * conv_.groups * runs, 1, [&](int64_t task, int64_t) {
      const int64_t image = task / runs / conv_.groups, pixel = task % runs * run;
      multiply_rows(image, task / runs % conv_.groups, pixel, std::min(run, pixels_ - pixel));
    });
  }

  void run() {
    const int64_t elements = conv_.rows * conv_.channels;
    const size_t bytes = sizeof(T) * static_cast<size_t>(conv_.groups * elements);
    const PackedForm kept = packed_form(conv_.packed, weight_key(conv_, "pointwise", {}), bytes,
                                        [&](void* out) { pack_all(static_cast<T*>(out)); });
    const T* weights = static_cast<const T*>(kept.get());
    if (kept == nullptr) {
      T* own = static_cast<T*>(scratch(ScratchSlot::region, bytes));
      pack_all(own);
      weights = own;
    }
    const int64_t tasks = ceil_div(tiles_, tiles_at_once_);
    parallel_for(conv_.groups * tasks, 1, [&](int64_t task, int64_t) {
      const int64_t group = task / tasks, tile = task % tasks * tiles_at_once_;
      run_tiles(weights + group * elements, group, tile, std::min(tile + tiles_at_once_, tiles_));
    });
  }

 private:
  struct Tile {
    int64_t column, width;
  };

  int64_t depth_of(int64_t block) const {
    return std::min(blocks_.depth, conv_.channels - block * blocks_.depth);
  }
  Tile tile_at(int64_t i) const { return {i * cols_, std::min(cols_, columns_ - i * cols_)}; }
  bool in_one_image(Tile t) const { return t.column % pixels_ + t.width <= pixels_; }

  // Calls piece(image, pixel, width, columns before it) for each image that the tile meets.
  template <class Piece>
  void each_piece(Tile t, const Piece& piece) const {
    for (int64_t done = 0; done < t.width;) {
      const int64_t image = (t.column + done) / pixels_, pixel = (t.column + done) % pixels_;
      const int64_t width = std::min(t.width - done, pixels_ - pixel);
      piece(image, pixel, width, done);
      done += width;
    }
  }

  void pack_all(T* weights) const {
    const int64_t packs = blocks_.count * panels_, elements = conv_.rows * conv_.channels;
    parallel_for(conv_.groups * packs, grain_for(panel_rows_ * blocks_.depth, kPackWork),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) {
                     const int64_t group = i / packs;
                     pack_weights(weights + group * elements, group, i % packs / panels_,
                                  i % panels_ * panel_rows_);
                   }
                 });
  }

  void pack_weights(T* out, int64_t group, int64_t block, int64_t row) const {
    const int64_t channel = block * blocks_.depth, depth = depth_of(block);
    const int rows = static_cast<int>(std::min(panel_rows_, conv_.rows - row));
    const T* in = conv_.weight + group * conv_.weight_group + row * conv_.weight_row +
                  channel * conv_.weight_channel;
    kernels_.pack({out + conv_.rows * channel + row * depth, rows, rows, depth, in,
                   conv_.weight_row, conv_.weight_channel});
  }

  // All channels of a tile: (channels, cols).
  void pack_columns(int64_t group, Tile t, T* out) const {
    const auto from = [&](int64_t image, int64_t pixel) {
      return conv_.in + (image * conv_.groups + group) * conv_.channels * pixels_ + pixel;
    };
    if (in_one_image(t)) {
      kernels_.pack({out, static_cast<int>(cols_), static_cast<int>(t.width), conv_.channels,
                     from(t.column / pixels_, t.column % pixels_), 1, pixels_});
      return;
    }
    if (t.width < cols_) std::fill(out, out + conv_.channels * cols_, T{});
    each_piece(t, [&](int64_t image, int64_t pixel, int64_t width, int64_t at) {
      conv_kernels_.copy_rows({conv_.channels, width, from(image, pixel), pixels_, out + at, cols_,
                               1, nullptr, ConvActivation::none});
    });
  }

  void multiply_rows(int64_t image, int64_t group, int64_t pixel, int64_t width) const;
  void run_tiles(const T* weights, int64_t group, int64_t begin, int64_t end) const;
  void multiply(const T* weights, int64_t group, int64_t row, int64_t rows, const T* columns,
                Tile t, T* aside) const;
  void finish(int64_t group, int64_t row, int64_t rows, Tile t, const T* aside) const;
  int64_t out_at(int64_t image, int64_t group, int64_t row, int64_t pixel) const {
    return ((image * conv_.groups + group) * conv_.rows + row) * conv_.out_plane + pixel;
  }

  const DirectConv<T>& conv_;
  const GemmKernels<T> kernels_;
  const ConvKernels<T> conv_kernels_;
  const GemmGeometry geometry_;
  const int64_t cols_, pixels_, columns_, tiles_;
  const DepthBlocks blocks_;
  int64_t panels_, panel_rows_;
  int64_t pass_rows_;      // of the weights that pass all tiles of a task before the next ones do
  int64_t tiles_at_once_;  // of a task
  bool fused_;             // the product's own epilogue does all that is asked for
};

template <class T>
void Pointwise<T>::multiply_rows(int64_t image, int64_t group, int64_t pixel, int64_t width) const {
  GemmPanels<T> p = {};
  p.m = conv_.rows, p.n = width;
  p.panel_rows = static_cast<int>(panel_rows_);
  p.panel = static_cast<T*>(
      scratch(ScratchSlot::chunk, sizeof(T) * static_cast<size_t>(cols_ * blocks_.depth)));
  p.b_row = pixels_;
  p.c = conv_.out + out_at(image, group, 0, pixel), p.c_row = conv_.out_plane;
  (conv_.weight_channel == 1 ? p.a_row : p.a_col) =
      conv_.weight_channel == 1 ? conv_.weight_row : conv_.weight_channel;
  for (int64_t block = 0; block < blocks_.count; ++block) {
    const int64_t channel = block * blocks_.depth;
    p.k = depth_of(block);
    p.a = conv_.weight + group * conv_.weight_group + channel * conv_.weight_channel;
    p.b = conv_.in + ((image * conv_.groups + group) * conv_.channels + channel) * pixels_ + pixel;
    p.next = block + 1 < blocks_.count ? p.b + p.k * pixels_ : nullptr;
    p.accumulate = block > 0;
    if (block == blocks_.count - 1) {
      if (conv_.bias != nullptr) p.bias_row = conv_.bias + group * conv_.rows;
      if (fused_ && conv_.activation == ConvActivation::relu) p.activation = Activation::relu;
    }
    kernels_.panels(p);
  }
  if (!fused_) finish(group, 0, conv_.rows, {image * pixels_ + pixel, width}, nullptr);
}

template <class T>
void Pointwise<T>::run_tiles(const T* weights, int64_t group, int64_t begin, int64_t end) const {
  const int64_t elements = conv_.channels * cols_;
  T* columns = static_cast<T*>(
      scratch(ScratchSlot::chunk,
              sizeof(T) * static_cast<size_t>((end - begin) * elements + pass_rows_ * cols_)));
  T* aside = columns + (end - begin) * elements;
  for (int64_t i = begin; i < end; ++i) {
    pack_columns(group, tile_at(i), columns + (i - begin) * elements);
  }
  for (int64_t row = 0; row < conv_.rows; row += pass_rows_) {
    const int64_t rows = std::min(pass_rows_, conv_.rows - row);
    for (int64_t i = begin; i < end; ++i) {
      multiply(weights, group, row, rows, columns + (i - begin) * elements, tile_at(i), aside);
    }
  }
}

// `rows` rows of one tile.
template <class T>
void Pointwise<T>::multiply(const T* weights, int64_t group, int64_t row, int64_t rows,
                            const T* columns, Tile t, T* aside) const {
  const bool whole = in_one_image(t);
  GemmPanels<T> p = {};
  p.m = rows, p.n = t.width;
  p.panel_rows = static_cast<int>(std::min(panel_rows_, rows));
  p.c = whole ? conv_.out + out_at(t.column / pixels_, group, row, t.column % pixels_) : aside;
  p.c_row = whole ? conv_.out_plane : cols_;
  for (int64_t block = 0; block < blocks_.count; ++block) {
    const int64_t channel = block * blocks_.depth;
    p.k = depth_of(block);
    p.a = weights + conv_.rows * channel + row * p.k;
    p.b = columns + channel * cols_;
    p.accumulate = block > 0;
    if (block == blocks_.count - 1) {
      if (conv_.bias != nullptr) p.bias_row = conv_.bias + group * conv_.rows + row;
      if (fused_ && conv_.activation == ConvActivation::relu) p.activation = Activation::relu;
    }
    kernels_.panels(p);
  }
  if (!whole || !fused_) finish(group, row, rows, t, whole ? nullptr : aside);
}

// Residual and activation where the product does not know them, and tiles that stand aside.
template <class T>
void Pointwise<T>::finish(int64_t group, int64_t row, int64_t rows, Tile t, const T* aside) const {
  each_piece(t, [&](int64_t image, int64_t pixel, int64_t width, int64_t at) {
    const int64_t place = out_at(image, group, row, pixel);
    CopyRows<T> c = {};
    c.height = rows, c.width = width;
    c.in = aside != nullptr ? aside + at : conv_.out + place;
    c.in_row = aside != nullptr ? cols_ : conv_.out_plane;
    c.out = conv_.out + place, c.out_row = conv_.out_plane, c.out_col = 1;
    c.residual = conv_.residual != nullptr ? conv_.residual + place : nullptr;
    c.activation = fused_ ? ConvActivation::none : conv_.activation;
    conv_kernels_.copy_rows(c);
  });
}

template <class T>
bool run(const DirectConv<T>& conv) {
  if (conv.images * conv.groups * conv.rows * conv.channels * conv.out_h * conv.out_w == 0)
    return false;
  Pointwise<T> pointwise(conv);
  if (pointwise.suits_rows()) {
    pointwise.run_rows();
    return true;
  }
  if (!pointwise.suits()) return false;
  pointwise.run();
  return true;
}

}  // namespace

bool run_pointwise(const DirectConv<float>& conv) { return run(conv); }
bool run_pointwise(const DirectConv<double>& conv) { return run(conv); }

}  // namespace tilegrad
