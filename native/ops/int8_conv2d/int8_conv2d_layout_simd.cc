// Rows of bytes become rows of groups: a vector of groups is a few loads that widen, shifts and ors; groups of neighbouring
// bytes are picked from one load by a shuffle. 4 bytes are written for each one that is read.
#include "core/ceil_div.h"
#include "core/cpu/simd.h"
#include "ops/int8_conv2d/int8_conv2d_layout.h"
#include "ops/int8_conv2d/int8_conv2d_simd.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tilegrad::TILEGRAD_ISA {
namespace {

constexpr int kLanes32 = kLanes<uint32_t>;

// out[i] = the group of in[0][i step], in[1][i step], ...
template <int Group, int Step>
TG_SIMD void write_groups(const uint8_t* const* in, int64_t step, int64_t n, uint32_t flip,
                          uint32_t* out) {
  constexpr int kBits = 32 / Group;
  int64_t i = 0;
#if defined(TILEGRAD_ISA_AVX512)
  // Every second byte is the lower half of a word.
  for (; Step <= 2 && i < n; i += kLanes32) {
    const int64_t left = n - i < kLanes32 ? n - i : kLanes32;
    const auto mask = static_cast<__mmask32>((uint64_t{1} << (Step * left - Step + 1)) - 1);
    __m512i v = _mm512_set1_epi32(static_cast<int>(flip));
#pragma GCC unroll 4
    for (int k = 0; k < Group; ++k) {
      const uint8_t* at = in[k] + i * Step;
      __m512i x;
      if constexpr (Step == 1) {
        x = _mm512_maskz_cvtepu8_epi32(0xffff,
                                       _mm_maskz_loadu_epi8(static_cast<__mmask16>(mask), at));
      } else {
        const __m256i even =
            _mm256_and_si256(_mm256_maskz_loadu_epi8(mask, at), _mm256_set1_epi16(0xff));
        x = _mm512_maskz_cvtepu16_epi32(0xffff, even);
      }
      v = _mm512_xor_si512(v, k == 0 ? x : _mm512_maskz_slli_epi32(0xffff, x, kBits * k));
    }
    _mm512_storeu_si512(out + i, v);
  }
#endif
  const int64_t s = Step <= 2 ? Step : step;
  for (; i < n; ++i) {
    uint32_t v = flip;
#pragma GCC unroll 4
    for (int k = 0; k < Group; ++k) v ^= static_cast<uint32_t>(in[k][i * s]) << (kBits * k);
    out[i] = v;
  }
}

// Writes whole vectors.
TG_SIMD void fill(uint32_t* out, int64_t n, uint32_t v) {
  const Vec<int32_t> all = broadcast<int32_t>(static_cast<int32_t>(v));
  for (int64_t i = 0; i < n; i += kLanes32)
    store<int32_t>(reinterpret_cast<int32_t*>(out) + i, all);
}

template <int Group>
TG_SIMD void write_row(const uint8_t* const* in, int64_t step, int64_t n, uint32_t flip,
                       uint32_t* out) {
  if (step == 1) return write_groups<Group, 1>(in, step, n, flip, out);
  step == 2 ? write_groups<Group, 2>(in, step, n, flip, out)
            : write_groups<Group, 3>(in, step, n, flip, out);
}

int64_t clamped(int64_t x, int64_t least, int64_t most) {
  return x < least ? least : x > most ? most : x;
}

// Rows follow one another, so that what a row writes too much is written again by the next one.
template <int Group>
TG_SIMD void lay_out_phase(const Int8Planes& p, int64_t phase_h, int64_t w, uint32_t padding,
                           uint32_t flip) {
  const int64_t left = clamped(ceil_div(p.pad_left - w, p.stride_w), 0, p.row_groups);
  const int64_t col = w + left * p.stride_w - p.pad_left;
  const int64_t inside = clamped(ceil_div(p.width - col, p.stride_w), 0, p.row_groups - left);
  uint32_t* out = p.out + (phase_h * p.stride_w + w) * p.phase;
  for (int64_t h = phase_h; h < p.rows; h += p.stride_h, out += p.row_groups) {
    const int64_t source = p.first + h;
    if (source < 0 || source >= p.height) {
      fill(out, p.row_groups, padding);
      continue;
    }
    const uint8_t* in[Group];
    for (int k = 0; k < Group; ++k) in[k] = p.in[k] + source * p.width + col;
    fill(out, left, padding);
    write_row<Group>(in, p.stride_w, inside, flip, out + left);
    fill(out + left + inside, p.row_groups - left - inside, padding);
  }
}

template <int Group>
void lay_out(const Int8Planes& p) {
  constexpr uint32_t kEach = Group == 4 ? 0x01010101u : 0x00010001u;
  const uint32_t padding = kEach * static_cast<uint32_t>(p.padding ^ p.flip);
  const uint32_t flip = kEach * p.flip;
  if (p.stride_h == 1 && p.stride_w == 1 && p.pad_left == 0 && p.row_groups == p.width &&
      p.first >= 0 && p.first + p.rows <= p.height) {
    const uint8_t* in[Group];
    for (int k = 0; k < Group; ++k) in[k] = p.in[k] + p.first * p.width;
    return write_row<Group>(in, 1, p.rows * p.width, flip, p.out);
  }
  for (int64_t phase_h = 0; phase_h < p.stride_h && phase_h < p.used_h; ++phase_h)
    for (int64_t w = 0; w < p.stride_w && w < p.used_w; ++w)
      lay_out_phase<Group>(p, phase_h, w, padding, flip);
}

// out[i] = 4 bytes from in[i step] on, `dilation` apart.
TG_SIMD void write_taps(const uint8_t* in, int64_t dilation, int64_t step, int64_t n,
                        uint32_t* out) {
  for (int64_t i = 0; i < n; ++i, in += step)
    out[i] = in[0] | static_cast<uint32_t>(in[dilation]) << 8 |
             static_cast<uint32_t>(in[2 * dilation]) << 16 |
             static_cast<uint32_t>(in[3 * dilation]) << 24;
}

template <class Write>
TG_SIMD void each_patch_row(const Int8Patches& p, Write write) {
  uint32_t* plane = p.out;
  for (int64_t r = 0; r < p.kernel_rows; ++r)
    for (int64_t t = 0; t < p.taps; ++t, plane += p.plane)
      for (int64_t row = 0; row < p.rows; ++row)
        write(p.lines + (row * p.stride_h + r * p.dilation_h) * p.line + 4 * t * p.dilation_w,
              plane + row * p.cols);
}

}  // namespace

