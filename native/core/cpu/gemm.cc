// Chooses how a product runs: few rows (memory-bound, no packing), AMX tiles, small (no packing), one tile of rows
// (A packed once, each panel of B packed where it is used), or blocked in all three dimensions.
// Every element of C is summed in the same order whatever the tiles and threads: along k in blocks of
// a fixed depth.
#include "core/cpu/gemm.h"

#include <algorithm>
#include <type_traits>

#include "core/cpu/activate_simd.h"
#include "core/cpu/bf16_amx.h"
#include "core/cpu/gemm_blocked.h"
#include "core/cpu/gemm_kernels.h"
#include "core/cpu/scratch.h"
#include "core/dtype.h"
#include "core/parallel.h"
#include "core/sweep.h"

namespace tilegrad {
namespace {

constexpr int64_t kParallelWork = 1 << 18;  // multiply-adds of a chunk: about 3 to 10 us

constexpr int64_t kStreamColumns = 4096;
constexpr int64_t kStreamParts = 16;
// Of few rows at once: an f32 that has counted to 2^24 sees no further ones, and what is widened takes room.
constexpr int64_t kLongDepth = 1 << 22;
constexpr int64_t kTileDepth = 1 << 18;
constexpr int64_t kStrip = 32, kStripColumns = 1024;
constexpr int64_t kSmallBytes = 1 << 15;  // of B
constexpr int64_t kTurnedColumns = 16, kTurnedDepth = 48;
constexpr int64_t kCachedBytes = 1 << 20;  // of B: more is read in the order of memory

template <class T, class S>
void run(const Gemm<T, S>& g, const GemmKernels<T, S>& kernels);

// C^T = B^T A^T: a single column of C becomes a single row.
template <class T, class S>
Gemm<T, S> transposed(const Gemm<T, S>& g) {
  Gemm<T, S> t = g;
  t.m = g.n, t.n = g.m;
  t.a = g.b, t.a_row = g.b_col, t.a_col = g.b_row;
  t.b = g.a, t.b_row = g.a_col, t.b_col = g.a_row;
  t.c_row = g.m;
  t.packed_b = nullptr;
  if (g.bias_axis == BiasAxis::row) t.bias_axis = BiasAxis::col;
  if (g.bias_axis == BiasAxis::col) t.bias_axis = BiasAxis::row;
  return t;
}

// Columns [begin, end) of C.
template <class T, class A, class B>
Gemm<T, A, B> columns(const Gemm<T, A, B>& g, int64_t begin, int64_t end) {
  Gemm<T, A, B> part = g;
  part.n = end - begin;
  part.b += begin * g.b_col;
  part.c += begin;
  if (g.residual != nullptr) part.residual += begin;
  if (g.bias_axis == BiasAxis::col) part.bias += begin;
  return part;
}

template <class T>
Gemm<T> rows(const Gemm<T>& g, int64_t begin, int64_t end) {
  Gemm<T> part = g;
  part.m = end - begin;
  part.a += begin * g.a_row;
  part.c += begin * g.c_row;
  if (g.residual != nullptr) part.residual += begin * g.c_row;
  if (g.bias_axis == BiasAxis::row) part.bias += begin;
  return part;
}

// The part of the sums that k in [begin, end) gives, without the epilogue.
template <class T, class A, class B>
Gemm<T, A, B> depths(const Gemm<T, A, B>& g, int64_t begin, int64_t end) {
  Gemm<T, A, B> part = g;
  part.k = end - begin;
  part.a += begin * g.a_col;
  part.b += begin * g.b_row;
  part.bias_axis = BiasAxis::none;
  part.residual = nullptr;
  part.activation = Activation::none;
  return part;
}

// Runs run(part) for each `depth` of k: each part adds to what those before have given, the last has the epilogue.
template <class T, class S, class Run>
void by_depths(const Gemm<T, S>& g, int64_t depth, Run&& run) {
  if (g.k <= depth) return run(g);
  for (int64_t p = 0; p < g.k; p += depth) {
    Gemm<T, S> part = depths(g, p, std::min(g.k, p + depth));
    part.accumulate = g.accumulate || p > 0;
    if (p + depth >= g.k) {
      part.bias_axis = g.bias_axis, part.residual = g.residual, part.activation = g.activation;
    }
    run(part);
  }
}

// How few rows are shared out: parts of k, so that each task of a stream reads whole rows of B, or columns where those are
// many.
struct FewRowsParts {
  int64_t depth, count, columns;

