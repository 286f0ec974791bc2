// An output tile of 4 x 4 takes 36 products per channel and filter instead of 144. Tiles are transformed to
// v (channel blocks, tiles, 36, lanes), multiplied by the transformed kernels u (filter panels, 36,
// channels, filters) into m (filter blocks, tiles, 36, lanes) and transformed back. A task takes some rows of
// tiles through all three steps, so that v and m stay in its cache and u is read once per task. Where there
// are few tiles, one region transforms all of them, and a task of a second one takes a panel of filters
// through the products and back; it transforms the kernels of some channels at a time, in its cache: to keep
// u, four times the size of the kernels, would take longer to read than to make anew.
#include "ops/conv2d/conv2d_winograd.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "core/ceil_div.h"
#include "core/cpu/gemm_kernels.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"
#include "ops/conv2d/conv2d_winograd_simd.h"
#include "ops/conv2d/conv2d_winograd_tiles.h"

namespace tilegrad {
namespace {

constexpr int64_t kPanel = 2;            // blocks of filters in one product
constexpr int64_t kChannelsAtOnce = 16;  // of kernels transformed together
constexpr int64_t kTaskTiles = 28, kSmallTaskTiles = 14;
constexpr int64_t kFewTasks = 8, kEnoughTasks = 16;
constexpr int64_t kSharedBytes = 1 << 20;  // of v that tasks share
constexpr int64_t kFewTiles = 2, kManyTiles = 16;
constexpr int64_t kManyKernels = 1 << 14;

struct Kernels {
  WinogradGeometry geometry = TILEGRAD_SIMD(winograd_geometry)();
  void (*weights)(const WinogradWeights&) = TILEGRAD_SIMD(winograd_weights);
  void (*input)(const WinogradTransform&) = TILEGRAD_SIMD(winograd_input);
  void (*product)(const WinogradProduct&) = TILEGRAD_SIMD(winograd_product);
  bool (*output)(const WinogradOutput&) = TILEGRAD_SIMD(winograd_output);
};

class Winograd {
 public:
  Winograd(const DirectConv<float>& conv, const WinogradPadding& padding)
      : conv_(conv),
        padding_(padding),
        lanes_(kernels_.geometry.lanes),
        channel_blocks_(ceil_div(conv.channels, lanes_)),
        filter_blocks_(ceil_div(conv.rows, lanes_)),
        panels_(ceil_div(filter_blocks_, kPanel)),
        group_kernels_(kWinogradXi * filter_blocks_ * lanes_ * conv.channels),
        tiles_(conv.images, conv.out_h, conv.out_w, 2 * kTaskTiles) {}

  // False where a sum is not finite.
  bool run();

 private:
  void pack_taps(float* out, int64_t group, int64_t block, int64_t first, int64_t channels) const;
  void transform_weights(float* u) const;
  void transform_block(float* u, int64_t group, int64_t block, int64_t first, int64_t channels,
                       int64_t xi_stride, float* taps) const;
  int64_t taps_elements() const { return kChannelsAtOnce * 9 * lanes_; }
  void input(const WinogradRun& run, int64_t group, int64_t block, float* v, int64_t v_block,
             float* band) const;
  void product(const float* u, int64_t xi_stride, int64_t channels, int64_t tiles, int64_t panel,
               int64_t xi, const float* v, float* m, bool accumulate) const;
  bool output(const WinogradRun& run, int64_t group, int64_t block, const float* m,
              float* band) const;
  bool run_task(const float* u, int64_t begin, int64_t end) const;
  bool run_panel(const std::vector<WinogradRun>& all, int64_t group, int64_t panel,
                 const float* v) const;
  bool run_by_tiles() const;
  bool run_by_panels() const;
  int64_t shared_elements() const { return channel_blocks_ * tiles_.count() * tile_elements(); }
  bool by_panels() const {
    return tiles_.whole_rows() && panels_ >= 4 &&
           shared_elements() * static_cast<int64_t>(sizeof(float)) <= kSharedBytes;
  }
  int64_t panel_blocks(int64_t panel) const {
    return std::min(kPanel, filter_blocks_ - panel * kPanel);
  }
  // That a task transforms at a time.
  int64_t channels_at_once() const {
    const int64_t bytes = kWinogradXi * kPanel * lanes_ * static_cast<int64_t>(sizeof(float));
    const int64_t most = std::max<int64_t>(kernels_.geometry.cache_bytes / bytes / lanes_, 1);
    return ceil_div(channel_blocks_, ceil_div(channel_blocks_, most)) * lanes_;
  }
  // Between the products of one panel.
  int64_t panel_stride(int64_t panel, int64_t channels) const {
    return channels * panel_blocks(panel) * lanes_;
  }
  // Where the kernels of a panel begin, counted from those of its group.
  int64_t panel_start(int64_t panel) const {
    return panel * kPanel * lanes_ * conv_.channels * kWinogradXi;
  }
  int64_t tile_elements() const { return kWinogradXi * lanes_; }
  int64_t band_elements(const WinogradRun& run) const {
    return (kWinogradOut * run.rows + 2) * (kWinogradOut * run.cols + 2) * lanes_;
  }

