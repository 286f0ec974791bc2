// Rows of A and B that lie contiguous and are not too many: each task takes a chunk of rows and some panels of B, reads
// A where it lies and packs each panel as its first tiles multiply it, so that packing costs next to nothing.
// Else C in super-blocks of up to 4096 x 4096; in each, k in blocks. Per block one region packs B into panels, a
// second multiplies tile by tile: a tile takes up to row_block rows, which its thread packs into its own
// L2, and one or more panels of B. Where all rows make one tile, B is packed by the task that uses it,
// and A for many blocks of k at once, or, where it is small, by each thread for itself. Packing moves
// 2 (m k + k n) elements per super-block, C is read and written once per block of k.
#include "core/cpu/gemm_blocked.h"

#include <algorithm>
#include <atomic>
#include <type_traits>

#include "core/ceil_div.h"
#include "core/cpu/scratch.h"
#include "core/dtype.h"
#include "core/parallel.h"

namespace tilegrad {
namespace {

constexpr int64_t kSuperBlock = 4096;
constexpr int64_t kTaskWork = 1 << 19;  // multiply-adds
constexpr int64_t kPackWork = 1 << 15;  // elements
constexpr int64_t kSmallTaskWork = 1 << 18;
constexpr int64_t kOwnRowsLimit = 1 << 16;     // elements of A that each thread packs for itself
constexpr int64_t kPackedRowsLimit = 1 << 20;  // elements of A that one-tile products pack at once
constexpr int64_t kChunkRows = 512;
constexpr int64_t kUnpackedBytes = 1 << 20;  // of a chunk of rows
constexpr int64_t kOnePass = 64;             // columns of C, up to which A is read once or twice
constexpr int64_t kNearBytes = 1536;
constexpr int64_t kRowsDepth = 256;
// Weight gradients of a small batch: C is the largest, and its rows go to the threads that will update them.
constexpr int64_t kShallow = 64, kShallowRows = 32;
constexpr int64_t kRowsTaskWork = 1 << 22;

template <class T, class S>
class Blocked {
 public:
  Blocked(const Gemm<T, S>& g, const GemmKernels<T, S>& kernels)
      : g_(g),
        kernels_(kernels),
        geometry_(kernels.geometry),
        blocks_(depth_blocks(g.k, unpacked(g)  ? kRowsDepth
                                  : one_tile() ? geometry_.one_tile_depth
                                               : geometry_.depth_block)),
        cols_(geometry_.tile_cols) {
    const int64_t panels = ceil_div(g.m, geometry_.tile_rows);
    panel_rows_ = ceil_div(g.m, panels);  // evenly: 64 rows as 8 x 8, not 7 x 9 and 1
  }

  void run() {
    if constexpr (std::is_same_v<T, S>) {
      if (unpacked(g_)) return run_rows();
    }
    if (one_tile() && g_.m * g_.k <= kOwnRowsLimit) return run_own_rows();
    if (one_tile()) return run_one_tile();
    const int64_t super_rows = std::max<int64_t>(kSuperBlock / panel_rows_, 1) * panel_rows_;
    const int64_t super_cols = kSuperBlock / cols_ * cols_;
    for (int64_t j = 0; j < g_.n; j += super_cols) {
      for (int64_t i = 0; i < g_.m; i += super_rows) {
        const Area area = {i, std::min(super_rows, g_.m - i), j, std::min(super_cols, g_.n - j)};
        for (int64_t block = 0; block < blocks_.count; ++block) run_super_block(area, block);
      }
    }
  }

  // Rows of A are read where they lie as long as a chunk of them stays in L2; those of B are packed on the way.
  static bool unpacked(const Gemm<T, S>& g) {
    const int64_t bytes = std::min(g.m, kChunkRows) * g.k * static_cast<int64_t>(sizeof(T));
    // Columns that lie far apart share the sets of L1: many panels of B would read them from L2 as often.
    const bool near = g.a_col * static_cast<int64_t>(sizeof(T)) <= kNearBytes || g.n <= kOnePass;
    return std::is_same_v<T, S> &&
           (g.a_col == 1 ? g.a_row != 0 : g.a_row == 1 && g.a_col != 0 && near) &&
           (g.b_col == 1 ? g.b_row != 0 : g.b_row == 1) &&
           (g.n <= kOnePass || bytes <= (g.m > kChunkRows ? kUnpackedBytes / 2 : kUnpackedBytes));
  }
  int64_t padded_cols() const { return ceil_div(g_.n, cols_) * cols_; }
  void pack_whole_b(T* out) const;

 private:
  struct Area {
    int64_t row, rows, col, cols;
  };

  bool one_tile() const { return g_.m <= geometry_.row_block; }

  int64_t depth_of(int64_t block) const {
    return std::min(blocks_.depth, g_.k - block * blocks_.depth);
  }

