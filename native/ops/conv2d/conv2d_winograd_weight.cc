// Tiles of x and dy are transformed, multiplied for each of 36 xi and summed over all tiles, and the sums become
// 3 x 3 taps: 36 products a tile, channel and filter instead of 144. A task is a part of the tiles, a block of filters
// and a block of channels, so that its sums (36, filters, channels) stay in L2, beside the transformed tiles of a
// chunk, (36, tiles, filters) and (36, tiles, channels). The cut depends on the shape alone and the parts are added in
// order, so the bits do not depend on the threads.
#include "ops/conv2d/conv2d_winograd_weight.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "core/ceil_div.h"
#include "core/cpu/gemm_kernels.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "ops/conv2d/conv2d_winograd_simd.h"
#include "ops/conv2d/conv2d_winograd_tiles.h"
#include "ops/conv2d/conv2d_winograd_weight_simd.h"

namespace tilegrad {
namespace {

constexpr int64_t kEnoughTasks = 8;
constexpr int64_t kPartTiles = 64, kFewTiles = 8;

// `total` channels or filters cut evenly into blocks of whole vectors.
struct Blocks {
  int64_t total, lanes, vectors, count;
  Blocks(int64_t all, int64_t of, int64_t most)
      : total(all), lanes(of), vectors(ceil_div(all, of)), count(ceil_div(vectors * of, most)) {}
  int64_t first(int64_t i) const { return vectors * i / count * lanes; }
  int64_t vectors_of(int64_t i) const { return vectors * (i + 1) / count - vectors * i / count; }
  int64_t width(int64_t i) const { return std::min(vectors_of(i) * lanes, total - first(i)); }
  int64_t most() const { return ceil_div(vectors, count) * lanes; }
};

class WinogradWeight {
 public:
  WinogradWeight(const ConvShape& s, const float* x, const ConvGradient<float>& dy, float* dw)
      : s_(s),
        x_(x),
        dy_(dy.dy),
        dw_(dw),
        lanes_(geometry_.lanes),
        channels_(s.c / s.groups, lanes_, geometry_.channels),
        filters_(s.k / s.groups, lanes_, geometry_.filters),
        tiles_(s.n, s.p, s.q, geometry_.tiles),
        blocks_(s.groups * filters_.count * channels_.count) {
    const int64_t most = std::min(tiles_.units(), tiles_.count() / kPartTiles);
    parts_ = std::clamp<int64_t>(most, 1, ceil_div(kEnoughTasks, blocks_));
  }

  bool suits() const {
    const int64_t few = 4 * std::min(channels_.total, filters_.total);
    // Tiles that reach beyond the image are wasted in part: half as many products again are worth the transforms.
    return few >= 3 * lanes_ && tiles_.count() >= kFewTiles &&
           s_.n * s_.p * s_.q * 9 >= tiles_.count() * kWinogradXi * 3 / 2;
  }

  // False where a tap is not finite.
  bool run();

 private:
  struct Block {
    int64_t group, filter, filters, channel, channels;
    int64_t filter_vectors, channel_vectors;
  };
  Block block_at(int64_t i) const;
  bool run_task(int64_t part, const Block& b, float* out) const;
  void transform(const Block& b, const std::vector<WinogradRun>& runs, int64_t tiles, float* band,
                 float* y, float* x) const;
  bool write(const Block& b, const float* sums, float* taps, float* out) const;
  int64_t elements() const { return s_.k * channels_.total * 9; }
  // One vector more, so that what 36 xi load or store at a time does not meet in one set of the cache.
  int64_t xi_stride(int64_t rows, int64_t pitch) const { return rows * pitch + lanes_; }