  static FewRowsParts of_stream(int64_t n, int64_t k) {
    FewRowsParts parts = {k, 1, std::min(n, kStreamColumns)};
    const int64_t groups = (n + parts.columns - 1) / parts.columns;
    if (groups < kStreamParts / 2)
      parts.cut(k, std::max<int64_t>(kParallelWork / parts.columns, 32));
    if (parts.count == 1) {
      parts.columns =
          std::clamp<int64_t>(kParallelWork / std::max<int64_t>(k, 1), 512, kStreamColumns);
    }
    return parts;
  }
  static FewRowsParts of_dots(int64_t m, int64_t n, int64_t k) {
    const int64_t work = kParallelWork / std::max<int64_t>(k * m, 1);
    FewRowsParts parts = {k, 1, std::max<int64_t>(8, work / 8 * 8)};
    const int64_t groups = (n + parts.columns - 1) / parts.columns;
    if (groups < kStreamParts / 2) parts.cut(k, kParallelWork / (m * std::min(n, parts.columns)));
    return parts;
  }
  int64_t sums(int64_t m, int64_t n) const { return count > 1 ? count * m * n : 0; }

 private:
  void cut(int64_t k, int64_t least) {
    depth = std::max(least, (k + kStreamParts - 1) / kStreamParts);
    depth = (depth + 63) / 64 * 64;
    count = std::max<int64_t>((k + depth - 1) / depth, 1);
  }
};

void activate(float* c, int64_t row, int64_t rows, int64_t cols, Activation activation) {
  TILEGRAD_SIMD(activate_rows_f32)(c, row, rows, cols, activation);
}
void activate(double* c, int64_t row, int64_t rows, int64_t cols, Activation activation) {
  TILEGRAD_SIMD(activate_rows_f64)(c, row, rows, cols, activation);
}

// C from the sums of each part (count, m, n), in their order.
template <class T, class A, class B>
void add_parts(const Gemm<T, A, B>& g, const T* sums, int64_t count) {
  parallel_for(g.n, kStreamColumns / 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < g.m; ++i) {
      T* c = g.c + i * g.c_row;
      for (int64_t part = 0; part < count; ++part) {
        const T* from = sums + (part * g.m + i) * g.n;
        if (part == 0 && !g.accumulate) {
          std::copy(from + begin, from + end, c + begin);
        } else {
          for (int64_t j = begin; j < end; ++j) c[j] += from[j];
        }
      }
      const T* residual = g.residual != nullptr ? g.residual + i * g.c_row : nullptr;
      for (int64_t j = begin; j < end; ++j) {
        if (g.bias_axis == BiasAxis::row) c[j] += g.bias[i];
        if (g.bias_axis == BiasAxis::col) c[j] += g.bias[j];
        if (residual != nullptr) c[j] += residual[j];
        if (g.activation == Activation::relu && c[j] < T{}) c[j] = T{};
      }
    }
    if (is_curved(g.activation)) activate(g.c + begin, g.c_row, g.m, end - begin, g.activation);
  });
}

template <class T, class S>
void few_rows_parts(const Gemm<T, T, S>& g, const FewRowsParts& parts, T* sums,
                    void (*kernel)(const Gemm<T, T, S>&)) {
  const int64_t groups = (g.n + parts.columns - 1) / parts.columns;
  const auto compute = [&](int64_t task, int64_t) {
    const int64_t part = task / groups, begin = task % groups * parts.columns;
    const int64_t end = std::min(g.n, begin + parts.columns);
    if (parts.count == 1) return kernel(columns(g, begin, end));
    const int64_t k = part * parts.depth;
    Gemm<T, T, S> some = depths(g, k, std::min(g.k, k + parts.depth));
    some.c = sums + part * g.m * g.n, some.c_row = g.n;
    some.accumulate = false;
    kernel(columns(some, begin, end));
  };
  sweep_for(parts.count * groups, 1, g.k * g.n * static_cast<int64_t>(sizeof(S)), compute);
  if (parts.count > 1) add_parts(g, sums, parts.count);
}

