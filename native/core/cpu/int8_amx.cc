// A is read where it lies if its rows do; only what fills no tile is copied. 2-D tasks are shared out over super-blocks of B's
// columns: panels that are not kept are packed by the first task that wants them, and stay in L2 while rows pass; a tile of
// 32 x 32 is finished while it is in L1. Beyond kPassBlocks of k the sums of a task wait in memory. Packing moves 2 k n bytes.
#include "core/cpu/int8_amx.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <thread>
#include <utility>

#include "core/ceil_div.h"
#include "core/cpu/amx.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"

namespace tilegrad {

#if defined(__x86_64__)

namespace {

using namespace avx512;  // NOLINT: the kernels of int8_amx.h

constexpr int64_t kTaskWork = 1 << 24;         // multiply-adds
constexpr int64_t kPackWork = 1 << 16;         // bytes of A
constexpr int64_t kSuperBlockBytes = 1 << 24;  // of packed B
constexpr int64_t kTaskBytes = 1 << 20;        // of B per task: they share L2 with rows of A
constexpr int64_t kTaskCols = 512;
constexpr int64_t kPassBlocks = 64;  // of k
constexpr int64_t kPairRows = 2 * kAmxRows;
constexpr int64_t kPackCols = 2 * kAmxCols;

// Of kPackCols columns of B.
enum class Packing : uint32_t { none, begun, done };
using PackState = std::atomic<Packing>;

// For what another running thread is about to finish.
template <class Ready>
void wait_until(Ready ready) {
  for (int spins = 0; !ready(); ++spins) {
    if (spins < 4096) {
      __builtin_ia32_pause();
    } else {
      std::this_thread::yield();
    }
  }
}

// The bits of one region of scratch memory, in the order in which they are taken.
class Region {
 public:
  size_t reserve(size_t bytes) {
    const size_t at = size_;
    size_ += (bytes + 63) / 64 * 64;
    return at;
  }
  void allocate() { base_ = static_cast<uint8_t*>(scratch(ScratchSlot::region, size_)); }
  template <class T>
  T* at(size_t offset) const {
    return reinterpret_cast<T*>(base_ + offset);
  }

 private:
  size_t size_ = 0;
  uint8_t* base_ = nullptr;
};

class AmxProduct {
 public:
  explicit AmxProduct(const Int8Gemm& g)
      : g_(g),
        blocks_(g.k / kAmxDepth),
        rest_(g.k % kAmxDepth),
        all_blocks_(ceil_div(g.k, kAmxDepth)),
        row_tiles_(ceil_div(g.m, kAmxRows)),
        in_place_(g.a.col == 1),
        multiply_(amx_multiply(g.a.is_signed, g.b.is_signed)) {}

  void run() {
    const int64_t whole = round_up(g_.n, kAmxCols);
    const int64_t depth = std::max<int64_t>(all_blocks_, 1) * kAmxDepth;
    super_cols_ =
        std::clamp(kSuperBlockBytes / depth / kAmxCols * kAmxCols, int64_t{kAmxCols}, whole);
    kept_ = kept_b(whole);
    reserve();
    prepare_a();
    for (int64_t col = 0; col < g_.n; col += super_cols_) {
      const int64_t cols = std::min(super_cols_, g_.n - col);
      for (int64_t p = 0; !kept_ && p < ceil_div(cols, kPackCols); ++p)
        new (packs_ + p) PackState(Packing::none);
      multiply(col, cols);
    }
  }

 private:
  // All panels and, before them, the sums of their columns.
  PackedForm kept_b(int64_t whole) {
    const size_t sums = static_cast<size_t>(round_up(whole * 4, 64));
    const auto panels = static_cast<size_t>(whole / kAmxCols * all_blocks_ * kAmxPanelStep);
    const auto take = [&](const void* form) {
      b_sums_ = const_cast<int32_t*>(static_cast<const int32_t*>(form));
      b_ = const_cast<uint8_t*>(static_cast<const uint8_t*>(form)) + sums;
    };
    const auto pack = [&](void* out) {
      take(out);
      super_cols_ = whole;
      parallel_for(ceil_div(g_.n, kPackCols), grain_for(kPackCols * g_.k, kPackWork),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t p = begin; p < end; ++p) pack_panels(0, p * kPackCols, nullptr);
                   });
    };
    PackedForm form = packed_form(g_.packed, int8_packed_key(g_, "int8_amx"), sums + panels, pack);
    if (form) take(form.get()), super_cols_ = whole;
    return form;
  }

