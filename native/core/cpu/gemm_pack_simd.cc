// Packs one panel of A or B: element (k, w) goes to out[k * pitch + w]. Contiguous along the width it
// is copied in vectors, contiguous along k it is transposed in blocks of lanes x lanes registers, else
// it goes element by element. Moves 2 * depth * width elements.
#include "core/cpu/gemm_simd.h"
#include "core/cpu/simd.h"
#include "core/cpu/transpose.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

// A store of whole vectors may run past the row into the next one, which is written later; the last
// rows must not run past the panel.
template <class T>
TG_SIMD void put(const PackPanel<T>& p, int64_t k, int w, Vec<T> v) {
  constexpr int W = kLanes<T>;
  T* out = p.out + k * p.pitch + w;
  if (p.out + p.depth * p.pitch - out >= W) {
    store<T>(out, v);
  } else {
    store_partial<T>(out, v, p.pitch - w < W ? p.pitch - w : W);
  }
}

template <class T>
TG_SIMD void pack_rows(const PackPanel<T>& p) {
  constexpr int W = kLanes<T>;
  for (int64_t k = 0; k < p.depth; ++k) {
    const T* in = p.in + k * p.depth_stride;
    for (int w = 0; w < p.pitch; w += W) {
      const int left = p.width - w;
      __builtin_prefetch(in + 8 * p.depth_stride + w);
      put<T>(p, k, w,
             left >= W  ? load<T>(in + w)
             : left > 0 ? load_partial<T>(in + w, left)
                        : Vec<T>{});
    }
  }
}

template <class T>
TG_SIMD void pack_transposed(const PackPanel<T>& p) {
  constexpr int W = kLanes<T>;
  for (int64_t k = 0; k < p.depth; k += W) {
    const int deep = static_cast<int>(p.depth - k < W ? p.depth - k : W);
    for (int w = 0; w < p.pitch; w += W) {
      Vec<T> v[W];
#pragma GCC unroll 16
      for (int i = 0; i < W; ++i) {
        const T* in = p.in + (w + i) * p.width_stride + k;
        __builtin_prefetch(in + 4 * W);
        v[i] = w + i >= p.width ? Vec<T>{} : deep == W ? load<T>(in) : load_partial<T>(in, deep);
      }
      transpose<T>(v);
      const int wide = p.pitch - w < W ? p.pitch - w : W;
#pragma GCC unroll 16
      for (int i = 0; i < W; ++i) {
        if (i >= deep) break;
        if (wide == W) {
          store<T>(p.out + (k + i) * p.pitch + w, v[i]);
        } else if (w == 0) {
          put<T>(p, k + i, 0, v[i]);
        } else {
          store_partial<T>(p.out + (k + i) * p.pitch + w, v[i], wide);  // row k + i + 1 has begun
        }
      }
    }
  }
}

template <class T>
TG_SIMD void pack_elements(const PackPanel<T>& p) {
  for (int64_t k = 0; k < p.depth; ++k) {
    for (int w = 0; w < p.pitch; ++w) {
      const T* in = p.in + w * p.width_stride + k * p.depth_stride;
      p.out[k * p.pitch + w] = w < p.width ? *in : T{};
    }
  }
}

template <class T>
TG_SIMD void pack(const PackPanel<T>& p) {
  if (p.width_stride == 1) return pack_rows(p);
  if (p.depth_stride == 1) return pack_transposed(p);
  pack_elements(p);
}

}  // namespace

void pack_panel_f32(const PackPanel<float>& p) { pack(p); }
void pack_panel_f64(const PackPanel<double>& p) { pack(p); }

}  // namespace tilegrad::TILEGRAD_ISA
