// The SIMD functions of a matrix product by element type. Baseline code only.
#pragma once

#include "core/cpu/gemm_simd.h"

namespace tilegrad {

template <class T>
struct GemmKernels;

#define TILEGRAD_GEMM_KERNELS(T, suffix)                                        \
  template <>                                                                   \
  struct GemmKernels<T> {                                                       \
    GemmGeometry geometry = TILEGRAD_SIMD(gemm_geometry_##suffix)();            \
    void (*pack)(const PackPanel<T>&) = TILEGRAD_SIMD(pack_panel_##suffix);     \
    void (*packed)(const PackedGemm<T>&) = TILEGRAD_SIMD(gemm_packed_##suffix); \
    void (*small)(const Gemm<T>&) = TILEGRAD_SIMD(gemm_small_##suffix);         \
    void (*stream)(const Gemm<T>&) = TILEGRAD_SIMD(gemm_rows_stream_##suffix);  \
    void (*dot)(const Gemm<T>&) = TILEGRAD_SIMD(gemm_rows_dot_##suffix);        \
  };
TILEGRAD_GEMM_KERNELS(float, f32)
TILEGRAD_GEMM_KERNELS(double, f64)
#undef TILEGRAD_GEMM_KERNELS

}  // namespace tilegrad
