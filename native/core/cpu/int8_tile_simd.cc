// The register tile of the integer product: MR rows by 2 vectors of 32-bit sums stay in registers while k runs; per group it
// loads 2 vectors of B and broadcasts MR groups of A. Sums wrap modulo 2^32, so their order does not matter.
#include "core/ceil_div.h"
#include "core/cpu/avx_vnni.h"
#include "core/cpu/int8_dot_vnni.h"
#include "core/cpu/int8_gemm_simd.h"
#include "core/cpu/simd.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#elif defined(__x86_64__)
#include <immintrin.h>
#endif

#define TG_INLINE inline __attribute__((always_inline))

namespace tilegrad::TILEGRAD_ISA {
namespace {

#if defined(TILEGRAD_ISA_AVX512)
constexpr int kRows = 14;  // of 32 registers: 28 sums, 2 of B, 1 of A
#elif defined(TILEGRAD_ISA_NEON)
constexpr int kRows = 8;
#elif defined(TILEGRAD_ISA_AVX2)
constexpr int kRows = 6;  // of 16: 12 sums, 2 of B, 1 of A, 1 product
#else
constexpr int kRows = 4;
#endif
#if defined(TILEGRAD_ISA_AVX2)
constexpr bool kInPlace = true;  // there are registers for the addresses of all rows
#else
constexpr bool kInPlace = false;
#endif
constexpr int kVectors = 2;
constexpr int kLanes32 = kLanes<int32_t>;
constexpr int kCols = kVectors * kLanes32;

// sum += a . b in each lane: 2 words of a and b.
TG_SIMD VecU32 dot_words(VecU32 sum, VecU32 a, VecU32 b) {
#if defined(TILEGRAD_ISA_AVX512)
  return sum + (VecU32)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(TILEGRAD_ISA_AVX2)
  return sum + (VecU32)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__x86_64__)
  return sum + (VecU32)_mm_madd_epi16((__m128i)a, (__m128i)b);
#elif defined(__aarch64__)
  const int16x8_t x = (int16x8_t)a, y = (int16x8_t)b;
  return sum +
         (VecU32)vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y));
#else
  const VecU32 low = (VecU32)(((VecI32)(a << 16) >> 16) * ((VecI32)(b << 16) >> 16));
  return sum + low + (VecU32)(((VecI32)a >> 16) * ((VecI32)b >> 16));
#endif
}

// sum += a . b in each lane: 4 unsigned bytes of a, signed of b.
TG_SIMD VecU32 dot_bytes(VecU32 sum, VecU32 a, VecU32 b) {
#if defined(TILEGRAD_ISA_AVX512)
  return (VecU32)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif defined(TILEGRAD_ISA_AVX2)
  const __m256i pairs = _mm256_maddubs_epi16((__m256i)a, (__m256i)b);
  return sum + (VecU32)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#else
  return dot_words(sum, a, b);  // never chosen: int8_geometry says so
#endif
}

// Of A: panels of bytes, panels of words, or rows of bytes as they lie; the bytes multiplied by AVX2 alone or with AVX-VNNI.
enum class Operand : uint8_t { bytes, words, rows, vnni_bytes, vnni_rows };

template <Operand A>
TG_SIMD VecU32 dot(VecU32 sum, VecU32 a, VecU32 b) {
  if constexpr (A == Operand::words) return dot_words(sum, a, b);
  if constexpr (A == Operand::vnni_bytes || A == Operand::vnni_rows)
    return dot_bytes_vnni(sum, a, b);
  return dot_bytes(sum, a, b);
}

struct Tile {
  int64_t groups;
  const uint32_t* a;
  int64_t a_row;  // bytes, of Operand::rows
  const uint32_t* b;
  int32_t* c;
  int64_t c_row;
  int last;  // columns of the last vector that exist
  bool accumulate;
};

template <int MR, int NV>
TG_SIMD void finish_tile(const Tile& t, const VecU32 (&sum)[MR][NV]) {
#pragma GCC unroll 16
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v) {
      int32_t* c = t.c + i * t.c_row + v * kLanes32;
      if (v < NV - 1 || t.last == kLanes32) {
        const VecU32 old = t.accumulate ? (VecU32)load<int32_t>(c) : VecU32{};
        store<int32_t>(c, (VecI32)(sum[i][v] + old));
      } else {
        const VecU32 old = t.accumulate ? (VecU32)load_partial<int32_t>(c, t.last) : VecU32{};
        store_partial<int32_t>(c, (VecI32)(sum[i][v] + old), t.last);
      }
    }
  }
}