  const WinogradWeightGeometry geometry_ = TILEGRAD_SIMD(winograd_weight_geometry)();
  const ConvShape& s_;
  const float *x_, *dy_;
  float* dw_;
  const int64_t lanes_;
  const Blocks channels_, filters_;  // of one group
  const WinogradTiles tiles_;
  const int64_t blocks_;  // of all groups
  int64_t parts_;         // of the tiles
};

WinogradWeight::Block WinogradWeight::block_at(int64_t i) const {
  const int64_t channel = i % channels_.count, filter = i / channels_.count % filters_.count;
  return {i / channels_.count / filters_.count,
          filters_.first(filter),
          filters_.width(filter),
          channels_.first(channel),
          channels_.width(channel),
          filters_.vectors_of(filter),
          channels_.vectors_of(channel)};
}

// y (36, tiles, filters) and x (36, tiles, channels) of the tiles of `runs`.
void WinogradWeight::transform(const Block& b, const std::vector<WinogradRun>& runs, int64_t tiles,
                               float* band, float* y, float* x) const {
  for (const WinogradRun& run : runs) {
    WinogradTransform w = {};
    w.tile_rows = run.rows, w.tile_cols = run.cols, w.band = band;
    w.tile_stride = b.channel_vectors * lanes_, w.xi_stride = xi_stride(tiles, w.tile_stride);
    w.in_h = s_.h, w.in_w = s_.w, w.plane = s_.h * s_.w;
    w.first_row = run.row * kWinogradOut - s_.pad_top;
    w.first_col = run.col * kWinogradOut - s_.pad_left;
    const float* in = x_ + (run.image * s_.c + b.group * channels_.total + b.channel) * w.plane;
    for (int64_t c = 0; c < b.channels; c += lanes_) {
      w.channels = static_cast<int>(std::min(lanes_, b.channels - c));
      w.in = in + c * w.plane;
      w.out = x + run.first * w.tile_stride + c;
      TILEGRAD_SIMD(winograd_input)(w);
    }
    w.tile_stride = b.filter_vectors * lanes_, w.xi_stride = xi_stride(tiles, w.tile_stride);
    w.in_h = s_.p, w.in_w = s_.q, w.plane = s_.p * s_.q;
    w.first_row = run.row * kWinogradOut, w.first_col = run.col * kWinogradOut;
    in = dy_ + (run.image * s_.k + b.group * filters_.total + b.filter) * w.plane;
    for (int64_t k = 0; k < b.filters; k += lanes_) {
      w.channels = static_cast<int>(std::min(lanes_, b.filters - k));
      w.in = in + k * w.plane;
      w.out = y + run.first * w.tile_stride + k;
      TILEGRAD_SIMD(winograd_weight_gradients)(w);
    }
  }
}

// From sums (36, filters, channels) to out (k, c, 9) of the block.
bool WinogradWeight::write(const Block& b, const float* sums, float* taps, float* out) const {
  const GemmKernels<float> kernels;
  const int64_t pitch = b.channel_vectors * lanes_;
  bool finite = true;
  for (int64_t k = 0; k < b.filters; ++k) {
    finite = TILEGRAD_SIMD(winograd_weight_output)(
                 {sums + k * pitch, xi_stride(b.filters, pitch), b.channel_vectors, taps}) &&
             finite;
    const int64_t at =
        ((b.group * filters_.total + b.filter + k) * channels_.total + b.channel) * 9;
    kernels.pack({out + at, 9, 9, b.channels, taps, pitch, 1});
  }
  return finite;
}

bool WinogradWeight::run_task(int64_t part, const Block& b, float* out) const {
  const int64_t x_pitch = b.channel_vectors * lanes_, y_pitch = b.filter_vectors * lanes_;
  const int64_t chunk = std::max<int64_t>(geometry_.tiles / tiles_.unit_cols(), 1);
  const int64_t most = chunk * tiles_.unit_cols();
  const int64_t band_size = 6 * (4 * tiles_.unit_cols() + 2) * lanes_;
  const int64_t sizes[] = {
      kWinogradXi * xi_stride(b.filters, x_pitch), kWinogradXi * xi_stride(most, x_pitch),
      kWinogradXi * xi_stride(most, y_pitch), std::max(band_size, 9 * x_pitch)};
  float* sums = static_cast<float*>(
      scratch(ScratchSlot::chunk,
              sizeof(float) * static_cast<size_t>(sizes[0] + sizes[1] + sizes[2] + sizes[3])));
  float *x = sums + sizes[0], *y = x + sizes[1], *band = y + sizes[2];
  const int64_t begin = tiles_.units() * part / parts_, end = tiles_.units() * (part + 1) / parts_;
  for (int64_t unit = begin; unit < end; unit += chunk) {
    const std::vector<WinogradRun> runs = tiles_.runs(unit, std::min(unit + chunk, end));
    const int64_t tiles = runs.back().first + runs.back().tiles();
    transform(b, runs, tiles, band, y, x);
    for (int64_t xi = 0; xi < kWinogradXi; ++xi) {
      TILEGRAD_SIMD(winograd_weight_product)
      ({tiles, b.filters, b.channel_vectors, y + xi * xi_stride(tiles, y_pitch), y_pitch,
        x + xi * xi_stride(tiles, x_pitch), sums + xi * xi_stride(b.filters, x_pitch),
        unit == begin});
    }
  }
  return write(b, sums, band, out);
}

bool WinogradWeight::run() {
  float* partial = dw_;
  if (parts_ > 1) {
    partial = static_cast<float*>(
        scratch(ScratchSlot::region, sizeof(float) * static_cast<size_t>(parts_ * elements())));
  }
  std::atomic<bool> finite{true};
  parallel_for(parts_ * blocks_, 1, [&](int64_t task, int64_t) {
    const int64_t part = task / blocks_;
    if (!run_task(part, block_at(task % blocks_), partial + part * elements())) {
      finite.store(false, std::memory_order_relaxed);
    }
  });
  if (!finite.load(std::memory_order_relaxed)) return false;
  parallel_for(parts_ > 1 ? elements() : 0, 1 << 14, [&](int64_t begin, int64_t end) {
    std::copy(partial + begin, partial + end, dw_ + begin);
    for (int64_t i = 1; i < parts_; ++i) {
      const float* from = partial + i * elements();
      for (int64_t j = begin; j < end; ++j) dw_[j] += from[j];
    }
  });
  return true;
}

}  // namespace

bool run_winograd_weight(const ConvShape& s, const float* x, const ConvGradient<float>& dy,
                         float* dw) {
  if (dy.pooled()) return false;
  WinogradWeight gradient(s, x, dy, dw);
  return gradient.suits() && gradient.run();
}

}  // namespace tilegrad
