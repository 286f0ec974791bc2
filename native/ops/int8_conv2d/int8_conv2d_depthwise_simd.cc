// A vector of sums per neighbouring outputs. Neighbouring taps of each are picked from one load of the row by shuffles: 4 as bytes
// for VNNI, 2 widened to words for AVX2; else tap by tap. Sums wrap modulo 2^32.
#include "ops/int8_conv2d/int8_conv2d_depthwise_simd.h"

#include "core/ceil_div.h"
#include "core/cpu/simd.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define TG_INLINE inline __attribute__((always_inline))

namespace tilegrad::TILEGRAD_ISA {
namespace {

#if defined(TILEGRAD_ISA_AVX512)

constexpr int kTaps = 4, kWidestStride = 4;

// Lane L of 4 groups takes the 16 bytes from 4 L stride on, then picks from them.
class Picker {
 public:
  TG_INLINE explicit Picker(int64_t stride) {
    alignas(64) uint32_t words[16];
    alignas(16) uint8_t bytes[16];
    for (int64_t i = 0; i < 16; ++i) {
      words[i] = static_cast<uint32_t>(i / 4 * stride + i % 4);
      bytes[i] = static_cast<uint8_t>(i / 4 * stride + i % 4);
    }
    lanes_ = _mm512_load_si512(words);
    bytes_ = _mm512_maskz_broadcast_i32x4(0xffff,
                                          _mm_load_si128(reinterpret_cast<const __m128i*>(bytes)));
  }
  TG_INLINE __m512i operator()(const uint8_t* in) const {
    const __m512i v = _mm512_maskz_permutexvar_epi32(0xffff, lanes_, _mm512_loadu_si512(in));
    return _mm512_maskz_shuffle_epi8(~uint64_t{0}, v, bytes_);
  }

 private:
  __m512i lanes_, bytes_;
};

TG_SIMD uint32_t weight_group(const int8_t* w, int64_t n) {
  uint32_t group = 0;
  for (int64_t i = 0; i < n && i < kTaps; ++i)
    group |= static_cast<uint32_t>(static_cast<uint8_t>(w[i])) << (8 * i);
  return group;
}
TG_SIMD VecU32 dot(VecU32 sum, __m512i x, uint32_t w) {
  return (VecU32)_mm512_dpbusd_epi32((__m512i)sum, x, _mm512_set1_epi32(static_cast<int>(w)));
}

#elif defined(TILEGRAD_ISA_AVX2)

constexpr int kTaps = 2, kWidestStride = 2;

class Picker {
 public:
  TG_INLINE explicit Picker(int64_t stride) {
    alignas(32) uint8_t bytes[32];
    for (int64_t i = 0; i < 32; ++i)
      bytes[i] = i % 2 == 1 ? 0x80 : static_cast<uint8_t>(i / 4 * stride + i % 4 / 2);
    bytes_ = _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes));
  }
  TG_INLINE __m256i operator()(const uint8_t* in) const {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(v), bytes_);
  }

 private:
  __m256i bytes_;
};

TG_SIMD uint32_t weight_group(const int8_t* w, int64_t n) {
  const uint32_t low = static_cast<uint16_t>(w[0]);
  return n > 1 ? low | static_cast<uint32_t>(static_cast<uint16_t>(w[1])) << 16 : low;
}
TG_SIMD VecU32 dot(VecU32 sum, __m256i x, uint32_t w) {
  return sum + (VecU32)_mm256_madd_epi16(x, _mm256_set1_epi32(static_cast<int>(w)));
}

#endif

#if defined(TILEGRAD_ISA_AVX512) || defined(TILEGRAD_ISA_AVX2)

constexpr int kLanes32 = kLanes<uint32_t>;
constexpr int64_t kMostGroups = 64;

// Rows and groups of taps per row as constants, or 0.
template <int KernelRows, int Groups>
TG_SIMD void sums_of(const Int8Depthwise& d, const uint32_t* weight, int64_t groups_of_row) {
  const Picker pick(d.stride_w);
  const int64_t kernel_rows = KernelRows == 0 ? d.kernel_rows : KernelRows;
  const int64_t groups = Groups == 0 ? groups_of_row : Groups;
  for (int64_t row = 0; row < d.rows; ++row) {
    const uint8_t* in = d.lines + row * d.stride_h * d.line;
    int32_t* c = d.c + row * d.cols;
    for (int64_t i = 0; i < d.cols; i += kLanes32) {
      VecU32 sum = {};
#pragma GCC unroll 4
      for (int64_t r = 0; r < kernel_rows; ++r) {
        const uint8_t* at = in + r * d.dilation_h * d.line + i * d.stride_w;
#pragma GCC unroll 2
        for (int64_t g = 0; g < groups; ++g)
          sum = dot(sum, pick(at + g * kTaps), weight[r * groups + g]);
      }
      store<int32_t>(c + i, (VecI32)sum);
    }
  }
}