// Streams B past the rows of A, which are laid out as computed with, and contiguous where dot asks for it.
template <class T, class S, class Kernels>
void few_rows(const Gemm<T, S>& g, bool dot, const Kernels& kernels) {
  const FewRowsParts parts =
      dot ? FewRowsParts::of_dots(g.m, g.n, g.k) : FewRowsParts::of_stream(g.n, g.k);
  const bool straighten = !std::is_same_v<T, S> || (dot && g.a_col != 1);
  const int64_t a_elements = straighten ? (g.m * g.k + 15) / 16 * 16 : 0;
  const int64_t elements = a_elements + parts.sums(g.m, g.n);
  T* room = nullptr;
  if (elements > 0)
    room = static_cast<T*>(scratch(ScratchSlot::region, sizeof(T) * static_cast<size_t>(elements)));
  Gemm<T, T, S> few;
  few.m = g.m, few.n = g.n, few.k = g.k;
  few.b = g.b, few.b_row = g.b_row, few.b_col = g.b_col;
  few.c = g.c, few.c_row = g.c_row, few.accumulate = g.accumulate;
  few.bias_axis = g.bias_axis, few.bias = g.bias;
  few.residual = g.residual, few.activation = g.activation;
  if constexpr (std::is_same_v<T, S>) few.a = g.a, few.a_row = g.a_row, few.a_col = g.a_col;
  if (straighten) {
    for (int64_t i = 0; i < g.m; ++i) {
      for (int64_t p = 0; p < g.k; ++p) room[i * g.k + p] = T(g.a[i * g.a_row + p * g.a_col]);
    }
    few.a = room, few.a_row = g.k, few.a_col = 1;
  }
  few_rows_parts(few, parts, room + a_elements, dot ? kernels.dot : kernels.stream);
}

// Where B is small, packing costs more than it saves. Rows of B that are not contiguous are laid out so before.
template <class T>
bool suits_small(const Gemm<T>& g, const GemmGeometry& geometry) {
  if (g.a_col != 1 && g.a_row != 1) return false;
  const bool masked = isa() == Isa::avx2 || isa() == Isa::avx512;
  if (!masked && g.n % geometry.lanes != 0) return false;
  if (g.k == 0) return g.b_col == 1;
  return g.k * g.n * static_cast<int64_t>(sizeof(T)) <= kSmallBytes ||
         (g.b_col == 1 && g.m <= 2 * geometry.small_rows);
}

template <class T>
void small(Gemm<T> g, const GemmKernels<T>& kernels) {
  if (g.b_col != 1) {
    const auto elements = static_cast<size_t>(g.k * g.n);
    T* rows = static_cast<T*>(scratch(ScratchSlot::region, sizeof(T) * elements));
    const int width = static_cast<int>(g.n);
    kernels.pack({rows, width, width, g.k, g.b, g.b_col, g.b_row});
    g.b = rows, g.b_row = g.n, g.b_col = 1;
  }
  const int64_t tile = kernels.geometry.small_rows;
  const int64_t grain = grain_for(std::max<int64_t>(g.n * g.k * tile, 1), kParallelWork) * tile;
  parallel_for(g.m, grain, [&](int64_t begin, int64_t end) { kernels.small(rows(g, begin, end)); });
}

// Some rows, and B beyond the caches: strips of B a few rows high are read along the rows.
template <class T>
void strips(const Gemm<T>& g, const GemmKernels<T>& kernels) {
  parallel_for(g.n, kStripColumns, [&](int64_t begin, int64_t end) {
    const Gemm<T> part = columns(g, begin, end);
    by_depths(part, kStrip, [&](const Gemm<T>& strip) { kernels.small(strip); });
  });
}

// Few columns of C from rows of A^T: those are streamed as rows of the other operand, and C^T is turned.
template <class T>
bool suits_turned(const Gemm<T>& g) {
  return g.n <= kTurnedColumns && g.m >= 4 * g.n && g.k >= kTurnedDepth && g.a_row == 1 &&
         g.a_col != 1 && g.c_row == g.n && !g.accumulate && g.bias_axis == BiasAxis::none &&
         g.residual == nullptr && g.activation == Activation::none;
}

template <class T>
void turned(const Gemm<T>& g, const GemmKernels<T>& kernels) {
  Gemm<T> t = transposed(g);
  t.c = static_cast<T*>(scratch(ScratchSlot::turned, sizeof(T) * static_cast<size_t>(g.m * g.n)));
  run(t, kernels);
  const int width = static_cast<int>(g.n);
  kernels.pack({g.c, width, width, g.m, t.c, g.m, 1});
}

