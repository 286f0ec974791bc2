// A task is some rows times some panels of B, pass by pass along k: it packs each panel where it multiplies it, so that the
// panel stays in L1 while the rows pass from L2. A is read where it lies if its rows do; only what fills no tile is copied.
// Tiles of C that are not whole are summed aside. Every element is summed in the order of k.
#include "core/cpu/bf16_amx.h"

#include <algorithm>

#include "core/ceil_div.h"
#include "core/cpu/amx.h"
#include "core/cpu/scratch.h"
#include "core/dtype.h"
#include "core/parallel.h"

namespace tilegrad {

#if defined(__x86_64__)

namespace {

using namespace avx512;  // NOLINT: the kernels of bf16_amx.h

constexpr int64_t kPassBlocks = 16;           // of k: a panel of B is 32 KB
constexpr int64_t kTaskRows = 512;            // their blocks of a pass stay in L2
constexpr int64_t kTaskWork = 1 << 22;        // multiply-adds
constexpr int64_t kPackWork = 1 << 16;        // elements of A
constexpr int64_t kCopiedElements = 1 << 23;  // of A, at once
constexpr int64_t kPairRows = 2 * kAmxRows;
constexpr int64_t kLeastWork = 1 << 11;

const uint16_t* bits(const bf16* p) { return reinterpret_cast<const uint16_t*>(p); }

class Product {
 public:
  explicit Product(const Gemm<float, bf16>& g)
      : g_(g),
        blocks_(g.k / kBf16Depth),
        rest_(g.k % kBf16Depth),
        all_blocks_(ceil_div(g.k, kBf16Depth)),
        in_place_(g.a_col == 1) {}

  void run() {
    const int64_t whole = round_up(g_.m, kTaskRows);
    const int64_t depth = all_blocks_ * kBf16Depth;
    const int64_t fitting = std::max(kCopiedElements / depth / kTaskRows, int64_t{1}) * kTaskRows;
    const int64_t super_rows = in_place_ ? whole : std::min(fitting, whole);
    for (int64_t row = 0; row < g_.m; row += super_rows) {
      prepare_a(row, std::min(super_rows, g_.m - row));
      multiply(row, std::min(super_rows, g_.m - row));
    }
  }

 private:
  void prepare_a(int64_t row, int64_t rows) {
    const int64_t tiles = ceil_div(rows, kAmxRows), tile = all_blocks_ * kBf16Tile;
    // In place only what fills no tile is copied: the last rows, and the last elements of each row.
    const int64_t copied = in_place_ ? (rest_ > 0 ? int64_t{kBf16Tile} : 0) : tile;
    const auto table = static_cast<size_t>(round_up(tiles * int64_t{sizeof(Bf16Rows)}, 64));
    const auto elements = static_cast<size_t>(tiles * copied + (in_place_ ? tile : 0));
    void* room = scratch(ScratchSlot::region, table + elements * sizeof(uint16_t));
    rows_ = static_cast<Bf16Rows*>(room);
    auto* copies = reinterpret_cast<uint16_t*>(static_cast<char*>(room) + table);
    const int64_t work = (in_place_ ? rest_ : g_.k) * kAmxRows;
    parallel_for(tiles, grain_for(work, kPackWork), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const int height = static_cast<int>(std::min<int64_t>(kAmxRows, rows - t * kAmxRows));
        const uint16_t* in = bits(g_.a) + (row + t * kAmxRows) * g_.a_row;
        uint16_t* copy = copies + t * copied;
        Bf16Pack pack = {copy, kBf16Tile, in, g_.a_row, g_.a_col, g_.k, height};
        if (in_place_ && height == kAmxRows) {
          rows_[t] = {in, g_.a_row, kBf16Depth, copy};
          if (rest_ == 0) continue;
          pack.in += blocks_ * kBf16Depth, pack.depth = rest_;
        } else {
          rows_[t] = {copy, kBf16Depth, kBf16Tile, copy + blocks_ * kBf16Tile};
        }
        bf16_amx_pack_a(pack);
      }
    });
  }

  void multiply(int64_t row, int64_t rows) const {
    const int64_t groups = ceil_div(rows, kTaskRows);
    const int64_t group_rows = round_up(ceil_div(rows, groups), kPairRows);
    const int64_t depth = all_blocks_ * kBf16Depth;
    const int64_t panels = grain_for(group_rows * depth * kBf16Cols, kTaskWork);
    const int64_t col_groups = ceil_div(g_.n, panels * kBf16Cols);
    const int64_t group_cols = round_up(ceil_div(g_.n, col_groups), kBf16Cols);
    parallel_for(groups * col_groups, 1, [&](int64_t begin, int64_t end) {
      amx_configure();
      for (int64_t task = begin; task < end; ++task) {
        const int64_t first = task / col_groups * group_rows, col = task % col_groups * group_cols;
        if (first >= rows || col >= g_.n) continue;
        run_task(row, first, std::min(group_rows, rows - first), col,
                 std::min(group_cols, g_.n - col));
      }
      amx_release();
    });
  }

