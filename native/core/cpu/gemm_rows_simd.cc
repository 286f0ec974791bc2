// Products with few rows: memory-bound, so B is read once, in order, and nothing is packed.
// stream: rows of B are contiguous; four of them at a time are added into C, which stays in a cache near by (the
// caller gives at most a few thousand columns). dot: columns of B are contiguous; some at a time are
// multiplied with every row of A, four rows of A at a time.
#include "core/cpu/activate_simd.h"
#include "core/cpu/gemm_simd.h"
#include "core/cpu/stored.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

constexpr int kTogether = 4;          // rows of A, of B and columns of B
constexpr int64_t kCached = 1 << 20;  // bytes of B that are likely to be in a cache near by

template <class T, class S>
TG_SIMD T finish(const Gemm<T, T, S>& g, int64_t i, int64_t j, T sum) {
  if (g.bias_axis == BiasAxis::row) sum += g.bias[i];
  if (g.bias_axis == BiasAxis::col) sum += g.bias[j];
  if (g.residual != nullptr) sum += g.residual[i * g.c_row + j];
  return g.activation == Activation::relu && sum < T{} ? T{} : sum;
}

// c (M, n) += a (M, D) b (D, n). With kAhead the next D rows of B are asked for: the processor's prefetching begins
// anew with each row and each page.
template <int M, int D, bool kAhead, class T, class S>
TG_SIMD void add_rows(const Gemm<T, T, S>& g, const T* a, const S* b) {
  constexpr int W = kLanes<T>;
  Vec<T> av[M][D];
  for (int i = 0; i < M; ++i) {
    for (int d = 0; d < D; ++d) av[i][d] = broadcast<T>(a[i * g.a_row + d * g.a_col]);
  }
  int64_t j = 0;
  for (; j + W <= g.n; j += W) {
    Vec<T> bv[D];
    for (int d = 0; d < D; ++d) {
      if constexpr (kAhead) __builtin_prefetch(b + (D + d) * g.b_row + j);
      bv[d] = load_stored(b + d * g.b_row + j);
    }
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
    for (int d = 0; d < D; ++d) sum += av[i][d] * load_stored_partial(b + d * g.b_row + j, left);
    store_partial<T>(g.c + i * g.c_row + j, sum, left);
  }
}

template <int M, bool kAhead, class T, class S>
__attribute__((noinline)) void stream_m(const Gemm<T, T, S>& g) {
  for (int i = 0; i < M && !g.accumulate; ++i) {
    for (int64_t j = 0; j < g.n; ++j) g.c[i * g.c_row + j] = T{};
  }
  int64_t p = 0;
  for (; p + kTogether <= g.k; p += kTogether) {
    add_rows<M, kTogether, kAhead>(g, g.a + p * g.a_col, g.b + p * g.b_row);
  }
  for (; p < g.k; ++p) add_rows<M, 1, false>(g, g.a + p * g.a_col, g.b + p * g.b_row);
  if (g.bias_axis == BiasAxis::none && g.residual == nullptr && g.activation == Activation::none)
    return;
  for (int i = 0; i < M; ++i) {
    T* c = g.c + i * g.c_row;
    for (int64_t j = 0; j < g.n; ++j) c[j] = finish(g, i, j, c[j]);
  }
}

template <int M = static_cast<int>(kFewRows), class T, class S>
TG_SIMD void stream(const Gemm<T, T, S>& g) {
  if (g.m == M) {
    const bool ahead = g.k * g.n * static_cast<int64_t>(sizeof(S)) > kCached;
    return ahead ? stream_m<M, true>(g) : stream_m<M, false>(g);
  }
  if constexpr (M > 1) stream<M - 1>(g);
}

// The sum of each of N vectors, lanes added in the order of sum_lanes: two vectors become one of half sums, until
// all share one.
template <class T, int N>
TG_SIMD void sum_each(const Vec<T>* acc, T* sums) {
  constexpr int W = kLanes<T>;
  if constexpr (N == 1 || N > W) {
    for (int n = 0; n < N; ++n) sums[n] = sum_lanes<T>(acc[n]);
  } else {
    Vec<T> v[N];
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) v[n] = acc[n];
#pragma GCC unroll 4
    for (int count = N, half = W / 2; count > 1; count /= 2, half /= 2) {
      const Mask<T> low = lane_numbers<T>() + (lane_numbers<T>() & -half);
#pragma GCC unroll 8
      for (int n = 0; n < count / 2; ++n) {
        v[n] = __builtin_shuffle(v[2 * n], v[2 * n + 1], low) +
               __builtin_shuffle(v[2 * n], v[2 * n + 1], low + half);
      }
    }
#pragma GCC unroll 4
    for (int half = W / N / 2; half > 0; half /= 2) {
      const Mask<T> from = lane_numbers<T>() ^ half;
      v[0] += __builtin_shuffle(v[0], from);
    }
    for (int n = 0; n < N; ++n) sums[n] = v[0][n * (W / N)];
  }
}

