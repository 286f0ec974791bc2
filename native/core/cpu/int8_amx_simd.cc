// AMX kernels of the integer product. 2 x 2 tiles of sums stay in registers while k runs: per block 4 tiles of 1 KB are
// loaded for 4 products of 16 x 16 x 64, 16 cycles each.
#if defined(TILEGRAD_ISA_AVX512)
#if !defined(__clang__)
#pragma GCC target("amx-tile,amx-int8,avx512vbmi")
#endif

#include "core/ceil_div.h"
#include "core/cpu/int8_amx.h"
#include "core/cpu/simd.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("amx-tile,amx-int8,avx512vbmi"))), \
                             apply_to = function)
#endif

#include "core/cpu/amx_sums.h"  // with the instructions above

namespace tilegrad::avx512 {
namespace {

// Tiles 0 to 3 are sums, 4 and 5 of A, 6 and 7 of B. The numbers of tiles are part of the instructions.
#define TG_DOT(sum, a, b)               \
  do {                                  \
    if constexpr (ASigned && BSigned) { \
      _tile_dpbssd(sum, a, b);          \
    } else if constexpr (ASigned) {     \
      _tile_dpbsud(sum, a, b);          \
    } else if constexpr (BSigned) {     \
      _tile_dpbusd(sum, a, b);          \
    } else {                            \
      _tile_dpbuud(sum, a, b);          \
    }                                   \
  } while (0)

template <bool ASigned, bool BSigned, bool Two>
TG_SIMD void block(const uint8_t* a0, const uint8_t* a1, int64_t stride0, int64_t stride1,
                   const uint8_t* b) {
  _tile_loadd(6, b, kAmxDepth);
  _tile_loadd(4, a0, stride0);
  TG_DOT(0, 4, 6);
  _tile_loadd(7, b + kAmxTile, kAmxDepth);
  TG_DOT(1, 4, 7);
  if constexpr (Two) {
    _tile_loadd(5, a1, stride1);
    TG_DOT(2, 5, 6);
    TG_DOT(3, 5, 7);
  }
}

template <bool ASigned, bool BSigned, bool Two>
TG_SIMD void multiply_rows(const AmxTile& t) {
  amx_begin_sums<Two>(t.accumulate, t.c, t.c_row);
  const AmxRows &first = t.a[0], &second = t.a[Two];
  const uint8_t *a0 = first.data, *a1 = second.data, *b = t.b;
  for (int64_t i = 0; i < t.blocks; ++i) {
    block<ASigned, BSigned, Two>(a0, a1, first.stride, second.stride, b);
    a0 += first.step, a1 += second.step, b += kAmxPanelStep;
  }
  if (t.rest) block<ASigned, BSigned, Two>(first.rest, second.rest, kAmxDepth, kAmxDepth, b);
  amx_store_sums<Two>(t.c, t.c_row);
}

template <bool BSigned, bool TwoRows, bool TwoCols>
void multiply_planes(const AmxPlanes& p) {
  constexpr bool ASigned = true;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const int64_t pitch = p.pitch * 4;
  const uint8_t* a = p.a;
  for (int64_t i = 0; i < p.steps; ++i) {
    const uint32_t* b = p.b + p.offsets[i];
    _tile_loadd(4, a, kAmxDepth);
    _tile_loadd(6, b, pitch);
    TG_DOT(0, 4, 6);
    if constexpr (TwoRows) {
      _tile_loadd(5, a + kAmxTile, kAmxDepth);
      TG_DOT(2, 5, 6);
    }
    if constexpr (TwoCols) {
      _tile_loadd(7, b + 16, pitch);
      TG_DOT(1, 4, 7);
    }
    if constexpr (TwoRows && TwoCols) TG_DOT(3, 5, 7);
    a += (TwoRows ? 2 : 1) * kAmxTile;
  }
  const int64_t c_bytes = p.c_row * 4;
  _tile_stored(0, p.c, c_bytes);
  if constexpr (TwoCols) _tile_stored(1, p.c + 16, c_bytes);
  if constexpr (TwoRows) _tile_stored(2, p.c + kAmxRows * p.c_row, c_bytes);
  if constexpr (TwoRows && TwoCols) _tile_stored(3, p.c + kAmxRows * p.c_row + 16, c_bytes);
}

template <bool BSigned>
void multiply_planes(const AmxPlanes& p) {
  if (p.row_tiles == 2)
    return p.col_tiles == 2 ? multiply_planes<BSigned, true, true>(p)
                            : multiply_planes<BSigned, true, false>(p);
  p.col_tiles == 2 ? multiply_planes<BSigned, false, true>(p)
                   : multiply_planes<BSigned, false, false>(p);
}

template <bool ASigned, bool BSigned>
void multiply(const AmxTile& t) {
  t.row_tiles == 2 ? multiply_rows<ASigned, BSigned, true>(t)
                   : multiply_rows<ASigned, BSigned, false>(t);
}

TG_SIMD __mmask64 first_bytes(int64_t n) {
  return n >= 64 ? ~uint64_t{0} : n <= 0 ? 0 : (uint64_t{1} << n) - 1;
}
TG_SIMD __mmask16 first_bytes16(int64_t n) {
  return static_cast<__mmask16>(n >= 16 ? 0xffffu : n <= 0 ? 0 : (1u << n) - 1);
}

constexpr int64_t round_up_depth(int64_t depth) { return round_up(depth, kAmxDepth); }
// Tile `tile` of those side by side, in the block of k.
TG_SIMD uint8_t* tile_of(const AmxPackB& p, int64_t k, int tile) {
  return p.out + tile / 2 * p.panel + (k / kAmxDepth * 2 + tile % 2) * kAmxTile;
}
TG_SIMD void store_sums(const AmxPackB& p, int tile, __m512i sums) {
  if (16 * tile < p.cols) _mm512_storeu_si512(p.sums + 16 * tile, sums);
}

// sum += the 4 bytes of each lane.
TG_SIMD __m512i add_bytes(__m512i sum, __m512i bytes, bool is_signed) {
  const __m512i ones = _mm512_set1_epi8(1);
  return is_signed ? _mm512_dpbusd_epi32(sum, ones, bytes) : _mm512_dpbusd_epi32(sum, bytes, ones);
}

// Columns that lie side by side: 4 rows of 16 bytes become 16 groups. All 64 columns advance together, so that each line
// of memory is read once.
template <bool Whole>
TG_SIMD __m512i interleaved(const AmxPackB& p, int64_t k, int tile, __m512i order) {
  const uint8_t* in = p.in + k * p.row + 16 * tile;
  const __mmask16 exist = first_bytes16(p.cols - 16 * tile);
  __m128i row[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    if constexpr (Whole) {
      row[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i * p.row));
    } else {
      row[i] = _mm_maskz_loadu_epi8(k + i < p.depth ? exist : 0, in + i * p.row);
    }
  }
  __m512i v = _mm512_castsi128_si512(row[0]);
  v = _mm512_maskz_inserti32x4(0xffff, v, row[1], 1);
  v = _mm512_maskz_inserti32x4(0xffff, v, row[2], 2);
  v = _mm512_maskz_inserti32x4(0xffff, v, row[3], 3);
  return _mm512_maskz_permutexvar_epi8(~uint64_t{0}, order, v);
}

void pack_b_across(const AmxPackB& p) {
  alignas(64) uint8_t bytes[64];
  for (int i = 0; i < 64; ++i) bytes[i] = static_cast<uint8_t>(i % 4 * 16 + i / 4);
  const __m512i order = _mm512_load_si512(bytes);
  const int tiles = (p.cols + 15) / 16;
  __m512i sum[4] = {};
  for (int64_t k = 0; k < round_up_depth(p.depth); k += 4) {
#pragma GCC unroll 4
    for (int t = 0; t < 4; ++t) {
      if (t >= (tiles + 1) / 2 * 2) break;
      const bool whole = 16 * t + 16 <= p.cols && k + 4 <= p.depth;
      const __m512i v =
          whole ? interleaved<true>(p, k, t, order) : interleaved<false>(p, k, t, order);
      sum[t] = add_bytes(sum[t], v, p.is_signed);
      _mm512_store_si512(tile_of(p, k, t) + k % kAmxDepth * 16, v);
    }
  }
  for (int t = 0; t < 4; ++t) store_sums(p, t, sum[t]);
}

// A 16 x 16 matrix of groups, row[i] lane j to row[j] lane i.
TG_SIMD void transpose_groups(__m512i (&row)[16]) {
  __m512i pair[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    pair[i] = _mm512_maskz_unpacklo_epi32(0xffff, row[i], row[i + 1]);
    pair[i + 1] = _mm512_maskz_unpackhi_epi32(0xffff, row[i], row[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    row[i] = _mm512_maskz_unpacklo_epi64(0xff, pair[i], pair[i + 2]);
    row[i + 1] = _mm512_maskz_unpackhi_epi64(0xff, pair[i], pair[i + 2]);
    row[i + 2] = _mm512_maskz_unpacklo_epi64(0xff, pair[i + 1], pair[i + 3]);
    row[i + 3] = _mm512_maskz_unpackhi_epi64(0xff, pair[i + 1], pair[i + 3]);
  }
  // Now row[4 q + j] holds in each 128-bit lane L the groups of column 4 L + j, rows 4 q to 4 q + 3.
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i low01 = _mm512_maskz_shuffle_i32x4(0xffff, row[j], row[4 + j], 0x88);
    const __m512i low23 = _mm512_maskz_shuffle_i32x4(0xffff, row[8 + j], row[12 + j], 0x88);
    const __m512i high01 = _mm512_maskz_shuffle_i32x4(0xffff, row[j], row[4 + j], 0xdd);
    const __m512i high23 = _mm512_maskz_shuffle_i32x4(0xffff, row[8 + j], row[12 + j], 0xdd);
    pair[j] = _mm512_maskz_shuffle_i32x4(0xffff, low01, low23, 0x88);
    pair[4 + j] = _mm512_maskz_shuffle_i32x4(0xffff, high01, high23, 0x88);
    pair[8 + j] = _mm512_maskz_shuffle_i32x4(0xffff, low01, low23, 0xdd);
    pair[12 + j] = _mm512_maskz_shuffle_i32x4(0xffff, high01, high23, 0xdd);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) row[i] = pair[i];
}

// Neighbours along k lie side by side: tiles of 16 columns are transposed, group by group.
void pack_b_along(const AmxPackB& p) {
  const int tiles = (p.cols + 31) / 32 * 2;
  for (int t = 0; t < tiles; ++t) {
    const int cols = p.cols - 16 * t;
    const uint8_t* in = p.in + 16 * t * p.col;
    __m512i sum = _mm512_setzero_si512();
    for (int64_t k = 0; k < p.depth; k += kAmxDepth) {
      const __mmask64 deep = first_bytes(p.depth - k);
      __m512i row[16];
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i)
        row[i] =
            i < cols ? _mm512_maskz_loadu_epi8(deep, in + i * p.col + k) : _mm512_setzero_si512();
      transpose_groups(row);
      uint8_t* out = tile_of(p, k, t);
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) {
        sum = add_bytes(sum, row[i], p.is_signed);
        _mm512_store_si512(out + i * 64, row[i]);
      }
    }
    store_sums(p, t, sum);
  }
}