  const DirectConv<float>& conv_;
  const WinogradPadding& padding_;
  const Kernels kernels_;
  const int64_t lanes_, channel_blocks_, filter_blocks_, panels_;
  const int64_t group_kernels_;
  const WinogradTiles tiles_;
  PackedForm kept_;  // all kernels as pack_taps writes them, or null
};

// The kernels of one block of filters as (channels, 9, lanes).
void Winograd::pack_taps(float* out, int64_t group, int64_t block, int64_t first,
                         int64_t channels) const {
  const GemmKernels<float> gemm_kernels;
  const int width = static_cast<int>(std::min(lanes_, conv_.rows - block * lanes_));
  const float* weight = conv_.weight + group * conv_.weight_group +
                        block * lanes_ * conv_.weight_row + first * conv_.weight_channel;
  const bool together = conv_.weight_channel == 9;
  for (int64_t c = 0; c < (together ? 1 : channels); ++c) {
    gemm_kernels.pack({out + c * 9 * lanes_, static_cast<int>(lanes_), width,
                       together ? 9 * channels : 9, weight + c * conv_.weight_channel,
                       conv_.weight_row, 1});
  }
}

// Of one block of filters in its panel u (36, count, filters): channels from `first` on.
void Winograd::transform_block(float* u, int64_t group, int64_t block, int64_t first,
                               int64_t channels, int64_t xi_stride, float* taps) const {
  float* out = u + block % kPanel * lanes_;
  const int64_t pitch = panel_blocks(block / kPanel) * lanes_;
  if (kept_ != nullptr) {
    const int64_t at = (group * filter_blocks_ + block) * conv_.channels + first;
    const float* kept = static_cast<const float*>(kept_.get()) + at * 9 * lanes_;
    return kernels_.weights({kept, channels, padding_.flipped, out, xi_stride, pitch});
  }
  for (int64_t c = 0; c < channels; c += kChannelsAtOnce) {
    const int64_t count = std::min(kChannelsAtOnce, channels - c);
    pack_taps(taps, group, block, first + c, count);
    kernels_.weights({taps, count, padding_.flipped, out + c * pitch, xi_stride, pitch});
  }
}

void Winograd::transform_weights(float* u) const {
  const int64_t grain = grain_for(conv_.channels * lanes_ * 9, 1 << 13);
  parallel_for(conv_.groups * filter_blocks_, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / filter_blocks_, block = i % filter_blocks_;
      float* taps = static_cast<float*>(
          scratch(ScratchSlot::chunk, sizeof(float) * static_cast<size_t>(taps_elements())));
      transform_block(u + group * group_kernels_ + panel_start(block / kPanel), group, block, 0,
                      conv_.channels, panel_stride(block / kPanel, conv_.channels), taps);
    }
  });
}

void Winograd::input(const WinogradRun& run, int64_t group, int64_t block, float* v,
                     int64_t v_block, float* band) const {
  WinogradTransform w = {};
  w.plane = conv_.in_h * conv_.in_w, w.in_h = conv_.in_h, w.in_w = conv_.in_w;
  const int64_t channel = block * lanes_;
  w.in = conv_.in + ((run.image * conv_.groups + group) * conv_.channels + channel) * w.plane;
  w.channels = static_cast<int>(std::min(lanes_, conv_.channels - channel));
  w.first_row = run.row * kWinogradOut - padding_.top;
  w.first_col = run.col * kWinogradOut - padding_.left;
  w.tile_rows = run.rows, w.tile_cols = run.cols;
  w.band = band;
  w.out = v + block * v_block + run.first * tile_elements();
  w.tile_stride = tile_elements(), w.xi_stride = lanes_;
  kernels_.input(w);
}