// c (M, N) at (row, col), from rows of A and columns of B that are contiguous along k.
template <int M, int N, class T, class S>
__attribute__((noinline)) void dot(const Gemm<T, T, S>& g, int64_t row, int64_t col) {
  constexpr int W = kLanes<T>;
  const T* a = g.a + row * g.a_row;
  const S* b = g.b + col * g.b_col;
  Vec<T> acc[M][N] = {};
  int64_t p = 0;
  for (; p + W <= g.k; p += W) {
    Vec<T> bv[N];
    for (int n = 0; n < N; ++n) bv[n] = load_stored(b + n * g.b_col + p);
    for (int i = 0; i < M; ++i) {
      const Vec<T> av = load<T>(a + i * g.a_row + p);
      for (int n = 0; n < N; ++n) acc[i][n] += av * bv[n];
    }
  }
  const int left = static_cast<int>(g.k - p);
  if (left > 0) {
    for (int n = 0; n < N; ++n) {
      const Vec<T> bv = load_stored_partial(b + n * g.b_col + p, left);
      for (int i = 0; i < M; ++i) acc[i][n] += load_partial<T>(a + i * g.a_row + p, left) * bv;
    }
  }
  for (int i = 0; i < M; ++i) {
    T* c = g.c + (row + i) * g.c_row + col;
    T sums[N];
    sum_each<T, N>(acc[i], sums);
    for (int n = 0; n < N; ++n) {
      c[n] = finish(g, row + i, col + n, g.accumulate ? c[n] + sums[n] : sums[n]);
    }
  }
}

template <int N, int M = kTogether, class T, class S>
TG_SIMD void dot_rows(const Gemm<T, T, S>& g, int64_t rows, int64_t row, int64_t col) {
  if (rows == M) return dot<M, N>(g, row, col);
  if constexpr (M > 1) dot_rows<N, M - 1>(g, rows, row, col);
}

// Rows of A in even groups: five as three and two.
template <class T, class S>
TG_SIMD void dots(const Gemm<T, T, S>& g) {
  const int64_t groups = (g.m + kTogether - 1) / kTogether, rows = (g.m + groups - 1) / groups;
  const auto group_at = [&](int64_t row) __attribute__((always_inline)) {
    return g.m - row < rows ? g.m - row : rows;
  };
  int64_t j = 0;
  if (g.m == 1) {  // twice as many columns: the sums of four would wait for one another
    for (; j + 2 * kTogether <= g.n; j += 2 * kTogether) dot<1, 2 * kTogether>(g, 0, j);
  }
  for (; j + kTogether <= g.n; j += kTogether) {
    for (int64_t i = 0; i < g.m; i += rows) dot_rows<kTogether>(g, group_at(i), i, j);
  }
  for (; j < g.n; ++j) {
    for (int64_t i = 0; i < g.m; i += rows) dot_rows<1>(g, group_at(i), i, j);
  }
}

// What was just written, and lies in a cache near by.
template <class S>
void activate(const Gemm<float, float, S>& g) {
  if (is_curved(g.activation)) activate_rows_f32(g.c, g.c_row, g.m, g.n, g.activation);
}
void activate(const Gemm<double>& g) {
  if (is_curved(g.activation)) activate_rows_f64(g.c, g.c_row, g.m, g.n, g.activation);
}

}  // namespace

void gemm_rows_stream_f32(const Gemm<float>& g) {
  stream(g);
  activate(g);
}
void gemm_rows_stream_f64(const Gemm<double>& g) {
  stream(g);
  activate(g);
}
void gemm_rows_stream_bf16(const Gemm<float, float, bf16>& g) {
  stream(g);
  activate(g);
}
void gemm_rows_stream_f16(const Gemm<float, float, f16>& g) {
  stream(g);
  activate(g);
}
void gemm_rows_dot_f32(const Gemm<float>& g) {
  dots(g);
  activate(g);
}
void gemm_rows_dot_f64(const Gemm<double>& g) {
  dots(g);
  activate(g);
}
void gemm_rows_dot_bf16(const Gemm<float, float, bf16>& g) {
  dots(g);
  activate(g);
}
void gemm_rows_dot_f16(const Gemm<float, float, f16>& g) {
  dots(g);
  activate(g);
}

}  // namespace tilegrad::TILEGRAD_ISA
