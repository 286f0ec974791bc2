// Maximum over windows, a vector of neighbouring outputs at a time: a tap of all of them is one load (stride 1), two
// loads and a shuffle (stride 2), or single loads. Padded rows are copied between margins of -inf, unless they are very
// long. Windows of 2 x 2 at stride 2 load each input once. The winner is the first of equals; NaN wins over numbers and the last NaN over others.
// Bytes moved: each input once (from memory), each output and one byte of tap once.
#include "ops/pool2d/pool2d_kernels.h"
#include "ops/pool2d/pool2d_simd.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

constexpr int kNone = 255;

// The taps of one output row that lie inside the image: rows from `first`, `pitch` elements apart from row to row of
// the image, in which column 0 of the image stands at `left`.
template <class T>
struct Band {
  const PoolShape& s;
  const T* x;  // the first such row
  int64_t first, rows;
  int64_t step, left;
  T* y;
  uint8_t* taps;
};

template <class T>
void max_cell(const Band<T>& b, int64_t q) {
  const PoolShape& s = b.s;
  const int64_t left = q * s.stride_w - s.pad_left;
  const T* x = b.x + b.left;
  T best = -__builtin_inf();
  int tap = kNone;
  for (int64_t r = 0; r < b.rows; ++r) {
    for (int64_t c = 0; c < s.s; ++c) {
      const int64_t col = left + c * s.dilation_w;
      if (col < 0 || col >= s.w) continue;
      const T value = x[r * b.step + col];
      if (value > best || value != value || tap == kNone) {
        best = value;
        tap = static_cast<int>((b.first + r) * s.s + c);
      }
    }
  }
  b.y[q] = best;
  if (b.taps) b.taps[q] = static_cast<uint8_t>(tap);
}

template <class T, int N>
TG_SIMD void put(const Band<T>& b, int64_t q, Lanes<T, N> best, LaneInts<T, N> tap) {
  store_lanes<T, N>(b.y + q, best);
  if (b.taps) store_bytes<T, N>(b.taps + q, tap);
}

// value takes the place of best, and its tap that of best's.
template <class V, class I>
TG_SIMD void contend(V& best, I& tap, V value, I value_tap) {
  const auto wins = (value > best) | (value != value);
  best = wins ? value : best;
  tap = wins ? value_tap : tap;
}

// Outputs q, q + 1, ... whose windows have all columns inside the image. Step: 1, 2, or 0 for any.
template <class T, int Step>
struct Windows {
  const Band<T>& b;

  template <int N>
  inline __attribute__((always_inline)) void run(int64_t q) const {
    const PoolShape& s = b.s;
    const T* p = b.x + b.left + q * s.stride_w - s.pad_left;
    LaneInts<T, N> tap = LaneInts<T, N>{} + static_cast<int>(b.first * s.s);
    LaneInts<T, N> next = tap;
    Lanes<T, N> best = Lanes<T, N>{} - static_cast<T>(__builtin_inf());
    for (int64_t r = 0; r < b.rows; ++r) {
      for (int64_t c = 0; c < s.s; ++c) {
        contend(best, tap, load_step<T, N, Step>(p + r * b.step + c * s.dilation_w, s.stride_w),
                next);
        next += 1;
      }
    }
    put<T, N>(b, q, best, tap);
  }
};

// Windows of 2 x 2 at stride 2 over two rows, with or without taps.
template <class T, bool Tapped>
struct Windows2x2 {
  const T *top, *bottom;
  T* y;
  uint8_t* taps;

  template <int N>
  inline __attribute__((always_inline)) void run(int64_t q) const {
    const LaneInts<T, N> zero = {};
    Lanes<T, N> lo = load_lanes<T, N>(top + 2 * q), hi = load_lanes<T, N>(top + 2 * q + N);
    Lanes<T, N> best = every_second<T, N>(lo, hi, 0);
    LaneInts<T, N> tap = zero;
    contend(best, tap, every_second<T, N>(lo, hi, 1), zero + 1);
    lo = load_lanes<T, N>(bottom + 2 * q), hi = load_lanes<T, N>(bottom + 2 * q + N);
    Lanes<T, N> low = every_second<T, N>(lo, hi, 0);
    LaneInts<T, N> low_tap = zero + 2;
    contend(low, low_tap, every_second<T, N>(lo, hi, 1), zero + 3);
    contend(best, tap, low, low_tap);
    store_lanes<T, N>(y + q, best);
    if constexpr (Tapped) store_bytes<T, N>(taps + q, tap);
  }
};