// u, v and m are those of one panel and of its channels.
void Winograd::product(const float* u, int64_t xi_stride, int64_t channels, int64_t tiles,
                       int64_t panel, int64_t xi, const float* v, float* m, bool accumulate) const {
  WinogradProduct w = {};
  w.tiles = tiles, w.channels = channels;
  w.v = v + xi * lanes_, w.v_block = w.m_block = tiles * tile_elements();
  w.vectors = static_cast<int>(panel_blocks(panel));
  w.u = u + xi * xi_stride;
  w.m = m + xi * lanes_;
  w.accumulate = accumulate;
  kernels_.product(w);
}

bool Winograd::output(const WinogradRun& run, int64_t group, int64_t block, const float* m,
                      float* band) const {
  WinogradOutput w = {};
  const int64_t filter = block * lanes_;
  const int64_t row = run.row * kWinogradOut, col = run.col * kWinogradOut;
  const int64_t at = ((run.image * conv_.groups + group) * conv_.rows + filter) * conv_.out_plane +
                     row * conv_.out_row + col;
  w.m = m;
  w.tile_rows = run.rows, w.tile_cols = run.cols;
  w.height = std::min(run.rows * kWinogradOut, conv_.out_h - row);
  w.width = std::min(run.cols * kWinogradOut, conv_.out_w - col);
  w.filters = static_cast<int>(std::min(lanes_, conv_.rows - filter));
  w.bias = conv_.bias != nullptr ? conv_.bias + group * conv_.rows + filter : nullptr;
  w.residual = conv_.residual != nullptr ? conv_.residual + at : nullptr;
  w.activation = conv_.activation;
  w.band = band;
  w.out = conv_.out + at;
  w.out_plane = conv_.out_plane, w.out_row = conv_.out_row;
  return kernels_.output(w);
}

bool Winograd::run_task(const float* u, int64_t begin, int64_t end) const {
  const std::vector<WinogradRun> all = tiles_.runs(begin, end);
  const int64_t tiles = all.back().first + all.back().tiles();
  const int64_t v_block = tiles * tile_elements();
  int64_t band_size = 0;
  for (const WinogradRun& run : all) band_size = std::max(band_size, band_elements(run));
  const int64_t elements = band_size + (channel_blocks_ + filter_blocks_) * v_block;
  float* band = static_cast<float*>(
      scratch(ScratchSlot::chunk, sizeof(float) * static_cast<size_t>(elements)));
  float* v = band + band_size;
  float* m = v + channel_blocks_ * v_block;
  bool finite = true;
  for (int64_t group = 0; group < conv_.groups; ++group) {
    for (int64_t block = 0; block < channel_blocks_; ++block) {
      for (const WinogradRun& run : all) input(run, group, block, v, v_block, band);
    }
    const float* kernels = u + group * group_kernels_;
    for (int64_t xi = 0; xi < kWinogradXi; ++xi) {
      for (int64_t panel = 0; panel < panels_; ++panel) {
        product(kernels + panel_start(panel), panel_stride(panel, conv_.channels), conv_.channels,
                tiles, panel, xi, v, m + panel * kPanel * v_block, false);
      }
    }
    for (int64_t block = 0; block < filter_blocks_; ++block) {
      for (const WinogradRun& run : all) {
        const float* from = m + block * v_block + run.first * tile_elements();
        finite = output(run, group, block, from, band) && finite;
      }
    }
  }
  return finite;
}

bool Winograd::run_by_tiles() const {
  float* u = static_cast<float*>(scratch(
      ScratchSlot::region, sizeof(float) * static_cast<size_t>(conv_.groups * group_kernels_)));
  transform_weights(u);
  const auto units_of = [&](int64_t tiles) {
    return std::max<int64_t>(tiles / tiles_.unit_cols(), 1);
  };
  int64_t task_units = units_of(kTaskTiles);
  if (ceil_div(tiles_.units(), task_units) < kFewTasks) task_units = units_of(kSmallTaskTiles);
  std::atomic<bool> finite{true};
  parallel_for(tiles_.units(), task_units, [&](int64_t begin, int64_t end) {
    if (!run_task(u, begin, end)) finite.store(false, std::memory_order_relaxed);
  });
  return finite.load(std::memory_order_relaxed);
}