// Group g of rows that lie where they are.
template <int MR>
struct Rows {
  const uint8_t* at[MR];

  TG_INLINE explicit Rows(const Tile& t) {
    const auto* a = reinterpret_cast<const uint8_t*>(t.a);
    for (int i = 0; i < MR; ++i) at[i] = a + i * t.a_row;
  }
  TG_INLINE uint32_t group(int i, int64_t g) const {
    uint32_t v;
    __builtin_memcpy(&v, at[i] + 4 * g, 4);
    return v;
  }
};

template <int MR, int NV, Operand A>
__attribute__((noinline)) static void multiply_tile(const Tile& t) {
  VecU32 sum[MR][NV] = {};
  const uint32_t* a = t.a;
  const uint32_t* b = t.b;
  constexpr bool kRowsOfA = A == Operand::rows || A == Operand::vnni_rows;
  const Rows<kRowsOfA ? MR : 1> rows(t);
  for (int64_t g = 0; g < t.groups; ++g) {
    VecU32 bv[NV];
#pragma GCC unroll 2
    for (int v = 0; v < NV; ++v)
      bv[v] = (VecU32)load<int32_t>(reinterpret_cast<const int32_t*>(b) + v * kLanes32);
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i) {
      const VecU32 av = VecU32{} + (kRowsOfA ? rows.group(i, g) : a[i]);
#pragma GCC unroll 2
      for (int v = 0; v < NV; ++v) sum[i][v] = dot<A>(sum[i][v], av, bv[v]);
    }
    a += MR;
    b += kCols;
  }
  finish_tile<MR, NV>(t, sum);
}

using TileFunction = void (*)(const Tile&);

template <Operand A, int MR = kRows>
TileFunction tile_function(int rows, int vectors) {
  if (rows == MR) return vectors == 1 ? multiply_tile<MR, 1, A> : multiply_tile<MR, 2, A>;
  if constexpr (MR > 1) return tile_function<A, MR - 1>(rows, vectors);
  return nullptr;
}

TileFunction tile_function(const PackedInt8Gemm& g, int rows, int vectors) {
#if defined(TILEGRAD_ISA_AVX2)
  if (has_avx_vnni())
    return g.a_row != 0 ? tile_function<Operand::vnni_rows>(rows, vectors)
                        : tile_function<Operand::vnni_bytes>(rows, vectors);
  if (g.a_row != 0) return tile_function<Operand::rows>(rows, vectors);
#endif
  return g.words ? tile_function<Operand::words>(rows, vectors)
                 : tile_function<Operand::bytes>(rows, vectors);
}

}  // namespace

Int8Geometry int8_geometry() {
#if defined(TILEGRAD_ISA_AVX512)
  return {kRows, kCols, 256, kRows * 18, Int8Bytes::always, kInPlace};
#elif defined(TILEGRAD_ISA_AVX2)
  const Int8Bytes bytes = has_avx_vnni() ? Int8Bytes::always : Int8Bytes::where_pairs_fit;
  return {kRows, kCols, 512, kRows * 16, bytes, kInPlace};
#else
  return {kRows, kCols, 256, kRows * 32, Int8Bytes::never, kInPlace};
#endif
}

// B panel by B panel: it stays in L1 while the panels of A stream past it from L2.
void int8_gemm_packed(const PackedInt8Gemm& g) {
  Tile t = {};
  t.groups = g.groups;
  t.a_row = g.a_row;
  t.c_row = g.c_row;
  t.accumulate = g.accumulate;
  const int64_t panels = ceil_div(g.m, g.panel_rows);
  const int last_rows = static_cast<int>(g.m - (panels - 1) * g.panel_rows);
  for (int64_t j = 0; j < g.n; j += kCols) {
    const int cols = static_cast<int>(g.n - j < kCols ? g.n - j : kCols);
    const int vectors = ceil_div(cols, kLanes32);
    const TileFunction whole = tile_function(g, g.panel_rows, vectors);
    const TileFunction last = tile_function(g, last_rows, vectors);
    t.b = g.b + j / kCols * g.b_panel;
    t.last = cols - (vectors - 1) * kLanes32;
    for (int64_t p = 0; p < panels; ++p) {
      t.a = g.a_row == 0 ? g.a + p * g.a_panel
                         : reinterpret_cast<const uint32_t*>(reinterpret_cast<const uint8_t*>(g.a) +
                                                             p * g.panel_rows * g.a_row);
      t.c = g.c + p * g.panel_rows * g.c_row + j;
      (p + 1 < panels ? whole : last)(t);
    }
  }
}

}  // namespace tilegrad::TILEGRAD_ISA