  void pack_a(T* out, int64_t row, int64_t rows, int64_t block) const {
    const int64_t k = block * blocks_.depth;
    const int pitch = static_cast<int>(std::min<int64_t>(panel_rows_, rows));
    kernels_.pack({out, pitch, pitch, depth_of(block), g_.a + row * g_.a_row + k * g_.a_col,
                   g_.a_row, g_.a_col});
  }

  // Short runs of k over several panels: each row of B is read in long pieces. Where B lies by columns those are read in
  // whole depth.
  void pack_b(T* out, int64_t col, int64_t cols, int64_t block) const {
    const int64_t depth = depth_of(block);
    const S* in = g_.b + block * blocks_.depth * g_.b_row + col * g_.b_col;
    const int64_t deep = g_.b_row == 1 ? depth : 32;
    for (int64_t k = 0; k < depth; k += deep) {
      for (int64_t j = 0; j < cols; j += cols_) {
        const int width = static_cast<int>(std::min<int64_t>(cols_, cols - j));
        kernels_.pack({out + j * depth + k * cols_, cols_, width, std::min(deep, depth - k),
                       in + k * g_.b_row + j * g_.b_col, g_.b_col, g_.b_row});
      }
    }
  }

  GemmPanels<T> panels_of(Area area, int64_t block) const {
    GemmPanels<T> p = {};
    p.m = area.rows, p.n = area.cols, p.k = depth_of(block);
    p.panel_rows = static_cast<int>(std::min<int64_t>(panel_rows_, area.rows));
    p.c = g_.c + area.row * g_.c_row + area.col;
    p.c_row = g_.c_row;
    p.accumulate = g_.accumulate || block > 0;
    if (block == blocks_.count - 1) {
      if (g_.bias_axis == BiasAxis::row) p.bias_row = g_.bias + area.row;
      if (g_.bias_axis == BiasAxis::col) p.bias_col = g_.bias + area.col;
      if (g_.residual != nullptr) p.residual = g_.residual + (p.c - g_.c);
      p.activation = g_.activation;
    }
    return p;
  }

  void multiply(const T* a, const T* b, Area area, int64_t block, bool more = false) const {
    GemmPanels<T> p = panels_of(area, block);
    p.a = a, p.b = b;
    if (more) p.next = b + ceil_div(area.cols, cols_) * cols_ * p.k;
    kernels_.panels(p);
  }

  void multiply_rows(const Area& area, int64_t block, T* panel) const;
  int64_t even_groups(int64_t chunks, int64_t groups) const;
  void run_rows();
  void run_own_rows();
  void run_one_tile();
  void run_super_block(const Area& area, int64_t block);

