// All of A and super-blocks of B's columns are packed into panels, then 2-D tiles are shared out: a task takes up to
// row_block rows (a block of their k stays in L2) and a few panels of B (L1), runs through k and finishes its tile while it
// is in the cache. Packing moves 2 (m k + k n) bytes, twice that in the word layout.
#include "core/cpu/int8_gemm.h"

#include <algorithm>
#include <atomic>
#include <new>

#include "core/ceil_div.h"
#include "core/cpu/int8_amx.h"
#include "core/cpu/int8_gemm_simd.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"

namespace tilegrad {
namespace {

constexpr int64_t kTaskWork = 1 << 21;         // multiply-adds
constexpr int64_t kPackWork = 1 << 16;         // bytes
constexpr int64_t kSuperBlockBytes = 1 << 24;  // of packed B
constexpr int64_t kTilePanels = 4;  // of B per task at most, so that the tile stays in L2

class Product {
 public:
  explicit Product(const Int8Gemm& g)
      : g_(g), geometry_(TILEGRAD_SIMD(int8_geometry)()), cols_(geometry_.tile_cols) {
    const int64_t panels = ceil_div(g.m, geometry_.tile_rows);
    panel_rows_ = ceil_div(g.m, panels);
  }

  void run() {
    words_ = geometry_.bytes == Int8Bytes::never;
    const int64_t whole = round_up(g_.n, cols_);
    const int64_t depth = std::max<int64_t>(round_up(g_.k, 4), 4);
    super_cols_ = std::clamp(kSuperBlockBytes / depth / cols_ * cols_, cols_, whole);
    kept_ = kept_b(whole);
    reserve();
    if (kept_) {
      if (!a_in_place()) pack_a();
      return multiply(0, g_.n);
    }
    for (int64_t col = 0; col < g_.n; col += super_cols_) {
      const int64_t cols = std::min(super_cols_, g_.n - col);
      const bool were_words = words_;
      pack_b_exactly(col, cols);
      if ((col == 0 || words_ != were_words) && !a_in_place()) pack_a();
      multiply(col, cols);
    }
  }

 private:
  // Unsigned rows whose sums nobody wants.
  bool a_in_place() const {
    return geometry_.in_place && !words_ && g_.a.row > 0 && g_.a.col == 1 && !g_.a.is_signed &&
           g_.k % 4 == 0 && !g_.wants_a_sums && g_.b.is_signed;
  }

  int64_t groups() const { return ceil_div(g_.k, words_ ? 2 : 4); }

  // The layout, the sums of the columns, the panels of all of B; as long as the longer layout.
  PackedForm kept_b(int64_t whole) {
    struct Header {
      alignas(64) bool words;
    };
    const int64_t longest = ceil_div(g_.k, geometry_.bytes == Int8Bytes::always ? 4 : 2);
    const int64_t sums = round_up(whole * 4, 64);
    const auto take = [&](const void* form) {
      auto* at = const_cast<uint8_t*>(static_cast<const uint8_t*>(form)) + sizeof(Header);
      b_sums_ = reinterpret_cast<int32_t*>(at);
      b_ = reinterpret_cast<uint32_t*>(at + sums);
    };
    const auto pack = [&](void* out) {
      take(out);
      pack_b_exactly(0, g_.n);
      new (out) Header{words_};
    };
    const int64_t bytes = static_cast<int64_t>(sizeof(Header)) + sums + whole * longest * 4;
    PackedForm form = packed_form(g_.packed, int8_packed_key(g_, "int8_panels"),
                                  static_cast<size_t>(bytes), pack);
    if (form) {
      take(form.get());
      words_ = static_cast<const Header*>(form.get())->words;
    }
    return form;
  }