// Unpadded, all windows inside, q at least one vector of 16 bytes.
template <class T, bool Tapped>
TG_SIMD void max_rows_2x2(const PoolShape& s, int64_t p0, int64_t p1, const T* x, T* y,
                          uint8_t* taps) {
  constexpr int W = kLanes<T>, kLeast = 16 / static_cast<int>(sizeof(T));
  for (int64_t p = p0; p < p1; ++p) {
    const T* top = x + 2 * p * s.w;
    uint8_t* row_taps = Tapped ? taps + p * s.q : nullptr;
    cover<W, kLeast>(0, s.q, Windows2x2<T, Tapped>{top, top + s.w, y + p * s.q, row_taps});
  }
}

// Cells [begin, end) have all their columns inside the rows that the band points to.
template <class T>
TG_SIMD void max_row(const Band<T>& b, int64_t begin, int64_t end) {
  constexpr int W = kLanes<T>, kLeast = 16 / static_cast<int>(sizeof(T));
  const PoolShape& s = b.s;
  bool done;
  if (s.stride_w == 1) {
    done = cover<W, kLeast>(begin, end, Windows<T, 1>{b});
  } else if (s.stride_w == 2) {
    done = cover<W, kLeast>(begin, end, Windows<T, 2>{b});
  } else {
    done = cover<W, kLeast>(begin, end, Windows<T, 0>{b});
  }
  if (!done) begin = end = s.q;
  for (int64_t q = 0; q < begin; ++q) max_cell(b, q);
  for (int64_t q = end; q < s.q; ++q) max_cell(b, q);
}

// Output row p over the rows of the image from `base` on, which stand at x.
template <class T>
TG_SIMD Band<T> band_of(const PoolShape& s, int64_t p, const T* x, int64_t base, int64_t pitch,
                        int64_t left, T* y, uint8_t* taps) {
  const int64_t top = p * s.stride_h - s.pad_top;
  CellRange rows = {0, s.r};
  if (top < 0 || top + s.dilation_h * (s.r - 1) >= s.h)
    rows = cells_inside(top, s.dilation_h, s.h, s.r);
  return {s,
          x + (top + rows.first * s.dilation_h - base) * pitch,
          rows.first,
          rows.last - rows.first,
          s.dilation_h * pitch,
          left,
          y + p * s.q,
          taps ? taps + p * s.q : nullptr};
}

// Copies rows of the image [from, to) into work with -inf at both sides.
template <class T>
TG_SIMD void pad_rows(const PoolShape& s, const T* x, int64_t from, int64_t to, int64_t pitch,
                      T* work) {
  const T least = -__builtin_inf();
  for (int64_t h = from; h < to; ++h, work += pitch) {
    for (int64_t i = 0; i < s.pad_left; ++i) work[i] = least;
    __builtin_memcpy(work + s.pad_left, x + h * s.w, static_cast<__SIZE_TYPE__>(s.w) * sizeof(T));
    for (int64_t i = s.pad_left + s.w; i < pitch; ++i) work[i] = least;
  }
}

