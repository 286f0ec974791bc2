// Chooses how a product runs: few rows (memory-bound, no packing), small (no packing), one tile of rows
// (A packed once, each panel of B packed where it is used), or blocked in all three dimensions.
// Every element of C is summed in the same order whatever the tiles and threads: along k in blocks of
// a fixed depth.
#include "core/cpu/gemm.h"

#include <algorithm>

#include "core/cpu/gemm_blocked.h"
#include "core/cpu/gemm_kernels.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"

namespace tilegrad {
namespace {

constexpr int64_t kParallelWork = 1 << 18;  // multiply-adds of a chunk: about 3 to 10 us

// C^T = B^T A^T: a single column of C becomes a single row.
template <class T>
Gemm<T> transposed(const Gemm<T>& g) {
  Gemm<T> t = g;
  t.m = g.n, t.n = g.m;
  t.a = g.b, t.a_row = g.b_col, t.a_col = g.b_row;
  t.b = g.a, t.b_row = g.a_col, t.b_col = g.a_row;
  t.c_row = g.m;
  if (g.bias_axis == BiasAxis::row) t.bias_axis = BiasAxis::col;
  if (g.bias_axis == BiasAxis::col) t.bias_axis = BiasAxis::row;
  return t;
}

// Columns [begin, end) of C.
template <class T>
Gemm<T> columns(const Gemm<T>& g, int64_t begin, int64_t end) {
  Gemm<T> part = g;
  part.n = end - begin;
  part.b += begin * g.b_col;
  part.c += begin;
  if (g.bias_axis == BiasAxis::col) part.bias += begin;
  return part;
}

template <class T>
Gemm<T> rows(const Gemm<T>& g, int64_t begin, int64_t end) {
  Gemm<T> part = g;
  part.m = end - begin;
  part.a += begin * g.a_row;
  part.c += begin * g.c_row;
  if (g.bias_axis == BiasAxis::row) part.bias += begin;
  return part;
}

// 512 to 2048 columns: long runs of each row of B, and a row of C that stays in L1.
template <class T>
void few_rows_stream(const Gemm<T>& g, const GemmKernels<T>& kernels) {
  const int64_t grain = std::clamp<int64_t>(kParallelWork / std::max<int64_t>(g.k, 1), 512, 2048);
  parallel_for(g.n, grain,
               [&](int64_t begin, int64_t end) { kernels.stream(columns(g, begin, end)); });
}

template <class T>
void few_rows_dot(const Gemm<T>& g, const GemmKernels<T>& kernels) {
  Gemm<T> straight = g;
  if (g.a_col != 1) {
    T* a = static_cast<T*>(scratch(ScratchSlot::region, sizeof(T) * g.m * g.k));
    for (int64_t i = 0; i < g.m; ++i) {
      for (int64_t p = 0; p < g.k; ++p) a[i * g.k + p] = g.a[i * g.a_row + p * g.a_col];
    }
    straight.a = a, straight.a_row = g.k, straight.a_col = 1;
  }
  const int64_t work = kParallelWork / std::max<int64_t>(g.k * g.m, 1);
  parallel_for(g.n, std::max<int64_t>(4, work / 4 * 4),
               [&](int64_t begin, int64_t end) { kernels.dot(columns(straight, begin, end)); });
}

// Where B is small and its rows are contiguous, packing costs more than it saves.
template <class T>
bool suits_small(const Gemm<T>& g, const GemmGeometry& geometry) {
  if (g.b_col != 1) return false;
  const bool masked = isa() == Isa::avx2 || isa() == Isa::avx512;
  if (!masked && g.n % geometry.lanes != 0) return false;
  if (g.k == 0) return true;
  return g.k * g.n * static_cast<int64_t>(sizeof(T)) <= (1 << 15) || g.m <= 2 * geometry.small_rows;
}

template <class T>
void small(const Gemm<T>& g, const GemmKernels<T>& kernels) {
  const int64_t tile = kernels.geometry.small_rows;
  const int64_t grain = grain_for(std::max<int64_t>(g.n * g.k * tile, 1), kParallelWork) * tile;
  parallel_for(g.m, grain, [&](int64_t begin, int64_t end) { kernels.small(rows(g, begin, end)); });
}

template <class T>
void run(const Gemm<T>& g) {
  if (g.m <= 0 || g.n <= 0) return;
  if (g.n == 1 && g.m > 1 && g.c_row == 1) return run(transposed(g));
  const GemmKernels<T> kernels;
  if (g.m <= kFewRows && (g.b_col == 1 || g.n == 1)) return few_rows_stream(g, kernels);
  if (g.m <= kFewRows && g.b_row == 1) return few_rows_dot(g, kernels);
  if (suits_small(g, kernels.geometry)) return small(g, kernels);
  gemm_blocked(g, kernels);
}

// Leading batch dimensions over which B does not change only make A and C taller.
template <class T>
bool merge_into_rows(Gemm<T>& g, GemmBatch& batch) {
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

template <class T>
Gemm<T> at(const Gemm<T>& first, const GemmBatch& batch, int64_t index) {
  Gemm<T> g = first;
  for (int d = batch.rank - 1; d >= 0; --d) {
    const int64_t i = index % batch.size[d];
    index /= batch.size[d];
    g.a += i * batch.a_stride[d];
    g.b += i * batch.b_stride[d];
    g.c += i * batch.c_stride[d];
  }
  return g;
}

// Many products share out whole products; few large ones are each shared out by themselves.
template <class T>
void run_batched(Gemm<T> g, GemmBatch batch) {
  while (merge_into_rows(g, batch)) {
  }
  int64_t count = 1;
  for (int d = 0; d < batch.rank; ++d) count *= batch.size[d];
  const int64_t work = std::max<int64_t>(g.m * g.n * g.k, 1);
  constexpr int64_t kLarge = 1 << 24;
  if (work >= kLarge && count < 64) {
    for (int64_t i = 0; i < count; ++i) run(at(g, batch, i));
    return;
  }
  parallel_for(count, grain_for(work, kParallelWork), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) run(at(g, batch, i));
  });
}

}  // namespace

void gemm(const Gemm<float>& g) { run(g); }
void gemm(const Gemm<double>& g) { run(g); }
void gemm_batched(const Gemm<float>& first, const GemmBatch& batch) { run_batched(first, batch); }
void gemm_batched(const Gemm<double>& first, const GemmBatch& batch) { run_batched(first, batch); }

}  // namespace tilegrad