  // A, B unless it is kept, the sums of both, laid out for the longer of the two layouts.
  void reserve() {
    const int64_t longest = ceil_div(g_.k, geometry_.bytes == Int8Bytes::always ? 4 : 2);
    const int64_t a_panels = ceil_div(g_.m, panel_rows_);
    const int64_t b_panels = kept_ ? 0 : super_cols_ / cols_;
    const int64_t a_size = round_up(a_panels * panel_rows_ * longest, 16);
    const int64_t b_size = b_panels * cols_ * longest;
    const int64_t a_sums = round_up(a_panels * panel_rows_, 16), b_sums = b_panels * cols_;
    a_ = static_cast<uint32_t*>(
        scratch(ScratchSlot::region,
                sizeof(uint32_t) * static_cast<size_t>(a_size + b_size + a_sums + b_sums)));
    a_sums_ = reinterpret_cast<int32_t*>(a_ + a_size + b_size);
    if (!kept_) b_ = a_ + a_size, b_sums_ = a_sums_ + a_sums;
  }

  void pack_a() {
    const int64_t panels = ceil_div(g_.m, panel_rows_);
    parallel_for(panels, grain_for(panel_rows_ * g_.k, kPackWork), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const int64_t row = p * panel_rows_;
        const int rows = static_cast<int>(std::min(panel_rows_, g_.m - row));
        TILEGRAD_SIMD(pack_int8_panel)
        ({a_ + row * groups(), rows, rows, g_.k,
          static_cast<const uint8_t*>(g_.a.data) + row * g_.a.row, g_.a.row, g_.a.col,
          g_.a.is_signed, words_, false, false, a_sums_ + row});
      }
    });
  }

  // In bytes where that is exact, else in words.
  void pack_b_exactly(int64_t col, int64_t cols) {
    words_ = geometry_.bytes == Int8Bytes::never;
    if (pack_b(col, cols)) return;
    words_ = true;
    pack_b(col, cols);
  }

