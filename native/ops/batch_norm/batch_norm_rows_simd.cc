// Tables (rows, channels) row by row, so that memory is read in order: sums of all channels at once, in tiles of kTile
// channels whose sums stay in the first-level cache, four rows to a pass over them. A lane adds at most kRun values before
// they go into f64.
#include "core/cpu/simd_rows.h"
#include "ops/batch_norm/batch_norm_simd.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

constexpr int64_t kRun = 128;
constexpr int64_t kTile = 1024;

// K rows of n channels, `pitch` apart, added to s and q.
template <int K, class T>
TG_SIMD void add_rows(const T* dout, const T* x, int64_t pitch, int64_t n,
                      const compute_t<T>* around, compute_t<T>* s, compute_t<T>* q) {
  using C = compute_t<T>;
  constexpr int W = kWide<T>;
  for (int64_t i = 0; i < n; i += W) {
    const int count = n - i < W ? static_cast<int>(n - i) : W;
    const Vec<C> a = load_wide<C>(around + i, count);
    Vec<C> sum = load(s + i), square = load(q + i);
#pragma GCC unroll 4
    for (int k = 0; k < K; ++k) {
      const Vec<C> d = load_wide(x + k * pitch + i, count) - a;
      const Vec<C> g = dout ? load_wide(dout + k * pitch + i, count) : d;
      sum += g;
      square += g * d;
    }
    store(s + i, sum);
    store(q + i, square);
  }
}

template <class T>
void sums(const BatchNormRows& t, const void* around_data, double* first, double* second) {
  using C = compute_t<T>;
  for (int64_t c = 0; c < t.channels; c += kTile) {
    const int64_t n = t.channels - c < kTile ? t.channels - c : kTile;
    const C* around = static_cast<const C*>(around_data) + c;
    const T* x = static_cast<const T*>(t.x) + c;
    const T* dout = t.dout ? static_cast<const T*>(t.dout) + c : nullptr;
    for (int64_t begin = 0; begin < t.rows; begin += kRun) {
      const int64_t end = t.rows - begin < kRun ? t.rows : begin + kRun;
      alignas(64) C s[kTile] = {}, q[kTile] = {};
      int64_t r = begin;
      for (; r + 4 <= end; r += 4)
        add_rows<4>(dout ? dout + r * t.channels : dout, x + r * t.channels, t.channels, n, around,
                    s, q);
      for (; r < end; ++r)
        add_rows<1>(dout ? dout + r * t.channels : dout, x + r * t.channels, t.channels, n, around,
                    s, q);
      for (int64_t i = 0; i < n; ++i) {
        first[c + i] += static_cast<double>(s[i]);
        second[c + i] += static_cast<double>(q[i]);
      }
    }
  }
}

template <class T>
void map(const BatchNormRows& t, void* out_data, const void* around_data, const void* scale_data,
         const void* slope_data, const void* shift_data) {
  using C = compute_t<T>;
  constexpr int W = kWide<T>;
  for (int64_t c = 0; c < t.channels; c += kTile) {
    const int64_t n = t.channels - c < kTile ? t.channels - c : kTile;
    const C *around = static_cast<const C*>(around_data) + c,
            *scale = static_cast<const C*>(scale_data) + c,
            *slope = static_cast<const C*>(slope_data) + c,
            *shift = static_cast<const C*>(shift_data) + c;
    for (int64_t r = 0; r < t.rows; ++r) {
      const int64_t at = r * t.channels + c;
      const T* x = t.x ? static_cast<const T*>(t.x) + at : nullptr;
      const T* dout = t.dout ? static_cast<const T*>(t.dout) + at : nullptr;
      T* out = static_cast<T*>(out_data) + at;
      for (int64_t i = 0; i < n; i += W) {
        const int count = n - i < W ? static_cast<int>(n - i) : W;
        const Vec<C> s = load_wide<C>(scale + i, count);
        Vec<C> v = dout ? load_wide(dout + i, count) * s : Vec<C>{};
        if (x) {
          const Vec<C> d = load_wide(x + i, count) - load_wide<C>(around + i, count),
                       k = dout ? load_wide<C>(slope + i, count) : s;
          v += d * k + load_wide<C>(shift + i, count);
        }
        store_narrow<T>(out + i, v, count);
      }
    }
  }
}

}  // namespace

BatchNormRowKernels batch_norm_row_kernels(DType dtype) {
  TG_DISPATCH_FLOAT(dtype, T, return (BatchNormRowKernels{sums<T>, map<T>}))
  return {};
}

}  // namespace tilegrad::TILEGRAD_ISA
