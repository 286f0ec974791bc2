// Packs one panel of A or B: element (k, w) goes to out[k * pitch + w]. Contiguous along the width it
// is copied in vectors, contiguous along k it is transposed in blocks of lanes x lanes registers, else
// it goes element by element; 16-bit floats are widened on the way. Moves 2 * depth * width elements.
#include "core/cpu/gemm_simd.h"
#include "core/cpu/stored.h"
#include "core/cpu/transpose.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

// A store of whole vectors may run past the row into the next one, which is written later; the last
// rows must not run past the panel.
template <class T, class S>
TG_SIMD void put(const PackPanel<T, S>& p, int64_t k, int w, Vec<T> v) {
  constexpr int W = kLanes<T>;
  T* out = p.out + k * p.pitch + w;
  if (p.out + p.depth * p.pitch - out >= W) {
    store<T>(out, v);
  } else {
    store_partial<T>(out, v, p.pitch - w < W ? p.pitch - w : W);
  }
}

// Panels of B: whole vectors, several rows under way at once.
template <int NV, class T, class S>
TG_SIMD void pack_whole_rows(const PackPanel<T, S>& p) {
  constexpr int W = kLanes<T>;
  const S* in = p.in;
  T* out = p.out;
#pragma GCC unroll 4
  for (int64_t k = 0; k < p.depth; ++k) {
    __builtin_prefetch(in + 16 * p.depth_stride);
    __builtin_prefetch(in + 16 * p.depth_stride + NV * W - 1);
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
      __builtin_prefetch(out + 16 * NV * W + v * W, 1);
      store<T>(out + v * W, load_stored(in + v * W));
    }
    in += p.depth_stride;
    out += NV * W;
  }
}

template <class T, class S>
TG_SIMD void pack_rows(const PackPanel<T, S>& p) {
  constexpr int W = kLanes<T>;
  if (p.width == 2 * W && p.pitch == 2 * W) return pack_whole_rows<2>(p);
  if (p.width == 3 * W && p.pitch == 3 * W) return pack_whole_rows<3>(p);
  for (int64_t k = 0; k < p.depth; ++k) {
    const S* in = p.in + k * p.depth_stride;
    for (int w = 0; w < p.pitch; w += W) {
      const int left = p.width - w;
      __builtin_prefetch(in + 8 * p.depth_stride + w);
      put(p, k, w,
          left >= W  ? load_stored(in + w)
          : left > 0 ? load_stored_partial(in + w, left)
                     : Vec<T>{});
    }
  }
}

#if defined(TILEGRAD_ISA_AVX512)
// 12 to 16 rows of f32, whole blocks of 16 x 16: quarters of four rows meet in one register as they are
// loaded, which saves half of the shuffles. Rows that do not exist read row 0 and are overwritten by
// what the next k writes; the caller leaves the last block to pack_blocks.
TG_SIMD void pack_tall(const float* in, int64_t stride, float* out, int pitch, int rows,
                       int64_t blocks) {
  const float *base[4], *tail[4];
#pragma GCC unroll 4
  for (int r = 0; r < 4; ++r) {
    base[r] = in + r * stride;
    tail[r] = r + 12 < rows ? in + (r + 12) * stride : in;
  }
  const int64_t four = 4 * stride;
  for (; blocks > 0; --blocks) {
#pragma GCC unroll 4
    for (int col = 0; col < 16; col += 4) {
      __m512 q[4];
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) {
        __builtin_prefetch((col == 0   ? base[r]
                            : col == 4 ? base[r] + four
                            : col == 8 ? base[r] + 2 * four
                                       : tail[r]) +
                           64);
        q[r] = _mm512_zextps128_ps512(_mm_loadu_ps(base[r] + col));
        q[r] = _mm512_maskz_insertf32x4(0xffff, q[r], _mm_loadu_ps(base[r] + four + col), 1);
        q[r] = _mm512_maskz_insertf32x4(0xffff, q[r], _mm_loadu_ps(base[r] + 2 * four + col), 2);
        q[r] = _mm512_maskz_insertf32x4(0xffff, q[r], _mm_loadu_ps(tail[r] + col), 3);
      }
      const __m512d a = (__m512d)_mm512_maskz_unpacklo_ps(0xffff, q[0], q[1]);
      const __m512d b = (__m512d)_mm512_maskz_unpackhi_ps(0xffff, q[0], q[1]);
      const __m512d c = (__m512d)_mm512_maskz_unpacklo_ps(0xffff, q[2], q[3]);
      const __m512d d = (__m512d)_mm512_maskz_unpackhi_ps(0xffff, q[2], q[3]);
      store<float>(out, (VecF32)_mm512_maskz_unpacklo_pd(0xff, a, c));
      store<float>(out + pitch, (VecF32)_mm512_maskz_unpackhi_pd(0xff, a, c));
      store<float>(out + 2 * pitch, (VecF32)_mm512_maskz_unpacklo_pd(0xff, b, d));
      store<float>(out + 3 * pitch, (VecF32)_mm512_maskz_unpackhi_pd(0xff, b, d));
      out += 4 * pitch;
    }
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) base[r] += 16, tail[r] += 16;
  }
}
#endif