  void reserve() {
    const int64_t tile = all_blocks_ * kAmxTile;
    Region region;
    const size_t rows = region.reserve(static_cast<size_t>(row_tiles_) * sizeof(AmxRows));
    // In place only what fills no tile is copied: the last rows, and the last bytes of each row.
    copy_step_ = in_place_ ? (rest_ > 0 ? kAmxTile : 0) : tile;
    const size_t copies =
        region.reserve(static_cast<size_t>(row_tiles_ * copy_step_ + (in_place_ ? tile : 0)));
    const size_t a_sums = region.reserve(static_cast<size_t>(row_tiles_) * kAmxRows * 4);
    const int64_t own = kept_ ? 0 : super_cols_, panels = own / kAmxCols;
    const size_t b_sums = region.reserve(static_cast<size_t>(own) * 4);
    const size_t b = region.reserve(static_cast<size_t>(panels * all_blocks_ * kAmxPanelStep));
    const size_t packs =
        region.reserve(static_cast<size_t>(ceil_div(own, kPackCols)) * sizeof(PackState));
    region.allocate();
    rows_ = region.at<AmxRows>(rows), copies_ = region.at<uint8_t>(copies);
    a_sums_ = region.at<int32_t>(a_sums);
    if (!kept_) b_sums_ = region.at<int32_t>(b_sums), b_ = region.at<uint8_t>(b);
    packs_ = region.at<PackState>(packs);
  }