  const Gemm<T, S>& g_;
  const GemmKernels<T, S>& kernels_;
  const GemmGeometry geometry_;
  const DepthBlocks blocks_;
  const int cols_;
  int64_t panel_rows_;
};

// Numbers the calls, so that a thread knows what it has packed.
std::atomic<uint64_t> g_calls{0};
thread_local uint64_t t_packed_call = 0;

// One block of k of one task: B as it was kept, or in rows, or packed panel by panel.
template <class T, class S>
void Blocked<T, S>::multiply_rows(const Area& area, int64_t block, T* panel) const {
  const int64_t k = block * blocks_.depth;
  GemmPanels<T> p = panels_of(area, block);
  p.a = g_.a + area.row * g_.a_row + k * g_.a_col;
  (g_.a_col == 1 ? p.a_row : p.a_col) = g_.a_col == 1 ? g_.a_row : g_.a_col;
  p.panel = panel;
  if (g_.packed_b != nullptr) {
    p.b = g_.packed_b + k * padded_cols() + area.col * p.k;
    if (block + 1 < blocks_.count) {
      p.next = p.b + p.k * (padded_cols() - area.col) + area.col * depth_of(block + 1);
    }
    return kernels_.panels(p);
  }
  if (g_.b_col == 1) {
    p.b = g_.b + k * g_.b_row + area.col, p.b_row = g_.b_row;
    if (block + 1 < blocks_.count) p.next = p.b + p.k * g_.b_row;
    return kernels_.panels(p);
  }
  int64_t cols = 0;
  for (int64_t j = 0; j < area.cols; j += cols) {
    cols = panel_cols(area.cols - j, cols_, geometry_.lanes);
    const Area part = {area.row, area.rows, area.col + j, cols};
    pack_b(panel, part.col, part.cols, block);
    GemmPanels<T> one = panels_of(part, block);
    one.a = p.a, one.a_row = p.a_row, one.a_col = p.a_col, one.b = panel;
    kernels_.panels(one);
  }
}

// Few tasks are shared out evenly only where they are equally wide and as many for each thread: their
// number then, else 0.
template <class T, class S>
int64_t Blocked<T, S>::even_groups(int64_t chunks, int64_t groups) const {
  const int64_t threads = num_threads();
  if (chunks % threads == 0 || chunks * groups >= 4 * threads) return 0;
  const int64_t even = ceil_div(groups, threads) * threads;
  return g_.n / even >= 2 * geometry_.lanes ? even : 0;
}

// A task is a chunk of rows times one or more panels of B, over all of k: its C stays in L2.
template <class T, class S>
void Blocked<T, S>::run_rows() {
  // Each chunk packs B for itself, so that a thread that is alone takes as few as L2 allows.
  const bool alone = num_threads() == 1 || in_parallel_region();
  int64_t least = g_.m >= kChunkRows / 2 && !alone ? 2 : 1;
  if (!alone && g_.b_col == 1 && g_.k <= kShallow) {
    least = std::max(least, std::min<int64_t>(num_threads(), g_.m / kShallowRows));
  }
  const int64_t chunks = std::max(ceil_div(g_.m, kChunkRows), least);
  const int64_t rows = ceil_div(g_.m, chunks);
  const int64_t panels = std::min<int64_t>(grain_for(rows * g_.k * cols_, kRowsTaskWork), 5);
  const int64_t group = panels * cols_, full = ceil_div(g_.n, group);
  const int64_t even = alone || g_.packed_b != nullptr ? 0 : even_groups(chunks, full);
  const int64_t groups = even > 0 ? even : full;
  // A single vector of columns does not make a task: it gets a panel of the one before.
  const bool single = groups > 1 && g_.n - (groups - 1) * group <= geometry_.lanes;
  const auto first_col = [&](int64_t i) {
    if (i == groups) return g_.n;
    if (even > 0) return i * g_.n / groups / geometry_.lanes * geometry_.lanes;
    return i * group - (single && i == groups - 1 ? cols_ : 0);
  };
  parallel_for(chunks * groups, 1, [&](int64_t task, int64_t) {
    const int64_t row = task / groups * rows, col = first_col(task % groups);
    const int64_t cols = first_col(task % groups + 1) - col;
    if (row >= g_.m || cols == 0) return;
    const Area area = {row, std::min(rows, g_.m - row), col, cols};
    T* panel = static_cast<T*>(
        scratch(ScratchSlot::chunk, sizeof(T) * static_cast<size_t>(cols_ * blocks_.depth)));
    for (int64_t block = 0; block < blocks_.count; ++block) multiply_rows(area, block, panel);
  });
}

template <class T, class S>
void Blocked<T, S>::pack_whole_b(T* out) const {
  const int64_t panels = padded_cols() / cols_;
  parallel_for(panels * blocks_.count, grain_for(cols_ * blocks_.depth, kPackWork),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t block = i / panels, col = i % panels * cols_;
                   pack_b(out + block * blocks_.depth * padded_cols() + col * depth_of(block), col,
                          std::min<int64_t>(cols_, g_.n - col), block);
                 }
               });
}

template <class T, class S>
void Blocked<T, S>::run_own_rows() {
  const uint64_t call = g_calls.fetch_add(1, std::memory_order_relaxed) + 1;
  const int64_t a_elements = (g_.m * g_.k + 63) / 64 * 64;
  const int64_t group =
      std::min<int64_t>(grain_for(g_.m * g_.k * cols_, kSmallTaskWork), 4) * cols_;
  const size_t bytes = sizeof(T) * static_cast<size_t>(a_elements + group * blocks_.depth);
  parallel_for(g_.n, group, [&](int64_t begin, int64_t end) {
    T* a = static_cast<T*>(scratch(ScratchSlot::chunk, bytes));
    T* b = a + a_elements;
    for (int64_t block = 0; block < blocks_.count && t_packed_call != call; ++block) {
      T* out = a + g_.m * block * blocks_.depth;
      for (int64_t row = 0; row < g_.m; row += panel_rows_) {
        pack_a(out + row * depth_of(block), row, g_.m - row, block);
      }
    }
    t_packed_call = call;
    for (int64_t block = 0; block < blocks_.count; ++block) {
      pack_b(b, begin, end - begin, block);
      multiply(a + g_.m * block * blocks_.depth, b, {0, g_.m, begin, end - begin}, block);
    }
  });
}