void int8_lay_out_planes(const Int8Planes& p) {
  int8_direct_geometry().group == 4 ? lay_out<4>(p) : lay_out<2>(p);
}

void int8_lay_out_patches(const Int8Patches& p) {
#if defined(TILEGRAD_ISA_AVX512)
  if (p.dilation_w == 1 && p.stride_w <= 4) {
    // Lane L of 4 groups takes the 16 bytes from 4 L step on, then picks from them.
    alignas(64) uint32_t words[16];
    alignas(16) uint8_t bytes[16];
    for (int64_t i = 0; i < 16; ++i) {
      words[i] = static_cast<uint32_t>(i / 4 * p.stride_w + i % 4);
      bytes[i] = static_cast<uint8_t>(i / 4 * p.stride_w + i % 4);
    }
    const __m512i lanes = _mm512_load_si512(words);
    const __m512i picked = _mm512_maskz_broadcast_i32x4(
        0xffff, _mm_load_si128(reinterpret_cast<const __m128i*>(bytes)));
    return each_patch_row(
        p, [&](const uint8_t* in, uint32_t* out) __attribute__((always_inline)) {
          for (int64_t i = 0; i < p.cols; i += 16) {
            const __m512i v = _mm512_maskz_permutexvar_epi32(
                0xffff, lanes, _mm512_loadu_si512(in + i * p.stride_w));
            _mm512_storeu_si512(out + i, _mm512_maskz_shuffle_epi8(~uint64_t{0}, v, picked));
          }
        });
  }
#endif
  each_patch_row(
      p, [&](const uint8_t* in, uint32_t* out) __attribute__((always_inline)) {
        write_taps(in, p.dilation_w, p.stride_w, p.cols, out);
      });
}

}  // namespace tilegrad::TILEGRAD_ISA
