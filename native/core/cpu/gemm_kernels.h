// The SIMD functions of a matrix product by element type. Baseline code only.
#pragma once

#include "core/cpu/gemm_simd.h"

namespace tilegrad {

// T is computed with, S is how A and B are stored.
template <class T, class S = T>
struct GemmKernels;

#define TILEGRAD_GEMM_KERNELS(T, S, suffix, stored)                                  \
  template <>                                                                        \
  struct GemmKernels<T, S> {                                                         \
    GemmGeometry geometry = TILEGRAD_SIMD(gemm_geometry_##suffix)();                 \
    void (*pack)(const PackPanel<T, S>&) = TILEGRAD_SIMD(pack_panel_##stored);       \
    void (*panels)(const GemmPanels<T>&) = TILEGRAD_SIMD(gemm_panels_##suffix);      \
    void (*small)(const Gemm<T>&) = TILEGRAD_SIMD(gemm_small_##suffix);              \
    void (*stream)(const Gemm<T, T, S>&) = TILEGRAD_SIMD(gemm_rows_stream_##stored); \
    void (*dot)(const Gemm<T, T, S>&) = TILEGRAD_SIMD(gemm_rows_dot_##stored);       \
  };
TILEGRAD_GEMM_KERNELS(float, float, f32, f32)
TILEGRAD_GEMM_KERNELS(float, bf16, f32, bf16)
TILEGRAD_GEMM_KERNELS(float, f16, f32, f16)
TILEGRAD_GEMM_KERNELS(double, double, f64, f64)
#undef TILEGRAD_GEMM_KERNELS

}  // namespace tilegrad