// False if this kernel is not for it.
bool by_groups(const Int8Depthwise& d) {
  const int64_t groups = ceil_div(d.kernel_cols, kTaps);
  if (d.dilation_w != 1 || d.stride_w > kWidestStride || d.kernel_rows * groups > kMostGroups)
    return false;
  uint32_t weight[kMostGroups];
  for (int64_t r = 0; r < d.kernel_rows; ++r)
    for (int64_t g = 0; g < groups; ++g)
      weight[r * groups + g] =
          weight_group(d.weight + r * d.kernel_cols + g * kTaps, d.kernel_cols - g * kTaps);
  constexpr int kThree = ceil_div(3, kTaps);
  d.kernel_rows == 3 && groups == kThree ? sums_of<3, kThree>(d, weight, groups)
                                         : sums_of<0, 0>(d, weight, groups);
  return true;
}

#else

bool by_groups(const Int8Depthwise&) { return false; }

#endif

// Tap by tap over a row of sums.
void by_taps(const Int8Depthwise& d) {
  for (int64_t row = 0; row < d.rows; ++row) {
    auto* c = reinterpret_cast<uint32_t*>(d.c + row * d.cols);
    for (int64_t i = 0; i < d.cols; ++i) c[i] = 0;
    for (int64_t r = 0; r < d.kernel_rows; ++r) {
      const uint8_t* in = d.lines + (row * d.stride_h + r * d.dilation_h) * d.line;
      for (int64_t s = 0; s < d.kernel_cols; ++s, in += d.dilation_w) {
        const auto w = static_cast<uint32_t>(d.weight[r * d.kernel_cols + s]);
        if (d.stride_w == 1) {
          for (int64_t i = 0; i < d.cols; ++i) c[i] += w * in[i];
        } else {
          for (int64_t i = 0; i < d.cols; ++i) c[i] += w * in[i * d.stride_w];
        }
      }
    }
  }
}

#if !defined(TILEGRAD_ISA_AVX512)
typedef uint8_t Bytes4 __attribute__((vector_size(4)));
typedef uint8_t Bytes8 __attribute__((vector_size(8)));
typedef uint8_t Bytes16 __attribute__((vector_size(16)));

// n bytes, at least one piece.
template <class Piece>
TG_SIMD void copy_pieces(const uint8_t* in, int64_t n, uint8_t flip, uint8_t* out) {
  constexpr int64_t kSize = sizeof(Piece);
  const Piece flips = flip - Piece{};
  for (int64_t next = 0; next < n; next += kSize) {
    const int64_t i = next < n - kSize ? next : n - kSize;
    Piece v;
    __builtin_memcpy(&v, in + i, kSize);
    v ^= flips;
    __builtin_memcpy(out + i, &v, kSize);
  }
}
#endif

// `line` bytes of which [left, left + width) come from `in`, if it is there.
TG_SIMD void pad_row(const Int8PaddedRows& p, const uint8_t* in, bool there, uint8_t* out) {
#if defined(TILEGRAD_ISA_AVX512)
  const __m512i around = _mm512_set1_epi8(static_cast<char>(p.padding));
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(p.flip));
  for (int64_t i = 0; i < p.line; i += 64) {
    const auto below = [&](int64_t end) __attribute__((always_inline)) {
      const int64_t n = end - i;
      return n >= 64 ? ~uint64_t{0} : n <= 0 ? 0 : (uint64_t{1} << n) - 1;
    };
    const __mmask64 inside = there ? below(p.left + p.width) & ~below(p.left) : 0;
    const __m512i v = _mm512_mask_loadu_epi8(around, inside, in + (i - p.left));
    _mm512_storeu_si512(out + i, _mm512_xor_si512(v, flip));
  }
#else
  const uint8_t flip = p.flip;
  const Bytes16 around = static_cast<uint8_t>(p.padding ^ flip) - Bytes16{};
  const int64_t line = p.line, left = p.left, room = line - left;
  for (int64_t i = 0; i < line; i += 16) __builtin_memcpy(out + i, &around, 16);
  if (!there || room <= 0) return;
  const int64_t n = p.width < room ? p.width : room;
  out += left;
  // Pieces that overlap at the end.
  if (n >= 16) return copy_pieces<Bytes16>(in, n, flip, out);
  if (n >= 8) return copy_pieces<Bytes8>(in, n, flip, out);
  if (n >= 4) return copy_pieces<Bytes4>(in, n, flip, out);
  for (int64_t i = 0; i < n; ++i) out[i] = in[i] ^ flip;
#endif
}

}  // namespace

void int8_pad_rows(const Int8PaddedRows& p) {
  for (int64_t h = 0; h < p.rows; ++h) {
    const int64_t source = p.first + h;
    const bool there = source >= 0 && source < p.height;
    pad_row(p, there ? p.in + source * p.width : p.in, there, p.out + h * p.line);
  }
}

void int8_depthwise(const Int8Depthwise& d) {
  if (!by_groups(d)) by_taps(d);
}

}  // namespace tilegrad::TILEGRAD_ISA