void pack_b_each(const AmxPackB& p) {
  for (int t = 0; t < (p.cols + 31) / 32 * 2; ++t)
    for (int64_t k = 0; k < p.depth; k += kAmxDepth)
      __builtin_memset(tile_of(p, k, t), 0, kAmxTile);
  for (int j = 0; j < p.cols; ++j) {
    uint32_t sum = 0;
    for (int64_t k = 0; k < p.depth; ++k) {
      const uint8_t byte = p.in[k * p.row + j * p.col];
      tile_of(p, k, j / 16)[k % kAmxDepth / 4 * 64 + j % 16 * 4 + k % 4] = byte;
      sum += p.is_signed ? static_cast<uint32_t>(static_cast<int8_t>(byte)) : byte;
    }
    p.sums[j] = static_cast<int32_t>(sum);
  }
}

}  // namespace

AmxMultiply amx_multiply(bool a_signed, bool b_signed) {
  if (a_signed) return b_signed ? multiply<true, true> : multiply<true, false>;
  return b_signed ? multiply<false, true> : multiply<false, false>;
}

void amx_multiply_planes(const AmxPlanes& p) {
  p.b_signed ? multiply_planes<true>(p) : multiply_planes<false>(p);
}

void amx_pack_b(const AmxPackB& p) {
  if (p.col == 1) return pack_b_across(p);
  if (p.row == 1) return pack_b_along(p);
  pack_b_each(p);
}

