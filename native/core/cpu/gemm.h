// Matrix product on the CPU: C (m, n) = A (m, k) B (k, n), with the epilogue that its callers fuse.
#pragma once

#include <cstdint>

#include "core/activation.h"

namespace tilegrad {

struct bf16;
struct f16;

enum class BiasAxis : uint8_t { none, row, col };  // one value per row of C, or per column

// Strides in elements, any order and 0 allowed, so that transposed and broadcast views need no copy.
// C is row-major with c_row >= n and overlaps neither A nor B. A and B may be stored as another type than the
// T that is computed with.
template <class T, class A = T, class B = A>
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  const A* a = nullptr;  // (m, k)
  int64_t a_row = 0, a_col = 0;
  const B* b = nullptr;  // (k, n)
  int64_t b_row = 0, b_col = 0;
  T* c = nullptr;  // (m, n)
  int64_t c_row = 0;
  bool accumulate = false;  // adds to what C holds, before bias and residual
  BiasAxis bias_axis = BiasAxis::none;
  const T* bias = nullptr;
  const T* residual = nullptr;               // (m, n) with the strides of C
  Activation activation = Activation::none;  // of the sum of all these; keeps NaN
  const T* packed_b =
      nullptr;  // what pack_b made of b, taken in its place; where packed_b_elements says so
};

// k = 0 gives zeros (and the epilogue). The bits do not depend on the number of threads.
void gemm(const Gemm<float>& g);
void gemm(const Gemm<double>& g);
void gemm(const Gemm<float, bf16>& g);
void gemm(const Gemm<float, f16>& g);

// B packed once for many products with the same B and k: how many elements it takes, 0 where the product
// would not use them. The result has the same bits as without.
int64_t packed_b_elements(const Gemm<float>& g);
void pack_b(const Gemm<float>& g, float* out);

// Up to 8 batch dimensions, outermost first, over `first`. Strides of A and B may be 0 (broadcast),
// those of C may not.
struct GemmBatch {
  int rank = 0;
  int64_t size[8] = {};
  int64_t a_stride[8] = {}, b_stride[8] = {}, c_stride[8] = {};
};
void gemm_batched(const Gemm<float>& first, const GemmBatch& batch);
void gemm_batched(const Gemm<double>& first, const GemmBatch& batch);
void gemm_batched(const Gemm<float, bf16>& first, const GemmBatch& batch);
void gemm_batched(const Gemm<float, f16>& first, const GemmBatch& batch);

}  // namespace tilegrad