// Blocks of lanes x lanes from k on; `rows` of the panel's width, at w.
template <class T, class S>
TG_SIMD void pack_blocks(const PackPanel<T, S>& p, int64_t k, int w, int rows) {
  constexpr int W = kLanes<T>;
  for (; k < p.depth; k += W) {
    const int deep = static_cast<int>(p.depth - k < W ? p.depth - k : W);
    Vec<T> v[W];
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i) {
      const S* in = p.in + (w + i) * p.width_stride + k;
      __builtin_prefetch(in + 4 * W);
      v[i] = w + i >= p.width ? Vec<T>{}
             : deep == W      ? load_stored(in)
                              : load_stored_partial(in, deep);
    }
    transpose<T>(v);
#pragma GCC unroll 16
    for (int i = 0; i < W; ++i) {
      if (i >= deep) break;
      if (rows == W) {
        store<T>(p.out + (k + i) * p.pitch + w, v[i]);
      } else if (w == 0) {
        put(p, k + i, 0, v[i]);
      } else {
        store_partial<T>(p.out + (k + i) * p.pitch + w, v[i], rows);  // row k + i + 1 has begun
      }
    }
  }
}

template <class T, class S>
TG_SIMD void pack_transposed(const PackPanel<T, S>& p) {
  constexpr int W = kLanes<T>;
  for (int w = 0; w < p.pitch; w += W) {
    const int rows = p.pitch - w < W ? p.pitch - w : W;
    int64_t k = 0;
#if defined(TILEGRAD_ISA_AVX512)
    if constexpr (sizeof(S) == 4) {
      const bool whole = w + rows <= p.width && rows >= 12 && (rows == W || w == 0);
      const int64_t blocks = whole ? (rows == W ? p.depth : p.depth - 1) / W : 0;
      if (blocks > 0) {
        pack_tall(p.in + w * p.width_stride, p.width_stride, p.out + w, p.pitch, rows, blocks);
      }
      k = blocks * W;
    }
#endif
    pack_blocks(p, k, w, rows);
  }
}

template <class T, class S>
TG_SIMD void pack_elements(const PackPanel<T, S>& p) {
  for (int64_t k = 0; k < p.depth; ++k) {
    for (int w = 0; w < p.pitch; ++w) {
      const S* in = p.in + w * p.width_stride + k * p.depth_stride;
      p.out[k * p.pitch + w] = w < p.width ? widened(*in) : T{};
    }
  }
}

template <class T, class S>
TG_SIMD void pack(const PackPanel<T, S>& p) {
  if (p.width_stride == 1) return pack_rows(p);
  if (p.depth_stride == 1) return pack_transposed(p);
  pack_elements(p);
}

}  // namespace

void pack_panel_f32(const PackPanel<float>& p) { pack(p); }
void pack_panel_f64(const PackPanel<double>& p) { pack(p); }
void pack_panel_bf16(const PackPanel<float, bf16>& p) { pack(p); }
void pack_panel_f16(const PackPanel<float, f16>& p) { pack(p); }

}  // namespace tilegrad::TILEGRAD_ISA