// All tiles by one panel of filters, and back.
bool Winograd::run_panel(const std::vector<WinogradRun>& all, int64_t group, int64_t panel,
                         const float* v) const {
  const int64_t block_elements = tiles_.count() * tile_elements(), at_once = channels_at_once();
  int64_t band_size = taps_elements();  // both are used one after the other
  for (const WinogradRun& run : all) band_size = std::max(band_size, band_elements(run));
  // One vector more, so that the 36 stores of a kernel do not meet in one set of the cache.
  const int64_t xi_stride = panel_stride(panel, at_once) + lanes_;
  const int64_t u_elements = kWinogradXi * xi_stride;
  float* u = static_cast<float*>(scratch(
      ScratchSlot::chunk,
      sizeof(float) * static_cast<size_t>(u_elements + kPanel * block_elements + band_size)));
  float *m = u + u_elements, *band = m + kPanel * block_elements;
  for (int64_t first = 0; first < conv_.channels; first += at_once) {
    const int64_t channels = std::min(at_once, conv_.channels - first);
    for (int64_t block = 0; block < panel_blocks(panel); ++block) {
      transform_block(u, group, panel * kPanel + block, first, channels, xi_stride, band);
    }
    for (int64_t xi = 0; xi < kWinogradXi; ++xi) {
      product(u, xi_stride, channels, tiles_.count(), panel, xi,
              v + first / lanes_ * block_elements, m, first > 0);
    }
  }
  bool finite = true;
  for (int64_t block = 0; block < panel_blocks(panel); ++block) {
    for (const WinogradRun& run : all) {
      const float* from = m + block * block_elements + run.first * tile_elements();
      finite = output(run, group, panel * kPanel + block, from, band) && finite;
    }
  }
  return finite;
}

bool Winograd::run_by_panels() const {
  float* v = static_cast<float*>(
      scratch(ScratchSlot::region, sizeof(float) * static_cast<size_t>(shared_elements())));
  const std::vector<WinogradRun> all = tiles_.runs(0, tiles_.units());
  const int64_t v_block = tiles_.count() * tile_elements();
  // Enough tasks for some threads; rows of pixels are read again where two tasks meet.
  const int64_t pieces = std::min(ceil_div(kEnoughTasks, channel_blocks_), tiles_.units());
  const int64_t piece = ceil_div(tiles_.units(), pieces), count = ceil_div(tiles_.units(), piece);
  std::atomic<bool> finite{true};
  for (int64_t group = 0; group < conv_.groups; ++group) {
    parallel_for(channel_blocks_ * count, 1, [&](int64_t task, int64_t) {
      const int64_t unit = task % count * piece;
      const int64_t first = unit * tiles_.unit_cols();
      for (WinogradRun run : tiles_.runs(unit, std::min(unit + piece, tiles_.units()))) {
        float* band = static_cast<float*>(
            scratch(ScratchSlot::chunk, sizeof(float) * static_cast<size_t>(band_elements(run))));
        run.first += first;
        input(run, group, task / count, v, v_block, band);
      }
    });
    parallel_for(panels_, 1, [&](int64_t panel, int64_t) {
      if (!run_panel(all, group, panel, v)) finite.store(false, std::memory_order_relaxed);
    });
  }
  return finite.load(std::memory_order_relaxed);
}

bool Winograd::run() {
  const int64_t blocks = conv_.groups * filter_blocks_, elements = conv_.channels * 9 * lanes_;
  kept_ = packed_form(
      conv_.packed, weight_key(conv_, "winograd", {}),
      sizeof(float) * static_cast<size_t>(blocks * elements), [&](void* out) {
        parallel_for(blocks, grain_for(elements, 1 << 14), [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            pack_taps(static_cast<float*>(out) + i * elements, i / filter_blocks_,
                      i % filter_blocks_, 0, conv_.channels);
          }
        });
      });
  return by_panels() ? run_by_panels() : run_by_tiles();
}

// Blocks must be filled well, and the transformed kernels, four times the size of the others, be used by
// some tiles.
bool suits(const DirectConv<float>& conv) {
  const int64_t lanes = TILEGRAD_SIMD(winograd_geometry)().lanes;
  const int64_t tiles =
      conv.images * ceil_div(conv.out_h, kWinogradOut) * ceil_div(conv.out_w, kWinogradOut);
  if (tiles * conv.groups == 0 || 4 * std::min(conv.channels, conv.rows) < 3 * lanes) return false;
  const int64_t kernels = conv.channels * conv.rows;
  return tiles >= (kernels > kManyKernels ? kManyTiles : kFewTiles);
}

}  // namespace

bool run_winograd(const DirectConv<float>& conv, const WinogradPadding& padding) {
  return suits(conv) && Winograd(conv, padding).run();
}

}  // namespace tilegrad
