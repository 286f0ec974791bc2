// A tile of up to 14 output channels by 2 vectors of pixels stays in registers while the taps pass: per step it loads 2 vectors
// of pixels at the tap's offset and broadcasts one group of weights a channel. Sums wrap modulo 2^32.
#include "ops/int8_conv2d/int8_conv2d_simd.h"

#include "core/cpu/avx_vnni.h"
#include "core/cpu/int8_dot_vnni.h"
#include "core/cpu/simd.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

#if defined(TILEGRAD_ISA_AVX512)
constexpr int kRows = 14;
#elif defined(TILEGRAD_ISA_AVX2)
constexpr int kRows = 6;
#else
constexpr int kRows = 4;
#endif
// Whether a group holds 4 bytes, else 2 words.
#if defined(TILEGRAD_ISA_AVX2)
bool takes_bytes() { return has_avx_vnni(); }
#elif defined(TILEGRAD_ISA_AVX512)
constexpr bool takes_bytes() { return true; }
#else
constexpr bool takes_bytes() { return false; }
#endif
constexpr int kLanes32 = kLanes<int32_t>;
constexpr int kVectors = 2;

// sum += x . w: bytes of x unsigned and of w signed, or words of both signed.
template <bool Bytes>
TG_SIMD VecU32 dot(VecU32 sum, VecU32 x, VecU32 w) {
#if defined(TILEGRAD_ISA_AVX2)
  if constexpr (Bytes) return dot_bytes_vnni(sum, x, w);
#endif
#if defined(TILEGRAD_ISA_AVX512)
  return (VecU32)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)x, (__m512i)w);
#elif defined(TILEGRAD_ISA_AVX2)
  return sum + (VecU32)_mm256_madd_epi16((__m256i)x, (__m256i)w);
#else
  const VecU32 low = (VecU32)(((VecI32)(x << 16) >> 16) * ((VecI32)(w << 16) >> 16));
  return sum + low + (VecU32)(((VecI32)x >> 16) * ((VecI32)w >> 16));
#endif
}

template <int MR, bool Bytes>
__attribute__((noinline)) static void multiply(const Int8DirectTile& t) {
  VecU32 sum[MR][kVectors] = {};
  const uint32_t* w = t.weight;
  int64_t step = 0;
  do {
    const auto* x = reinterpret_cast<const int32_t*>(t.x + t.offsets[step]);
    const VecU32 x0 = (VecU32)load<int32_t>(x), x1 = (VecU32)load<int32_t>(x + kLanes32);
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      VecU32 wv = VecU32{} + w[i];
      keep(wv);
      sum[i][0] = dot<Bytes>(sum[i][0], x0, wv);
      sum[i][1] = dot<Bytes>(sum[i][1], x1, wv);
    }
    w += MR;
  } while (++step < t.steps);
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
    store<int32_t>(t.c + i * t.c_row, (VecI32)sum[i][0]);
    store<int32_t>(t.c + i * t.c_row + kLanes32, (VecI32)sum[i][1]);
  }
}

TG_SIMD VecI32 lesser(VecI32 a, VecI32 b) { return a < b ? a : b; }
TG_SIMD VecI32 greater(VecI32 a, VecI32 b) { return a > b ? a : b; }

// Of the pairs of neighbours in 2 vectors of each of two rows. What is stored never lies behind what is read next.
template <bool Least>
TG_SIMD void pool_rows(const Int8DirectRows& r) {
  VecI32 even, odd;
  for (int i = 0; i < kLanes32; ++i) even[i] = 2 * i, odd[i] = 2 * i + 1;
  const auto pick = [](VecI32 a, VecI32 b) __attribute__((always_inline)) {
    return Least ? lesser(a, b) : greater(a, b);
  };
  for (int64_t i = 0; i < r.rows; ++i) {
    const int32_t *upper = r.c + 2 * i * r.pitch, *lower = upper + r.pitch;
    int32_t* out = r.c + i * r.cols;
    for (int64_t j = 0; j < r.cols; j += kLanes32) {
      const VecI32 a = pick(load<int32_t>(upper + 2 * j), load<int32_t>(lower + 2 * j));
      const VecI32 b =
          pick(load<int32_t>(upper + 2 * j + kLanes32), load<int32_t>(lower + 2 * j + kLanes32));
      const VecI32 v = pick(__builtin_shuffle(a, b, even), __builtin_shuffle(a, b, odd));
      const int n = static_cast<int>(r.cols - j < kLanes32 ? r.cols - j : kLanes32);
      n == kLanes32 ? store<int32_t>(out + j, v) : store_partial<int32_t>(out + j, v, n);
    }
  }
}

template <bool Bytes, int MR = kRows>
void multiply_rows(const Int8DirectTile& t) {
  if (t.rows == MR) return multiply<MR, Bytes>(t);
  if constexpr (MR > 1) multiply_rows<Bytes, MR - 1>(t);
}

template <int Group>
TG_SIMD void write_groups(const uint8_t* const* in, int64_t n, uint32_t* out) {
  constexpr int kBits = 32 / Group;
  const uint8_t *a = in[0], *b = in[1], *c = in[Group - 2], *d = in[Group - 1];
  for (int64_t i = 0; i < n; ++i) {
    uint32_t v = a[i] | static_cast<uint32_t>(b[i]) << kBits;
    if constexpr (Group == 4)
      v |= static_cast<uint32_t>(c[i]) << 16 | static_cast<uint32_t>(d[i]) << 24;
    out[i] = v;
  }
}

}  // namespace

Int8DirectGeometry int8_direct_geometry() {
  return {kRows, kVectors * kLanes32, takes_bytes() ? 4 : 2};
}

void int8_direct_tile(const Int8DirectTile& t) {
  takes_bytes() ? multiply_rows<true>(t) : multiply_rows<false>(t);
}

void int8_direct_rows(const Int8DirectRows& r) {
  r.least ? pool_rows<true>(r) : pool_rows<false>(r);
}

void int8_direct_groups(const uint8_t* const* in, int64_t n, uint32_t* out) {
  takes_bytes() ? write_groups<4>(in, n, out) : write_groups<2>(in, n, out);
}

}  // namespace tilegrad::TILEGRAD_ISA