template <class T>
TG_SIMD void max_rows(const PoolShape& s, int64_t p0, int64_t p1, const T* x, T* y, uint8_t* taps,
                      T* work, int64_t work_size) {
  if (s.is_2x2 && s.q * sizeof(T) >= 16) {
    if (taps) return max_rows_2x2<T, true>(s, p0, p1, x, y, taps);
    return max_rows_2x2<T, false>(s, p0, p1, x, y, taps);
  }
  const int64_t span_w = (s.s - 1) * s.dilation_w + 1, span_h = (s.r - 1) * s.dilation_h + 1;
  if (work_size == 0) {
    // Cells whose first and last columns are inside have all of them inside.
    const CellRange near = cells_inside(-s.pad_left, s.stride_w, s.w, s.q);
    const CellRange far = cells_inside(span_w - 1 - s.pad_left, s.stride_w, s.w, s.q);
    const int64_t begin = near.first, end = far.last > begin ? far.last : begin;
    for (int64_t p = p0; p < p1; ++p)
      max_row<T>(band_of<T>(s, p, x, 0, s.w, 0, y, taps), begin, end);
    return;
  }
  const int64_t reach = (s.q - 1) * s.stride_w + span_w;
  const int64_t pitch = reach > s.pad_left + s.w ? reach : s.pad_left + s.w;
  const int64_t at_once = (work_size / pitch - span_h) / s.stride_h + 1;
  for (int64_t p = p0; p < p1; p += at_once) {
    const int64_t stop = p + at_once < p1 ? p + at_once : p1;
    const int64_t top = p * s.stride_h - s.pad_top, from = top < 0 ? 0 : top;
    const int64_t bottom = (stop - 1) * s.stride_h - s.pad_top + span_h;
    pad_rows<T>(s, x, from, bottom < s.h ? bottom : s.h, pitch, work);
    for (int64_t i = p; i < stop; ++i) {
      const Band<T> band = band_of<T>(s, i, work, from, pitch, s.pad_left, y, taps);
      max_row<T>(band, 0, s.q);
      // Where all is -inf, the tap must still be one inside the image.
      for (int64_t q = 0; q < s.q && q * s.stride_w < s.pad_left; ++q) {
        if (band.y[q] == -static_cast<T>(__builtin_inf())) max_cell(band, q);
      }
    }
  }
}

template <class T>
struct Unpool2x2 {
  const T* dy;
  const uint8_t* taps;
  T *top, *bottom;

  template <int N>
  inline __attribute__((always_inline)) void run(int64_t q) const {
    const Lanes<T, N> d = load_lanes<T, N>(dy + q), zero = {};
    const auto tap = __builtin_convertvector(load_lanes<uint8_t, N>(taps + q), LaneInts<T, N>);
    store_interleaved<T, N>(top + 2 * q, tap == 0 ? d : zero, tap == 1 ? d : zero);
    store_interleaved<T, N>(bottom + 2 * q, tap == 2 ? d : zero, tap == 3 ? d : zero);
  }
};

template <class T>
TG_SIMD void unpool_2x2(const PoolShape& s, const T* dy, const uint8_t* taps, T* dx) {
  constexpr int W = kLanes<T>, kLeast = 16 / static_cast<int>(sizeof(T));
  for (int64_t p = 0; p < s.p; ++p) {
    T *top = dx + 2 * p * s.w, *bottom = top + s.w;
    cover<W, kLeast>(0, s.q, Unpool2x2<T>{dy + p * s.q, taps + p * s.q, top, bottom});
    for (int64_t w = 2 * s.q; w < s.w; ++w) top[w] = bottom[w] = T(0);
  }
  for (int64_t i = 2 * s.p * s.w; i < s.h * s.w; ++i) dx[i] = T(0);
}

}  // namespace

void max_pool_rows_f32(const PoolShape& s, int64_t p0, int64_t p1, const float* x, float* y,
                       uint8_t* taps, float* work, int64_t work_size) {
  max_rows(s, p0, p1, x, y, taps, work, work_size);
}
void max_pool_rows_f64(const PoolShape& s, int64_t p0, int64_t p1, const double* x, double* y,
                       uint8_t* taps, double* work, int64_t work_size) {
  max_rows(s, p0, p1, x, y, taps, work, work_size);
}
void max_unpool_2x2_f32(const PoolShape& s, const float* dy, const uint8_t* taps, float* dx) {
  unpool_2x2(s, dy, taps, dx);
}
void max_unpool_2x2_f64(const PoolShape& s, const double* dy, const uint8_t* taps, double* dx) {
  unpool_2x2(s, dy, taps, dx);
}

}  // namespace tilegrad::TILEGRAD_ISA
