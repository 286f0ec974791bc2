// Products with at most kFewRows rows: memory-bound, so B is read once, in order, and nothing is packed.
// stream: rows of B are contiguous; four of them at a time are added into C, which stays in L1 (the
// caller gives at most a few thousand columns). dot: columns of B are contiguous; four at a time are
// multiplied with every row of A.
#include "core/cpu/gemm_simd.h"
#include "core/cpu/simd.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

constexpr int kMaxRows = static_cast<int>(kFewRows);

template <class T>
TG_SIMD T finish(const Gemm<T>& g, int64_t i, int64_t j, T sum) {
  if (g.bias_axis == BiasAxis::row) sum += g.bias[i];
  if (g.bias_axis == BiasAxis::col) sum += g.bias[j];
  return g.relu && sum < T{} ? T{} : sum;
}

// c (M, n) += a (M, D) b (D, n)
template <class T, int M, int D>
TG_SIMD void add_rows(const Gemm<T>& g, const T* a, const T* b) {
  constexpr int W = kLanes<T>;
  Vec<T> av[M][D];
  for (int i = 0; i < M; ++i) {
    for (int d = 0; d < D; ++d) av[i][d] = broadcast<T>(a[i * g.a_row + d * g.a_col]);
  }
  int64_t j = 0;
  for (; j + W <= g.n; j += W) {
    Vec<T> bv[D];
    for (int d = 0; d < D; ++d) bv[d] = load<T>(b + d * g.b_row + j);
    for (int i = 0; i < M; ++i) {
      Vec<T> sum = load<T>(g.c + i * g.c_row + j);
      for (int d = 0; d < D; ++d) sum += av[i][d] * bv[d];
      store<T>(g.c + i * g.c_row + j, sum);
    }
  }
  const int left = static_cast<int>(g.n - j);
  if (left == 0) return;
  for (int i = 0; i < M; ++i) {
    Vec<T> sum = load_partial<T>(g.c + i * g.c_row + j, left);
    for (int d = 0; d < D; ++d) sum += av[i][d] * load_partial<T>(b + d * g.b_row + j, left);
    store_partial<T>(g.c + i * g.c_row + j, sum, left);
  }
}

template <class T, int M>
TG_SIMD void stream(const Gemm<T>& g) {
  for (int i = 0; i < M && !g.accumulate; ++i) {
    for (int64_t j = 0; j < g.n; ++j) g.c[i * g.c_row + j] = T{};
  }
  int64_t p = 0;
  for (; p + 4 <= g.k; p += 4) add_rows<T, M, 4>(g, g.a + p * g.a_col, g.b + p * g.b_row);
  for (; p < g.k; ++p) add_rows<T, M, 1>(g, g.a + p * g.a_col, g.b + p * g.b_row);
  if (g.bias_axis == BiasAxis::none && !g.relu) return;
  for (int i = 0; i < M; ++i) {
    T* c = g.c + i * g.c_row;
    for (int64_t j = 0; j < g.n; ++j) c[j] = finish<T>(g, i, j, c[j]);
  }
}

// c (M, N) from rows of A and columns of B, both contiguous along k.
template <class T, int M, int N>
TG_SIMD void dot(const Gemm<T>& g, int64_t j) {
  constexpr int W = kLanes<T>;
  const T* b = g.b + j * g.b_col;
  Vec<T> acc[M][N] = {};
  int64_t p = 0;
  const auto step = [&](auto read) __attribute__((always_inline)) {
    Vec<T> bv[N];
    for (int n = 0; n < N; ++n) bv[n] = read(b + n * g.b_col + p);
    for (int i = 0; i < M; ++i) {
      const Vec<T> av = read(g.a + i * g.a_row + p);
      for (int n = 0; n < N; ++n) acc[i][n] += av * bv[n];
    }
  };
  for (; p + W <= g.k; p += W) {
    step([](const T* x) __attribute__((always_inline)) { return load<T>(x); });
  }
  const int left = static_cast<int>(g.k - p);
  if (left > 0) {
    step([left](const T* x) __attribute__((always_inline)) { return load_partial<T>(x, left); });
  }
  for (int i = 0; i < M; ++i) {
    for (int n = 0; n < N; ++n) {
      T* c = g.c + i * g.c_row + j + n;
      const T sum = sum_lanes<T>(acc[i][n]);
      *c = finish<T>(g, i, j + n, g.accumulate ? *c + sum : sum);
    }
  }
}

template <class T, int M>
TG_SIMD void dots(const Gemm<T>& g) {
  int64_t j = 0;
  for (; j + 4 <= g.n; j += 4) dot<T, M, 4>(g, j);
  for (; j < g.n; ++j) dot<T, M, 1>(g, j);
}

template <class T, int M>
__attribute__((noinline)) void stream_m(const Gemm<T>& g) {
  stream<T, M>(g);
}
template <class T, int M>
__attribute__((noinline)) void dots_m(const Gemm<T>& g) {
  dots<T, M>(g);
}

template <class T, int M = kMaxRows>
TG_SIMD void by_rows(const Gemm<T>& g, bool streamed) {
  if (g.m == M) return streamed ? stream_m<T, M>(g) : dots_m<T, M>(g);
  if constexpr (M > 1) by_rows<T, M - 1>(g, streamed);
}

}  // namespace

void gemm_rows_stream_f32(const Gemm<float>& g) { by_rows(g, true); }
void gemm_rows_stream_f64(const Gemm<double>& g) { by_rows(g, true); }
void gemm_rows_dot_f32(const Gemm<float>& g) { by_rows(g, false); }
void gemm_rows_dot_f64(const Gemm<double>& g) { by_rows(g, false); }

}  // namespace tilegrad::TILEGRAD_ISA