template <class T, class S>
void Blocked<T, S>::run_one_tile() {
  const int64_t at_once = std::max<int64_t>(kPackedRowsLimit / (g_.m * blocks_.depth), 1);
  const int64_t group = 4 * cols_;
  const int64_t panels = ceil_div(g_.m, panel_rows_);
  for (int64_t first = 0; first < blocks_.count; first += at_once) {
    const int64_t count = std::min(at_once, blocks_.count - first);
    const int64_t a_block = g_.m * blocks_.depth;
    T* a = static_cast<T*>(scratch(ScratchSlot::region, sizeof(T) * a_block * count));
    const int64_t pack_grain = grain_for(panel_rows_ * blocks_.depth, kPackWork);
    parallel_for(panels * count, pack_grain, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t block = task / panels, row = task % panels * panel_rows_;
        pack_a(a + block * a_block + row * depth_of(first + block), row, g_.m - row, first + block);
      }
    });
    const int64_t work = g_.m * blocks_.depth * count * cols_;
    const int64_t grain = std::min<int64_t>(grain_for(work, kTaskWork) * cols_, group);
    parallel_for(g_.n, grain, [&](int64_t begin, int64_t end) {
      T* b = static_cast<T*>(scratch(ScratchSlot::chunk, sizeof(T) * group * blocks_.depth));
      for (int64_t block = 0; block < count; ++block) {
        pack_b(b, begin, end - begin, first + block);
        multiply(a + block * a_block, b, {0, g_.m, begin, end - begin}, first + block);
      }
    });
  }
}

// A task is one tile of rows times some panels of B. Its thread packs the rows where the task before it
// had others: they are then in its own L2.
template <class T, class S>
void Blocked<T, S>::run_super_block(const Area& area, int64_t block) {
  const int64_t depth = depth_of(block);
  const int64_t b_panels = ceil_div(area.cols, cols_);
  T* b = static_cast<T*>(
      scratch(ScratchSlot::region, sizeof(T) * static_cast<size_t>(b_panels * cols_ * depth)));
  const int64_t pack_group =
      std::max(grain_for(cols_ * depth, kPackWork), std::min<int64_t>(b_panels / 8, 8)) * cols_;
  parallel_for(area.cols, pack_group, [&](int64_t begin, int64_t end) {
    pack_b(b + begin * depth, area.col + begin, end - begin, block);
  });

  const int64_t a_panels = ceil_div(area.rows, panel_rows_);
  const int64_t row_tiles = ceil_div(area.rows, geometry_.row_block);
  const int64_t tile_rows = ceil_div(a_panels, row_tiles) * panel_rows_;
  const int64_t group = grain_for(tile_rows * depth * cols_, kTaskWork) * cols_;
  const int64_t groups = ceil_div(area.cols, group);
  const uint64_t call = g_calls.fetch_add(row_tiles, std::memory_order_relaxed) + 1;
  parallel_for(row_tiles * groups, 1, [&](int64_t task, int64_t) {
    const int64_t tile = task / groups, row = tile * tile_rows, col = task % groups * group;
    if (row >= area.rows) return;
    const Area part = {area.row + row, std::min(tile_rows, area.rows - row), area.col + col,
                       std::min(group, area.cols - col)};
    T* a = static_cast<T*>(
        scratch(ScratchSlot::chunk, sizeof(T) * static_cast<size_t>(tile_rows * depth)));
    if (t_packed_call != call + tile) {
      t_packed_call = 0;
      for (int64_t i = 0; i < part.rows; i += panel_rows_) {
        pack_a(a + i * depth, part.row + i, part.rows - i, block);
      }
      t_packed_call = call + tile;
    }
    multiply(a, b + col * depth, part, block, col + group < area.cols);
  });
}

}  // namespace

int64_t packed_b_elements(const Gemm<float>& g) {
  if (g.m <= kDotRows || g.b_row != 1 || !Blocked<float, float>::unpacked(g)) return 0;
  const GemmKernels<float> kernels;
  return Blocked<float, float>(g, kernels).padded_cols() * g.k;
}

void pack_b(const Gemm<float>& g, float* out) {
  const GemmKernels<float> kernels;
  Blocked<float, float>(g, kernels).pack_whole_b(out);
}

DepthBlocks depth_blocks(int64_t k, int64_t most) {
  const int64_t count = std::max<int64_t>(ceil_div(k, most), 1);
  constexpr int64_t kWhole = 8;  // the tile's loop takes several k at a time
  return {count,
          count == 1 ? std::max<int64_t>(k, 1) : ceil_div(ceil_div(k, count), kWhole) * kWhole};
}

void gemm_blocked(const Gemm<float>& g, const GemmKernels<float>& kernels) {
  Blocked<float, float>(g, kernels).run();
}
void gemm_blocked(const Gemm<double>& g, const GemmKernels<double>& kernels) {
  Blocked<double, double>(g, kernels).run();
}
void gemm_blocked(const Gemm<float, bf16>& g, const GemmKernels<float, bf16>& kernels) {
  Blocked<float, bf16>(g, kernels).run();
}
void gemm_blocked(const Gemm<float, f16>& g, const GemmKernels<float, f16>& kernels) {
  Blocked<float, f16>(g, kernels).run();
}

}  // namespace tilegrad