void amx_pack_a(const AmxPackA& p) {
  for (int64_t k = 0; k < p.depth; k += kAmxDepth) {
    const int64_t deep = p.depth - k < kAmxDepth ? p.depth - k : kAmxDepth;
    uint8_t* out = p.out + k * kAmxRows;
    for (int i = 0; i < kAmxRows; ++i) {
      const uint8_t* in = p.in + i * p.row + k * p.col;
      __m512i v = _mm512_setzero_si512();
      if (i < p.rows && p.col == 1) v = _mm512_maskz_loadu_epi8(first_bytes(deep), in);
      _mm512_store_si512(out + i * kAmxDepth, v);
      for (int64_t j = 0; i < p.rows && p.col != 1 && j < deep; ++j)
        out[i * kAmxDepth + j] = in[j * p.col];
    }
  }
}

int32_t amx_row_sum(const uint8_t* row, int64_t depth, bool is_signed) {
  __m512i sum = _mm512_setzero_si512();
  for (int64_t k = 0; k < depth; k += 64)
    sum = add_bytes(sum, _mm512_maskz_loadu_epi8(first_bytes(depth - k), row + k), is_signed);
  VecU32 lanes = (VecU32)sum;
  uint32_t total = 0;
  for (int i = 0; i < 16; ++i) total += lanes[i];
  return static_cast<int32_t>(total);
}

}  // namespace tilegrad::avx512

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
