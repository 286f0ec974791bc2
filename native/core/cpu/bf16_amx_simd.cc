// AMX kernels of the product of bf16. 2 x 2 tiles of sums stay in registers while k runs: per block 4 tiles of 1 KB are
// loaded for 4 products of 16 x 16 x 32, 16 cycles each.
#if defined(TILEGRAD_ISA_AVX512)
#if !defined(__clang__)
#pragma GCC target("amx-tile,amx-bf16")
#endif

#include "core/cpu/activate_simd.h"
#include "core/cpu/bf16_amx.h"
#include "core/cpu/simd.h"
#include "core/cpu/transpose.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("amx-tile,amx-bf16"))), apply_to = function)
#endif

#include "core/cpu/amx_sums.h"  // with the instructions above

namespace tilegrad::avx512 {
namespace {

// Tiles 0 to 3 are sums, 4 and 5 of A, 6 and 7 of B.
template <bool Two>
TG_SIMD void block(const uint16_t* a0, const uint16_t* a1, int64_t bytes0, int64_t bytes1,
                   const uint16_t* b) {
  _tile_loadd(6, b, kAmxRowBytes);
  _tile_loadd(4, a0, bytes0);
  _tile_dpbf16ps(0, 4, 6);
  _tile_loadd(7, b + kBf16Tile, kAmxRowBytes);
  _tile_dpbf16ps(1, 4, 7);
  if constexpr (Two) {
    _tile_loadd(5, a1, bytes1);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
}

template <bool Two>
TG_SIMD void multiply_rows(const Bf16Tile& t) {
  amx_begin_sums<Two>(t.accumulate, t.c, t.c_row);
  const Bf16Rows &first = t.a[0], &second = t.a[Two];
  const uint16_t *a0 = first.data + t.first * first.step, *b = t.b;
  const uint16_t* a1 = second.data + t.first * second.step;
  for (int64_t i = 0; i < t.blocks; ++i) {
    block<Two>(a0, a1, first.stride * 2, second.stride * 2, b);
    a0 += first.step, a1 += second.step, b += 2 * kBf16Tile;
  }
  if (t.rest) block<Two>(first.rest, second.rest, kAmxRowBytes, kAmxRowBytes, b);
  amx_store_sums<Two>(t.c, t.c_row);
}

TG_SIMD __mmask32 first_of_32(int64_t n) {
  return n >= 32 ? ~uint32_t{0} : n <= 0 ? 0 : (uint32_t{1} << n) - 1;
}

// pairs[i]: lane w holds k = 2 i and 2 i + 1 of w. Neighbours along w are contiguous.
TG_SIMD void pairs_across(const Bf16Pack& p, int64_t k, VecF32 (&pairs)[16]) {
  const auto exist = static_cast<__mmask16>(first_of_32(p.width));
  const auto widened = [&](int64_t at) __attribute__((always_inline)) {
    const auto mask = static_cast<__mmask16>(at < p.depth ? exist : 0);
    const __m256i row = _mm256_maskz_loadu_epi16(mask, p.in + at * p.depth_stride);
    return _mm512_maskz_cvtepu16_epi32(0xffff, row);
  };
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    const __m512i even = widened(k + 2 * i), odd = widened(k + 2 * i + 1);
    pairs[i] = (VecF32)_mm512_or_si512(even, _mm512_maskz_slli_epi32(0xffff, odd, 16));
  }
}

// rows[w]: lane i holds k = 2 i and 2 i + 1 of w. Neighbours along k are contiguous.
TG_SIMD void rows_along(const Bf16Pack& p, int64_t k, VecF32 (&rows)[16]) {
  const __mmask32 deep = first_of_32(p.depth - k);
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    const __mmask32 mask = i < p.width ? deep : 0;
    rows[i] = (VecF32)_mm512_maskz_loadu_epi16(mask, p.in + i * p.width_stride + k);
  }
}

TG_SIMD void rows_of_any(const Bf16Pack& p, int64_t k, VecF32 (&rows)[16]) {
  alignas(64) uint16_t block[16][32] = {};
  for (int i = 0; i < p.width; ++i) {
    for (int64_t j = 0; j < 32 && k + j < p.depth; ++j)
      block[i][j] = p.in[i * p.width_stride + (k + j) * p.depth_stride];
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) rows[i] = (VecF32)_mm512_load_si512(block[i]);
}

// Where neighbours lie as the tile has them, blocks are copied, else transposed.
template <bool OfB>
TG_SIMD void pack(const Bf16Pack& p) {
  uint16_t* out = p.out;
  for (int64_t k = 0; k < p.depth; k += kBf16Depth) {
    VecF32 v[16];
    const bool across = p.width_stride == 1 && p.depth_stride != 1;
    if (across) {
      pairs_across(p, k, v);
    } else if (p.depth_stride == 1) {
      rows_along(p, k, v);
    } else {
      rows_of_any(p, k, v);
    }
    if (across != OfB) transpose<float>(v);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) _mm512_store_si512(out + i * 32, (__m512i)v[i]);
    out += p.step;
  }
}

}  // namespace

void bf16_amx_multiply(const Bf16Tile& t) {
  t.row_tiles == 2 ? multiply_rows<true>(t) : multiply_rows<false>(t);
}

void bf16_amx_pack_a(const Bf16Pack& p) { pack<false>(p); }
void bf16_amx_pack_b(const Bf16Pack& p) { pack<true>(p); }

void bf16_amx_finish(const Bf16Finish& f) {
  for (int i = 0; i < f.rows; ++i) {
    float* c = f.c + i * f.c_row;
    for (int j = 0; j < f.cols; j += 16) {
      const int left = f.cols - j < 16 ? f.cols - j : 16;
      VecF32 sum = load_partial<float>(c + j, left);
      if (f.bias_row != nullptr) sum += broadcast<float>(f.bias_row[i]);
      if (f.bias_col != nullptr) sum += load_partial<float>(f.bias_col + j, left);
      if (f.residual != nullptr) sum += load_partial<float>(f.residual + i * f.c_row + j, left);
      if (f.activation == Activation::relu) sum = relu<float>(sum);
      store_partial<float>(c + j, sum, left);
    }
  }
  if (is_curved(f.activation)) activate_rows_f32(f.c, f.c_row, f.rows, f.cols, f.activation);
}

}  // namespace tilegrad::avx512

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
