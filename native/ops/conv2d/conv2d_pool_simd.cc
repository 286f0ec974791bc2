// Pooling as the epilogue of a convolution, windows of 2 x 2: rows of the result are read from the first
// cache, and the gradient is spread into it, instead of through memory. Ties and NaN as in max_pool2d: the
// first of the largest wins, NaN over numbers and the last NaN over others.
#include "ops/conv2d/conv2d_activation.h"
#include "ops/conv2d/conv2d_pool_lanes.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

// n bytes and no others: columns come first, so that what follows may stand already.
template <class T>
TG_SIMD void store_bytes(uint8_t* p, Mask<T> v, int n) {
#if defined(TILEGRAD_ISA_AVX512)
  if constexpr (sizeof(T) == 4) {
    const __mmask16 lanes = static_cast<__mmask16>((1u << n) - 1);
    return _mm512_mask_cvtepi32_storeu_epi8(p, lanes, (__m512i)v);
  }
#elif defined(TILEGRAD_ISA_AVX2)
  if constexpr (sizeof(T) == 4) {
    // GCC would convert lane by lane.
    const __m256i wide = (__m256i)v;
    const __m128i halves =
        _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
    int64_t bytes = _mm_cvtsi128_si64(_mm_packus_epi16(halves, halves));
    if (n == kLanes<T>) return static_cast<void>(__builtin_memcpy(p, &bytes, sizeof bytes));
    for (int i = 0; i < n; ++i, bytes >>= 8) p[i] = static_cast<uint8_t>(bytes);
    return;
  }
#endif
  const auto bytes = __builtin_convertvector(v, typename BytesOf<T>::type);
  if (n == kLanes<T>) {
    __builtin_memcpy(p, &bytes, sizeof bytes);
  } else {
    for (int i = 0; i < n; ++i) p[i] = bytes[i];
  }
}

// Even and odd lanes of a and b one after the other.
template <class T>
TG_SIMD Vec<T> every_second(Vec<T> a, Vec<T> b, int first) {
  return __builtin_shuffle(a, b, lane_numbers<T>() * 2 + first);
}

// Lanes of a and b in turn, from the lower (0) or upper halves (1).
template <class T>
TG_SIMD Vec<T> in_turn(Vec<T> a, Vec<T> b, int upper) {
  constexpr int W = kLanes<T>;
  const Mask<T> lane = lane_numbers<T>();
  return __builtin_shuffle(a, b, (lane >> 1) + upper * W / 2 + (lane & 1) * W);
}

template <class T, bool Taps>
TG_SIMD void contend(Vec<T>& best, Mask<T>& tap, Vec<T> value, Mask<T> value_tap) {
#if defined(TILEGRAD_ISA_AVX512)
  if constexpr (sizeof(T) == 4 && !Taps) {
    // The second operand where neither is greater, and the value where that is NaN.
    const __mmask16 number = _mm512_cmp_ps_mask((__m512)value, (__m512)value, _CMP_ORD_Q);
    best = (Vec<T>)_mm512_mask_max_ps((__m512)value, number, (__m512)value, (__m512)best);
    return;
  }
  if constexpr (sizeof(T) == 4) {
    const __mmask16 wins = _mm512_cmp_ps_mask((__m512)value, (__m512)best, _CMP_GT_OQ) |
                           _mm512_cmp_ps_mask((__m512)value, (__m512)value, _CMP_UNORD_Q);
    best = (Vec<T>)_mm512_mask_mov_ps((__m512)best, wins, (__m512)value);
    tap = (Mask<T>)_mm512_mask_mov_epi32((__m512i)tap, wins, (__m512i)value_tap);
    return;
  }
#endif
  const Mask<T> wins = (value > best) | (value != value);
  best = wins ? value : best;
  if (Taps) tap = wins ? value_tap : tap;
}

// Loads 2 n elements, of which up to W lie in each half.
template <class T>
TG_SIMD void load_pair(const T* p, int n, Vec<T>& low, Vec<T>& high) {
  constexpr int W = kLanes<T>;
  low = load_partial<T>(p, 2 * n < W ? 2 * n : W);
  high = 2 * n > W ? load_partial<T>(p + W, 2 * n - W) : Vec<T>{};
}

// The largest of the windows whose first row has the columns a and b, its second one low_a and low_b, and its tap.
template <class T, bool Taps>
TG_SIMD Vec<T> largest(Vec<T> a, Vec<T> b, Vec<T> low_a, Vec<T> low_b, Mask<T>& tap) {
  const Mask<T> zero = {};
  Mask<T> low_tap = zero + 2;
  tap = zero;
  contend<T, Taps>(a, tap, b, zero + 1);
  contend<T, Taps>(low_a, low_tap, low_b, zero + 3);
  contend<T, Taps>(a, tap, low_a, low_tap);
  return a;
}

// Whole vectors of windows from several rows, where `cols` divides the lanes and the rows lie without gaps. Returns the
// number of rows of windows that are done.
template <class T, bool Taps>
TG_SIMD int64_t pool_short_rows(const ConvPool<T>& c) {
  constexpr int W = kLanes<T>;
  if (c.cols >= W || W % c.cols != 0 || c.in_row != 2 * c.cols) return 0;
  // Of all elements in even columns: those of a window's first and of its second row.
  const Mask<T> lane = lane_numbers<T>();
  const Mask<T> high = lane + (lane & -static_cast<int>(c.cols)),
                low = high + static_cast<int>(c.cols);
  const int64_t at_once = W / c.cols, rows = c.rows / at_once * at_once;
  for (int64_t p = 0; p < rows; p += at_once) {
    const T* in = c.in + 2 * p * c.in_row;
    Vec<T> v[4];
    for (int i = 0; i < 4; ++i) v[i] = load<T>(in + i * W);
    const Vec<T> a = every_second<T>(v[0], v[1], 0), b = every_second<T>(v[2], v[3], 0);
    const Vec<T> e = every_second<T>(v[0], v[1], 1), f = every_second<T>(v[2], v[3], 1);
    Mask<T> tap;
    const Vec<T> best =
        largest<T, Taps>(__builtin_shuffle(a, b, high), __builtin_shuffle(e, f, high),
                         __builtin_shuffle(a, b, low), __builtin_shuffle(e, f, low), tap);
    const int64_t at = p * c.cols;
    store<T>(c.out + at, activate<T>(best, c.activation));
    if (Taps) store_bytes<T>(c.taps + at, tap, W);
  }
  return rows;
}