  // Rows [first, first + rows) behind `row`.
  void run_task(int64_t row, int64_t first, int64_t rows, int64_t col, int64_t cols) const {
    constexpr int64_t kPanel = kPassBlocks * 2 * kBf16Tile, kAside = kPairRows * kBf16Cols;
    auto* aside = static_cast<float*>(
        scratch(ScratchSlot::chunk, kAside * sizeof(float) + kPanel * sizeof(uint16_t)));
    auto* panel = reinterpret_cast<uint16_t*>(aside + kAside);
    for (int64_t block = 0; block < all_blocks_; block += kPassBlocks) {
      for (int64_t j = 0; j < cols; j += kBf16Cols) {
        const int64_t width = std::min<int64_t>(kBf16Cols, cols - j);
        pack_panel(panel, block, col + j, width);
        for (int64_t i = 0; i < rows; i += kPairRows) {
          const Area area = {row + first + i, std::min(kPairRows, rows - i), col + j, width};
          run_tile(rows_ + (first + i) / kAmxRows, area, block, panel, aside);
        }
      }
    }
  }

  struct Area {
    int64_t row, rows, col, cols;
  };

  void pack_panel(uint16_t* panel, int64_t block, int64_t col, int64_t cols) const {
    const int64_t k = block * kBf16Depth;
    const uint16_t* in = bits(g_.b) + k * g_.b_row + col * g_.b_col;
    const int64_t depth = std::min(kPassBlocks * kBf16Depth, g_.k - k);
    for (int64_t j = 0; j < kBf16Cols; j += 16) {
      const int width = static_cast<int>(std::clamp<int64_t>(cols - j, 0, 16));
      bf16_amx_pack_b({panel + j / 16 * kBf16Tile, 2 * kBf16Tile, in + j * g_.b_col, g_.b_col,
                       g_.b_row, depth, width});
    }
  }

  void run_tile(const Bf16Rows* a, const Area& area, int64_t block, const uint16_t* panel,
                float* aside) const {
    const int64_t end = block + kPassBlocks;
    const bool last = end >= all_blocks_, whole = area.rows == kPairRows && area.cols == kBf16Cols;
    float* c = g_.c + area.row * g_.c_row + area.col;
    Bf16Tile t = {};
    t.a = a, t.row_tiles = area.rows > kAmxRows ? 2 : 1;
    t.first = block, t.blocks = std::min(end, blocks_) - block, t.rest = last && rest_ > 0;
    t.b = panel;
    t.accumulate = g_.accumulate || block > 0;
    t.c = whole ? c : aside, t.c_row = whole ? g_.c_row : kBf16Cols;
    if (!whole && t.accumulate) copy(c, g_.c_row, aside, kBf16Cols, area);
    bf16_amx_multiply(t);
    if (!whole) copy(aside, kBf16Cols, c, g_.c_row, area);
    const bool plain = g_.bias_axis == BiasAxis::none && g_.residual == nullptr &&
                       g_.activation == Activation::none;
    if (!last || plain) return;
    Bf16Finish f = {};
    f.c = c, f.c_row = g_.c_row;
    f.rows = static_cast<int>(area.rows), f.cols = static_cast<int>(area.cols);
    if (g_.bias_axis == BiasAxis::row) f.bias_row = g_.bias + area.row;
    if (g_.bias_axis == BiasAxis::col) f.bias_col = g_.bias + area.col;
    if (g_.residual != nullptr) f.residual = g_.residual + (c - g_.c);
    f.activation = g_.activation;
    bf16_amx_finish(f);
  }

  static void copy(const float* in, int64_t in_row, float* out, int64_t out_row, const Area& area) {
    for (int64_t i = 0; i < area.rows; ++i)
      std::copy(in + i * in_row, in + i * in_row + area.cols, out + i * out_row);
  }

  const Gemm<float, bf16>& g_;
  const int64_t blocks_, rest_, all_blocks_;  // whole blocks of k, elements behind them, both
  const bool in_place_;
  Bf16Rows* rows_ = nullptr;
};

}  // namespace

bool bf16_amx_serves(const Gemm<float, bf16>& g) {
  return has_amx() && g.k > 0 && g.m * g.n * g.k >= kLeastWork;
}

void gemm_bf16_amx(const Gemm<float, bf16>& g) { Product(g).run(); }

#else

bool bf16_amx_serves(const Gemm<float, bf16>&) { return false; }
void gemm_bf16_amx(const Gemm<float, bf16>&) {}

#endif

}  // namespace tilegrad
