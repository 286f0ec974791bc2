// Patches of an image as a panel of columns: a vector of output pixels lies in a few rows of the image, whose
// parts are met by masked loads at one distance from tap to tap. And the way back, where a stride keeps neighbouring
// output pixels in products of their own.
#include "ops/conv2d/conv2d_patches_simd.h"

#include "core/cpu/simd.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

// The lanes of w from p, the others as they are in v, where those of w are zero.
template <class T>
TG_SIMD Vec<T> merge(Vec<T> v, const T* p, Window<T> w) {
#if defined(TILEGRAD_ISA_AVX512)
  if constexpr (sizeof(T) == 4) {
    return (Vec<T>)_mm512_mask_loadu_epi32((__m512i)v, static_cast<__mmask16>(w.mask), p);
  } else {
    return (Vec<T>)_mm512_mask_loadu_epi64((__m512i)v, static_cast<__mmask8>(w.mask), p);
  }
#else
  return (Vec<T>)((Mask<T>)v | (Mask<T>)load<T>(p, w));
#endif
}

template <class T, int Segments>
TG_SIMD void pack_vector(const PackPatches<T>& p, const PatchSegment* segments, T* out) {
  const T* from[Segments];
  Window<T> lanes[Segments];
#pragma GCC unroll 4
  for (int i = 0; i < Segments; ++i) {
    from[i] = p.image + segments[i].from;
    lanes[i] = window<T>(segments[i].begin, segments[i].end);
  }
  const int64_t depth = p.depth, pitch = p.pitch;
  const int64_t* offsets = p.offsets;
#pragma GCC unroll 2
  for (int64_t d = 0; d < depth; ++d) {
    __builtin_prefetch(out + (d + 12) * pitch, 1);
    Vec<T> v = load<T>(from[0] + offsets[d], lanes[0]);
#pragma GCC unroll 4
    for (int i = 1; i < Segments; ++i) v = merge<T>(v, from[i] + offsets[d], lanes[i]);
    store<T>(out + d * pitch, v);
  }
}

template <class T>
TG_SIMD void pack_whole_vector(const PackPatches<T>& p, const T* from, T* out) {
  const int64_t depth = p.depth, pitch = p.pitch;
#pragma GCC unroll 4
  for (int64_t d = 0; d < depth; ++d) {
    __builtin_prefetch(out + (d + 12) * pitch, 1);
    store<T>(out + d * pitch, load<T>(from + p.offsets[d]));
  }
}

template <class T>
TG_SIMD void pack_scattered_vector(const PackPatches<T>& p, const PatchSegment* segments, int count,
                                   T* out) {
  for (int64_t d = 0; d < p.depth; ++d) {
    const T* image = p.image + p.offsets[d];
    Vec<T> v = {};
    for (int i = 0; i < count; ++i) {
      v = merge<T>(v, image + segments[i].from, window<T>(segments[i].begin, segments[i].end));
    }
    store<T>(out + d * p.pitch, v);
  }
}

template <class T>
TG_SIMD void pack_patches(const PackPatches<T>& p) {
  for (int v = 0; v < p.vectors; ++v) {
    const PatchSegment* segments = p.segments + p.first_segment[v];
    const int count = p.first_segment[v + 1] - p.first_segment[v];
    T* out = p.out + v * kLanes<T>;
    if (count == 1 && segments->begin == 0 && segments->end == kLanes<T>) {
      pack_whole_vector<T>(p, p.image + segments->from, out);
    } else if (count == 1) {
      pack_vector<T, 1>(p, segments, out);
    } else if (count == 2) {
      pack_vector<T, 2>(p, segments, out);
    } else if (count == 3) {
      pack_vector<T, 3>(p, segments, out);
    } else if (count == 4) {
      pack_vector<T, 4>(p, segments, out);
    } else {
      pack_scattered_vector<T>(p, segments, count, out);
    }
  }
}

// Steps of two: the lanes of two vectors in turn.
template <class T>
TG_SIMD void mesh_pair(const T* even, const T* odd, T* out, int64_t width) {
  constexpr int W = kLanes<T>;
  const Mask<T> lane = lane_numbers<T>();
  const Mask<T> low = (lane >> 1) + (lane & 1) * W, high = low + W / 2;
  for (int64_t j = 0; j < width; j += 2 * W, out += 2 * W) {
    const Vec<T> a = load<T>(even + j / 2), b = load<T>(odd + j / 2);
    const int64_t left = width - j;
    const Vec<T> first = __builtin_shuffle(a, b, low), second = __builtin_shuffle(a, b, high);
    if (left >= 2 * W) {
      store<T>(out, first);
      store<T>(out + W, second);
      continue;
    }
    store_partial<T>(out, first, static_cast<int>(left < W ? left : W));
    if (left > W) store_partial<T>(out + W, second, static_cast<int>(left - W));
  }
}

template <class T>
TG_SIMD void mesh_rows(const MeshRows<T>& m) {
  constexpr int W = kLanes<T>;
  for (int64_t i = 0; i < m.height; ++i) {
    const T* in = m.in + i * m.in_row;
    T* out = m.out + i * m.out_plane;
    if (i + 4 < m.height) {
      for (int64_t j = 0; j < m.width; j += 64 / static_cast<int64_t>(sizeof(T))) {
        __builtin_prefetch(out + 4 * m.out_plane + j, 1);
      }
    }
    if (m.step == 1) {
      for (int64_t j = 0; j < m.width; j += W) {
        const int left = static_cast<int>(m.width - j < W ? m.width - j : W);
        store_partial<T>(out + j, load<T>(in + j), left);
      }
    } else if (m.step == 2) {
      mesh_pair<T>(in, in + m.in_step, out, m.width);
    } else {
      for (int64_t b = 0; b < m.step; ++b) {
        const T* from = in + b * m.in_step;
        for (int64_t j = b; j < m.width; j += m.step) out[j] = *from++;
      }
    }
  }
}

}  // namespace

void pack_patches_f32(const PackPatches<float>& p) { pack_patches(p); }
void pack_patches_f64(const PackPatches<double>& p) { pack_patches(p); }
void mesh_rows_f32(const MeshRows<float>& m) { mesh_rows(m); }
void mesh_rows_f64(const MeshRows<double>& m) { mesh_rows(m); }

}  // namespace tilegrad::TILEGRAD_ISA