// Columns first: what depends on their number stays in registers.
template <class T, bool Taps>
TG_SIMD void pool_rows(const ConvPool<T>& c) {
  constexpr int W = kLanes<T>;
  const int64_t first = pool_short_rows<T, Taps>(c), in_row = c.in_row, rows = c.rows,
                cols = c.cols;
  const ConvActivation activation = c.activation;
  for (int64_t q = 0; q < cols && first < rows; q += W) {
    const int n = static_cast<int>(cols - q < W ? cols - q : W);
    const T* top = c.in + 2 * (first * in_row + q);
    for (int64_t p = first; p < rows; ++p, top += 2 * in_row) {
      Vec<T> a, b;
      load_pair<T>(top, n, a, b);
      const Vec<T> left = every_second<T>(a, b, 0), right = every_second<T>(a, b, 1);
      load_pair<T>(top + in_row, n, a, b);
      Mask<T> tap;
      const Vec<T> best =
          largest<T, Taps>(left, right, every_second<T>(a, b, 0), every_second<T>(a, b, 1), tap);
      const int64_t at = p * cols + q;
      store_partial<T>(c.out + at, activate<T>(best, activation), n);
      if (Taps) store_bytes<T>(c.taps + at, tap, n);
    }
  }
}

template <class T>
TG_SIMD void pool(const ConvPool<T>& c) {
  c.taps != nullptr ? pool_rows<T, true>(c) : pool_rows<T, false>(c);
}

template <class T>
TG_SIMD void store_pair(T* p, Vec<T> even, Vec<T> odd, int n) {
  constexpr int W = kLanes<T>;
  store_partial<T>(p, in_turn<T>(even, odd, 0), 2 * n < W ? 2 * n : W);
  if (2 * n > W) store_partial<T>(p + W, in_turn<T>(even, odd, 1), 2 * n - W);
}

// dy where the tap is `which`.
template <class T>
TG_SIMD Vec<T> at_tap(Vec<T> dy, Mask<T> tap, int which) {
#if defined(TILEGRAD_ISA_AVX512)
  if constexpr (sizeof(T) == 4) {
    const __mmask16 here = _mm512_cmpeq_epi32_mask((__m512i)tap, _mm512_set1_epi32(which));
    return (Vec<T>)_mm512_maskz_mov_ps(here, (__m512)dy);
  }
#endif
  return tap == which ? dy : Vec<T>{};
}

template <class T>
TG_SIMD void unpool(const ConvUnpool<T>& c) {
  constexpr int W = kLanes<T>;
  const bool odd = c.width % 2 != 0;
  const int64_t total = c.planes * c.rows * c.cols;
  int64_t at = 0;
  for (int64_t plane = 0; plane < c.planes; ++plane) {
    T* out = c.out + plane * c.height * c.width;
    for (int64_t p = 0; p < c.rows; ++p, out += 2 * c.width) {
      for (int64_t q = 0; q < c.cols; q += W) {
        const int n = static_cast<int>(c.cols - q < W ? c.cols - q : W);
        const Vec<T> dy =
            before_activation<T>(load_partial<T>(c.dy + at, n), c.y + at, n, c.activation);
        const Mask<T> tap = load_bytes<T>(c.taps + at, n, total - at);
        store_pair<T>(out + 2 * q, at_tap<T>(dy, tap, 0), at_tap<T>(dy, tap, 1), n);
        store_pair<T>(out + c.width + 2 * q, at_tap<T>(dy, tap, 2), at_tap<T>(dy, tap, 3), n);
        at += n;
      }
      if (odd) out[c.width - 1] = out[2 * c.width - 1] = T{};
    }
    for (int64_t i = 0; i < (c.height - 2 * c.rows) * c.width; ++i) out[i] = T{};
  }
}

template <class T>
TG_SIMD T pool_bias(const ConvPoolBias<T>& c) {
  constexpr int W = kLanes<T>;
  Vec<T> sum = {};
  for (int64_t image = 0; image < c.images; ++image) {
    const int64_t at = image * c.image_stride;
    Vec<T> of_image = {};  // an f32 that has counted to 2^24 sees no further ones
    for (int64_t i = 0; i < c.count; i += W) {
      const int n = static_cast<int>(c.count - i < W ? c.count - i : W);
      of_image +=
          before_activation<T>(load_partial<T>(c.dy + at + i, n), c.y + at + i, n, c.activation);
    }
    sum += of_image;
  }
  return sum_lanes<T>(sum);
}

}  // namespace

void conv_pool_f32(const ConvPool<float>& c) { pool(c); }
void conv_pool_f64(const ConvPool<double>& c) { pool(c); }
void conv_unpool_f32(const ConvUnpool<float>& c) { unpool(c); }
void conv_unpool_f64(const ConvUnpool<double>& c) { unpool(c); }
float conv_pool_bias_f32(const ConvPoolBias<float>& c) { return pool_bias(c); }
double conv_pool_bias_f64(const ConvPoolBias<double>& c) { return pool_bias(c); }

}  // namespace tilegrad::TILEGRAD_ISA
