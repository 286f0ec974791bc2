// The largest values of windows that overlap, without their taps: first over the columns of every row, then over the rows,
// so that a window of r by s takes r + s - 2 comparisons instead of r s - 1. Blocks of output rows, of several planes where
// they are small: the input rows behind them are copied with their padding to `work`, where rows follow one another, so
// that narrow images fill whole vectors.
// Of equals the first in the window wins as with taps; where a block holds NaN, all is left to max_pool_rows.
#include "core/cpu/simd.h"
#include "ops/pool2d/pool2d_kernels.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

// a, unless b is larger; neither is NaN.
template <class T>
TG_SIMD Vec<T> larger_or_first(Vec<T> a, Vec<T> b) {
#if defined(TILEGRAD_ISA_AVX512)
  // The forms with a mask, since GCC 12 warns of the others' own undefined operand.
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm512_maskz_max_ps(0xffff, (__m512)b, (__m512)a);
  else
    return (Vec<T>)_mm512_maskz_max_pd(0xff, (__m512d)b, (__m512d)a);
#elif defined(TILEGRAD_ISA_AVX2)
  if constexpr (sizeof(T) == 4)
    return (Vec<T>)_mm256_max_ps((__m256)b, (__m256)a);
  else
    return (Vec<T>)_mm256_max_pd((__m256d)b, (__m256d)a);
#else
  return b > a ? b : a;
#endif
}

// K: rows and columns of a window without dilation, or 0 for any.
template <class T, int K>
class Block {
 public:
  static constexpr int W = kLanes<T>;

  Block(const PoolShape& s, T* work)
      : s_(s), pitch_(max_pool_values_pitch(s)), rows_(work), line_(work + kMaxPoolBlock) {}

  // Input rows [first, first + count) with their padding become those from `at` on; false where one holds NaN.
  inline __attribute__((always_inline)) bool load_rows(const T* x, int64_t first, int64_t count,
                                                       int64_t at) {
    const Vec<T> none = broadcast<T>(-__builtin_inf());
    Mask<T> nan = {};
    for (int64_t i = 0; i < count; ++i) {
      T* to = rows_ + (at + i) * pitch_;
      const int64_t row = first + i;
      for (int64_t j = 0; j < pitch_; j += W) store<T>(to + j, none);
      if (row < 0 || row >= s_.h) continue;
      for (int64_t j = 0; j < s_.w; j += W) {
        const int lanes = s_.w - j < W ? static_cast<int>(s_.w - j) : W;
        const T* from = x + row * s_.w + j;
        const Vec<T> v = lanes == W ? load(from) : load_partial(from, lanes);
        nan |= v != v;
        if (lanes == W)
          store<T>(to + s_.pad_left + j, v);
        else
          store_partial<T>(to + s_.pad_left + j, v, lanes);
      }
    }
    for (int i = 0; i < W; ++i)
      if (nan[i]) return false;
    return true;
  }

  // Each place of the rows becomes the largest of the s from there on; what follows a row's last window is no matter.
  inline __attribute__((always_inline)) void over_columns(int64_t count) {
    for (int64_t i = 0; i < count * pitch_; i += W) {
      Vec<T> best = load(rows_ + i);
#pragma GCC unroll 5
      for (int64_t c = 1; c < (K ? K : s_.s); ++c)
        best = larger_or_first<T>(best, load(rows_ + i + c * (K ? 1 : s_.dilation_w)));
      store<T>(rows_ + i, best);
    }
  }