// Tiles add to what C holds, and room for copies of A grows with the depth: parts of a long one are summed beside it.
void by_tiles(const Gemm<float, bf16>& g) {
  if (g.k <= kTileDepth) return gemm_bf16_amx(g);
  auto* sums = static_cast<float*>(
      scratch(ScratchSlot::turned, sizeof(float) * static_cast<size_t>(g.m * g.n)));
  by_depths(g, kTileDepth, [&](const Gemm<float, bf16>& part) {
    Gemm<float, bf16> alone = depths(part, 0, part.k);
    alone.c = sums, alone.c_row = g.n, alone.accumulate = false;
    gemm_bf16_amx(alone);
    add_parts(part, sums, 1);
  });
}

template <class T, class S>
void run(const Gemm<T, S>& g, const GemmKernels<T, S>& kernels) {
  if (g.m <= 0 || g.n <= 0) return;
  if (g.n == 1 && g.m > 1 && g.c_row == 1) return run(transposed(g), kernels);
  const int64_t bytes = g.k * g.n * static_cast<int64_t>(sizeof(S));
  const bool stream = g.m <= kFewRows && (g.n == 1 ? g.b_row != 1 : g.b_col == 1);
  if (stream || (g.m <= (bytes > kCachedBytes ? kDotRows : kFewRows) && g.b_row == 1)) {
    const auto part = [&](const Gemm<T, S>& g) { few_rows(g, !stream, kernels); };
    return by_depths(g, kLongDepth, part);
  }
  if constexpr (std::is_same_v<S, bf16>) {
    if (bf16_amx_serves(g)) return by_tiles(g);
  }
  if constexpr (std::is_same_v<T, S>) {
    if (suits_turned(g)) return turned(g, kernels);
    if (suits_small(g, kernels.geometry)) {
      return bytes > kCachedBytes ? strips(g, kernels) : small(g, kernels);
    }
  }
  gemm_blocked(g, kernels);
}

// Leading batch dimensions over which B does not change only make A and C taller.
template <class T, class S>
bool merge_into_rows(Gemm<T, S>& g, GemmBatch& batch) {
  const int last = batch.rank - 1;
  if (last < 0) return false;
  if (batch.size[last] == 1) return --batch.rank, true;
  if (batch.b_stride[last] != 0 || g.bias_axis == BiasAxis::row) return false;
  if (g.m == 1) g.a_row = batch.a_stride[last], g.c_row = batch.c_stride[last];
  if (batch.a_stride[last] != g.m * g.a_row || batch.c_stride[last] != g.m * g.c_row) return false;
  g.m *= batch.size[last];
  --batch.rank;
  return true;
}

template <class T, class S>
Gemm<T, S> at(const Gemm<T, S>& first, const GemmBatch& batch, int64_t index) {
  Gemm<T, S> g = first;
  for (int d = batch.rank - 1; d >= 0; --d) {
    const int64_t i = index % batch.size[d];
    index /= batch.size[d];
    g.a += i * batch.a_stride[d];
    g.b += i * batch.b_stride[d];
    g.c += i * batch.c_stride[d];
    if (g.residual != nullptr) g.residual += i * batch.c_stride[d];
  }
  return g;
}

// Many products share out whole products; few large ones are each shared out by themselves.
template <class T, class S>
void run_batched(Gemm<T, S> g, GemmBatch batch) {
  while (merge_into_rows(g, batch)) {
  }
  const GemmKernels<T, S> kernels;
  int64_t count = 1;
  for (int d = 0; d < batch.rank; ++d) count *= batch.size[d];
  const int64_t work = std::max<int64_t>(g.m * g.n * g.k, 1);
  constexpr int64_t kLarge = 1 << 24;
  if (work >= kLarge && count < 64) {
    for (int64_t i = 0; i < count; ++i) run(at(g, batch, i), kernels);
    return;
  }
  parallel_for(count, grain_for(work, kParallelWork), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) run(at(g, batch, i), kernels);
  });
}

}  // namespace

void gemm(const Gemm<float>& g) { run(g, {}); }
void gemm(const Gemm<double>& g) { run(g, {}); }
void gemm(const Gemm<float, bf16>& g) { run(g, {}); }
void gemm(const Gemm<float, f16>& g) { run(g, {}); }
void gemm_batched(const Gemm<float>& first, const GemmBatch& batch) { run_batched(first, batch); }
void gemm_batched(const Gemm<double>& first, const GemmBatch& batch) { run_batched(first, batch); }
void gemm_batched(const Gemm<float, bf16>& first, const GemmBatch& batch) {
  run_batched(first, batch);
}
void gemm_batched(const Gemm<float, f16>& first, const GemmBatch& batch) {
  run_batched(first, batch);
}

}  // namespace tilegrad