  void prepare_a() {
    const int64_t bytes = (g_.wants_a_sums || !in_place_ ? g_.k : rest_) * kAmxRows;
    parallel_for(row_tiles_, grain_for(bytes, kPackWork), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) prepare_rows(t);
    });
  }

  void prepare_rows(int64_t t) {
    const int rows = static_cast<int>(std::min<int64_t>(kAmxRows, g_.m - t * kAmxRows));
    const auto* in = static_cast<const uint8_t*>(g_.a.data) + t * kAmxRows * g_.a.row;
    uint8_t* copy = copies_ + t * copy_step_;
    if (in_place_ && rows == kAmxRows) {
      rows_[t] = {in, g_.a.row, kAmxDepth, copy};
      if (rest_ > 0) amx_pack_a({copy, in + blocks_ * kAmxDepth, g_.a.row, 1, rest_, rows});
    } else {
      rows_[t] = {copy, kAmxDepth, kAmxTile, copy + blocks_ * kAmxTile};
      amx_pack_a({copy, in, g_.a.row, g_.a.col, g_.k, rows});
    }
    for (int i = 0; i < kAmxRows; ++i) {
      uint32_t sum = 0;
      if (g_.wants_a_sums && in_place_ && i < rows) {
        sum = static_cast<uint32_t>(amx_row_sum(in + i * g_.a.row, g_.k, g_.a.is_signed));
      } else if (g_.wants_a_sums && i < rows) {
        for (int64_t b = 0; b < all_blocks_; ++b)
          sum += static_cast<uint32_t>(
              amx_row_sum(copy + b * kAmxTile + i * kAmxDepth, kAmxDepth, g_.a.is_signed));
      }
      a_sums_[t * kAmxRows + i] = static_cast<int32_t>(sum);
    }
  }

  // Columns [at, at + width) of the super-block, whole panels of which are there when this returns.
  void pack_b(int64_t col, int64_t at, int64_t width) const {
    uint8_t* rows = nullptr;  // before any panel is claimed: others wait for what is claimed
    if (g_.fill != nullptr)
      rows =
          static_cast<uint8_t*>(scratch(ScratchSlot::chunk, static_cast<size_t>(g_.k * kPackCols)));
    const int64_t first = at / kPackCols, last = ceil_div(at + width, kPackCols);
    for (int64_t p = first; p < last; ++p) {
      Packing seen = Packing::none;
      if (!packs_[p].compare_exchange_strong(seen, Packing::begun, std::memory_order_acquire))
        continue;
      pack_panels(col, p * kPackCols, rows);
      packs_[p].store(Packing::done, std::memory_order_release);
    }
    for (int64_t p = first; p < last; ++p)
      wait_until([&] { return packs_[p].load(std::memory_order_acquire) == Packing::done; });
  }

  // The columns from `at` on of the super-block at `col`, as many as are packed together; `rows` is room for g_.fill.
  void pack_panels(int64_t col, int64_t at, uint8_t* rows) const {
    const int64_t end = std::min(g_.n - col, super_cols_);
    const int cols = static_cast<int>(std::min(kPackCols, end - at));
    const int64_t panel = all_blocks_ * kAmxPanelStep;
    AmxPackB pack = {b_ + at / kAmxCols * panel,
                     panel,
                     nullptr,
                     g_.b.row,
                     g_.b.col,
                     g_.k,
                     cols,
                     g_.b.is_signed,
                     b_sums_ + at};
    if (g_.fill != nullptr) {
      g_.fill(g_.fill_context, col + at, cols, rows, kPackCols);
      pack.in = rows, pack.row = kPackCols, pack.col = 1;
    } else {
      pack.in = static_cast<const uint8_t*>(g_.b.data) + (col + at) * g_.b.col;
    }
    amx_pack_b(pack);
  }

  // Tasks that follow one another share their columns of B, which stay in L2 as long. Each thread begins with a band of rows,
  // unless it has columns enough or B is longer to read than A: cores that write to neighbouring columns take lines of the
  // result from one another, since prefetches run past the ends. Bands begin with different columns, so that they do not
  // wait for the same panels.
  struct Tasks {
    int64_t rows, cols;              // of a task
    int64_t row_groups, col_groups;  // of tasks
    int64_t bands;

    int64_t band_begin(int64_t band) const { return row_groups * band / bands; }
    // The group of rows and of columns of a task.
    std::pair<int64_t, int64_t> at(int64_t task) const {
      int64_t band = 0;
      while (band_begin(band + 1) * col_groups <= task) ++band;
      const int64_t begin = band_begin(band), height = band_begin(band + 1) - begin;
      const int64_t local = task - begin * col_groups;
      return {begin + local % height, (local / height + band * col_groups / bands) % col_groups};
    }
  };

  Tasks tasks(int64_t cols) const {
    const int64_t depth = std::max<int64_t>(g_.k, 1);
    const int64_t rows = round_up(g_.m, kPairRows);
    const bool one_pair = rows == kPairRows;
    const bool tall = 2 * g_.m >= cols;
    // What is not packed yet is packed by the columns of tasks.
    const int64_t widest = tall && !one_pair && kept_ ? cols : ceil_div(cols, 2);
    const int64_t fitting = std::min(std::min(kTaskCols, kTaskBytes / depth), widest);
    const int64_t wanted = std::min(fitting, kTaskWork / (depth * kPairRows));
    const int64_t most = std::max<int64_t>(one_pair ? wanted : fitting, kAmxCols);
    Tasks t = {};
    t.cols = round_up(ceil_div(cols, ceil_div(cols, most)), kAmxCols);
    t.rows = round_up(std::min(ceil_div(rows, 2), grain_for(t.cols * depth, kTaskWork)), kPairRows);
    t.row_groups = ceil_div(g_.m, t.rows), t.col_groups = ceil_div(cols, t.cols);
    const int64_t threads = num_threads();
    t.bands = tall && t.col_groups < 2 * threads ? std::min(threads, t.row_groups) : 1;
    return t;
  }

  void multiply(int64_t col, int64_t cols) const {
    const Tasks t = tasks(cols);
    parallel_for(t.row_groups * t.col_groups, 1, [&](int64_t begin, int64_t end) {
      amx_configure();
      for (int64_t task = begin; task < end; ++task) {
        const auto [row_group, col_group] = t.at(task);
        const int64_t row = row_group * t.rows, at = col_group * t.cols;
        const int64_t width = std::min(t.cols, cols - at);
        if (!kept_) pack_b(col, at, width);
        run_task(row, std::min(t.rows, g_.m - row), col, at, width);
      }
      amx_release();
    });
  }

  void run_task(int64_t row, int64_t rows, int64_t col, int64_t at, int64_t cols) const {
    const int64_t passes = std::max<int64_t>(ceil_div(blocks_, kPassBlocks), 1);
    const int64_t row_pairs = ceil_div(rows, kPairRows), panels = ceil_div(cols, kAmxCols);
    constexpr int64_t kTileSums = kPairRows * kAmxCols;
    const int64_t tiles = passes > 1 ? row_pairs * panels : 1;
    auto* sums = static_cast<int32_t*>(
        scratch(ScratchSlot::chunk, sizeof(int32_t) * static_cast<size_t>(tiles * kTileSums)));
    for (int64_t pass = 0; pass < passes; ++pass) {
      for (int64_t i = 0; i < row_pairs; ++i) {
        for (int64_t j = 0; j < panels; ++j) {
          int32_t* own = sums + (passes > 1 ? (i * panels + j) * kTileSums : 0);
          Int8Tile tile = {own,
                           kAmxCols,
                           row + i * kPairRows,
                           std::min(kPairRows, rows - i * kPairRows),
                           col + at + j * kAmxCols,
                           std::min<int64_t>(kAmxCols, cols - j * kAmxCols),
                           a_sums_ + row + i * kPairRows,
                           b_sums_ + at + j * kAmxCols,
                           0,
                           0};
          run_tile(tile, (at / kAmxCols + j) * all_blocks_ * kAmxPanelStep, pass,
                   pass + 1 == passes);
        }
      }
    }
  }

  void run_tile(Int8Tile& tile, int64_t panel, int64_t pass, bool last) const {
    const bool whole = tile.rows == kPairRows && tile.cols == kAmxCols;
    if (g_.c != nullptr && whole)
      tile.c = g_.c + tile.row * g_.c_row + tile.col, tile.c_row = g_.c_row;
    const int64_t first = pass * kPassBlocks;
    const int row_tiles = tile.rows > kAmxRows ? 2 : 1;
    AmxRows rows[2];
    for (int i = 0; i < row_tiles; ++i) {
      rows[i] = rows_[tile.row / kAmxRows + i];
      rows[i].data += first * rows[i].step;
    }
    multiply_({rows, row_tiles, b_ + panel + first * kAmxPanelStep,
               last ? blocks_ - first : kPassBlocks, last && rest_ > 0, pass > 0, tile.c,
               tile.c_row});
    if (!last) return;
    if (g_.finish != nullptr && !(g_.c != nullptr && g_.raw)) {
      g_.finish(g_.finish_context, tile);
    } else if (!whole) {
      for (int64_t i = 0; i < tile.rows; ++i)
        std::copy_n(tile.c + i * tile.c_row, tile.cols,
                    g_.c + (tile.row + i) * g_.c_row + tile.col);
    }
  }

  const Int8Gemm& g_;
  const int64_t blocks_, rest_, all_blocks_;  // whole blocks of k, bytes behind them, and both
  const int64_t row_tiles_;
  const bool in_place_;
  const AmxMultiply multiply_;
  int64_t super_cols_ = 0, copy_step_ = 0;
  AmxRows* rows_ = nullptr;
  uint8_t *copies_ = nullptr, *b_ = nullptr;
  int32_t *a_sums_ = nullptr, *b_sums_ = nullptr;
  PackState* packs_ = nullptr;
  PackedForm kept_;
};

}  // namespace

bool int8_amx_serves(const Int8Gemm& g) { return g.k >= kAmxDepth / 2 && has_amx(); }

void int8_gemm_amx(const Int8Gemm& g) { AmxProduct(g).run(); }

#else

bool int8_amx_serves(const Int8Gemm&) { return false; }
void int8_gemm_amx(const Int8Gemm&) {}

#endif

}  // namespace tilegrad