  // The output row whose window begins with input row `at` of the block.
  inline __attribute__((always_inline)) void over_rows(int64_t at, T* y) {
    const T* from = rows_ + at * pitch_;
    const int64_t places = s_.stride_w == 1 ? s_.q : (s_.q - 1) * s_.stride_w + 1;
    for (int64_t j = 0; j < places; j += W) {
      Vec<T> best = load(from + j);
#pragma GCC unroll 5
      for (int64_t r = 1; r < (K ? K : s_.r); ++r)
        best = larger_or_first<T>(best, load(from + r * (K ? 1 : s_.dilation_h) * pitch_ + j));
      if (s_.stride_w != 1)
        store<T>(line_ + j, best);
      else if (places - j >= W)
        store<T>(y + j, best);
      else
        store_partial<T>(y + j, best, static_cast<int>(places - j));
    }
    if (s_.stride_w == 2) {
      for (int64_t q = 0; q < s_.q; ++q) y[q] = line_[2 * q];
    } else if (s_.stride_w != 1) {
      for (int64_t q = 0; q < s_.q; ++q) y[q] = line_[q * s_.stride_w];
    }
  }

 private:
  const PoolShape& s_;
  int64_t pitch_;
  T *rows_, *line_;
};

// Output rows [first, last) of a plane, whose input rows begin at `at` in the block.
struct Part {
  int64_t plane, first, last, at;
};

// As many output rows from `row` on as the block has room for; parts of planes only where a whole one has none.
TG_SIMD int parts_of(const PoolShape& s, int64_t row, int64_t end, Part* parts, int most) {
  const int64_t span = (s.r - 1) * s.dilation_h + 1;
  // One row of the room is for reading beyond.
  int64_t room = kMaxPoolBlock / max_pool_values_pitch(s) - 1, at = 0;
  int count = 0;
  while (row < end && count < most && room >= span) {
    const int64_t first = row % s.p, wanted = s.p - first < end - row ? s.p - first : end - row;
    const int64_t fitting = (room - span) / s.stride_h + 1;
    if (fitting < wanted && count > 0) break;
    const int64_t rows = fitting < wanted ? fitting : wanted;
    const int64_t inputs = (rows - 1) * s.stride_h + span;
    parts[count++] = {row / s.p, first, first + rows, at};
    row += rows, at += inputs, room -= inputs;
  }
  return count;
}

template <int K, class T>
bool values_of(const PoolShape& s, int64_t begin, int64_t end, const T* x, T* y, T* work) {
  constexpr int kMost = 64;
  const int64_t span = (s.r - 1) * s.dilation_h + 1;
  Block<T, K> block(s, work);
  Part parts[kMost];
  for (int64_t row = begin; row < end;) {
    const int count = parts_of(s, row, end, parts, kMost);
    int64_t inputs = 0;
    for (int i = 0; i < count; ++i) {
      const Part& part = parts[i];
      const int64_t held = (part.last - part.first - 1) * s.stride_h + span;
      if (!block.load_rows(x + part.plane * s.h * s.w, part.first * s.stride_h - s.pad_top, held,
                           part.at))
        return false;
      inputs += held;
      row += part.last - part.first;
    }
    block.over_columns(inputs);
    for (int i = 0; i < count; ++i)
      for (int64_t p = parts[i].first; p < parts[i].last; ++p)
        block.over_rows(parts[i].at + (p - parts[i].first) * s.stride_h,
                        y + (parts[i].plane * s.p + p) * s.q);
  }
  return true;
}

template <class T>
bool values(const PoolShape& s, int64_t begin, int64_t end, const T* x, T* y, T* work) {
  const bool square = s.r == s.s && s.dilation_h == 1 && s.dilation_w == 1;
  if (square && s.r == 3) return values_of<3>(s, begin, end, x, y, work);
  if (square && s.r == 5) return values_of<5>(s, begin, end, x, y, work);
  return values_of<0>(s, begin, end, x, y, work);
}

}  // namespace

bool max_pool_values_f32(const PoolShape& s, int64_t begin, int64_t end, const float* x, float* y,
                         float* work) {
  return values(s, begin, end, x, y, work);
}
bool max_pool_values_f64(const PoolShape& s, int64_t begin, int64_t end, const double* x, double* y,
                         double* work) {
  return values(s, begin, end, x, y, work);
}

}  // namespace tilegrad::TILEGRAD_ISA