  // False if a pair of neighbours could saturate; what is packed then is of no use.
  bool pack_b(int64_t col, int64_t cols) {
    std::atomic<bool> fits{true};
    parallel_for(ceil_div(cols, cols_), grain_for(cols_ * g_.k, kPackWork),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t p = begin; p < end; ++p) {
                     if (!fits.load(std::memory_order_relaxed)) return;
                     const int64_t at = p * cols_;
                     const int width = static_cast<int>(std::min(cols_, cols - at));
                     PackInt8 pack = {b_ + at * groups(),
                                      static_cast<int>(cols_),
                                      width,
                                      g_.k,
                                      nullptr,
                                      g_.b.col,
                                      g_.b.row,
                                      !g_.b.is_signed,
                                      words_,
                                      true,
                                      geometry_.bytes == Int8Bytes::where_pairs_fit && !words_,
                                      b_sums_ + at};
                     if (g_.fill != nullptr) {
                       auto* rows = static_cast<uint8_t*>(
                           scratch(ScratchSlot::chunk, static_cast<size_t>(g_.k * cols_)));
                       g_.fill(g_.fill_context, col + at, width, rows, cols_);
                       pack.in = rows, pack.width_stride = 1, pack.depth_stride = cols_;
                     } else {
                       pack.in = static_cast<const uint8_t*>(g_.b.data) + (col + at) * g_.b.col;
                     }
                     if (!TILEGRAD_SIMD(pack_int8_panel)(pack))
                       fits.store(false, std::memory_order_relaxed);
                   }
                 });
    return fits.load(std::memory_order_relaxed);
  }

  void multiply(int64_t col, int64_t cols) const {
    const int64_t a_panels = ceil_div(g_.m, panel_rows_);
    const int64_t row_tiles = ceil_div(g_.m, geometry_.row_block);
    const int64_t tile_rows = ceil_div(a_panels, row_tiles) * panel_rows_;
    const int64_t work = std::min(tile_rows, g_.m) * std::max<int64_t>(g_.k, 1) * cols_;
    const int64_t group = std::min(grain_for(work, kTaskWork), kTilePanels) * cols_;
    const int64_t col_groups = ceil_div(cols, group);
    const int64_t row_groups = ceil_div(g_.m, tile_rows);
    const int64_t grain = grain_for(work * (group / cols_), kTaskWork);
    parallel_for(row_groups * col_groups, grain, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t row = task / col_groups * tile_rows, at = task % col_groups * group;
        run_tile(row, std::min(tile_rows, g_.m - row), col, at, std::min(group, cols - at));
      }
    });
  }

  void run_tile(int64_t row, int64_t rows, int64_t col, int64_t at, int64_t cols) const {
    Int8Tile tile = {g_.c + row * g_.c_row + col + at,
                     g_.c_row,
                     row,
                     rows,
                     col + at,
                     cols,
                     a_in_place() ? nullptr : a_sums_ + row,
                     b_sums_ + at,
                     g_.a.is_signed ? 128 : 0,
                     g_.b.is_signed ? 0 : 128};
    if (g_.c == nullptr) {
      tile.c = static_cast<int32_t*>(
          scratch(ScratchSlot::chunk, sizeof(int32_t) * static_cast<size_t>(rows * cols)));
      tile.c_row = cols;
    }
    const int64_t depth = groups();
    for (int64_t g = 0; g < std::max<int64_t>(depth, 1); g += geometry_.depth_block) {
      PackedInt8Gemm p = {};
      p.m = rows, p.n = cols, p.groups = std::min<int64_t>(geometry_.depth_block, depth - g);
      p.panel_rows = static_cast<int>(std::min(panel_rows_, rows));
      p.a_panel = panel_rows_ * depth, p.b_panel = cols_ * depth;
      if (a_in_place()) {
        p.a = reinterpret_cast<const uint32_t*>(static_cast<const uint8_t*>(g_.a.data) +
                                                row * g_.a.row + 4 * g);
        p.a_row = g_.a.row;
      } else {
        p.a = a_ + row * depth + g * panel_rows_;
      }
      p.b = b_ + at * depth + g * cols_;
      p.c = tile.c, p.c_row = tile.c_row;
      p.accumulate = g > 0;
      p.words = words_;
      multiply_blocks(p, g);
    }
    const bool finished = g_.raw && tile.a_shift == 0 && tile.b_shift == 0;
    if (g_.finish != nullptr && !finished) g_.finish(g_.finish_context, tile);
  }

  // The last panel of A has fewer rows, so within it a group takes less room: it goes by itself.
  void multiply_blocks(PackedInt8Gemm p, int64_t g) const {
    const int64_t whole = p.m / panel_rows_ * panel_rows_;
    const int64_t rest = p.m - whole;
    if (whole > 0) {
      PackedInt8Gemm part = p;
      part.m = whole, part.panel_rows = static_cast<int>(panel_rows_);
      TILEGRAD_SIMD(int8_gemm_packed)(part);
    }
    if (rest > 0) {
      if (p.a_row == 0) {
        p.a += whole * groups() - g * panel_rows_ + g * rest;
      } else {
        p.a = reinterpret_cast<const uint32_t*>(reinterpret_cast<const uint8_t*>(p.a) +
                                                whole * p.a_row);
      }
      p.c += whole * p.c_row;
      p.m = rest, p.panel_rows = static_cast<int>(rest);
      TILEGRAD_SIMD(int8_gemm_packed)(p);
    }
  }

  const Int8Gemm& g_;
  const Int8Geometry geometry_;
  const int64_t cols_;
  int64_t panel_rows_ = 0;
  int64_t super_cols_ = 0;
  bool words_ = false;
  PackedForm kept_;
  uint32_t *a_ = nullptr, *b_ = nullptr;
  int32_t *a_sums_ = nullptr, *b_sums_ = nullptr;
};

}  // namespace

PackedKey int8_packed_key(const Int8Gemm& g, const char* kind) {
  return {kind, {reinterpret_cast<intptr_t>(g.b.data), g.b.row, g.b.col, g.b.is_signed, g.k, g.n}};
}

void int8_gemm(const Int8Gemm& g) {
  if (g.m == 0 || g.n == 0) return;
  if (int8_amx_serves(g)) return int8_gemm_amx(g);
  Product(g).run();
}

}  // namespace tilegrad
