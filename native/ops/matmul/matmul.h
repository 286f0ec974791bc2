// matmul: out (..., m, n) = a (..., m, k) b (..., k, n), plus bias (n) and residual (..., m, n) where given, and an
// activation of the sum. The kernels take any strides: transposed views are read where they lie, broadcast dimensions
// have stride 0.
#pragma once

#include "core/batch.h"
#include "core/cpu/gemm.h"
#include "core/op.h"

namespace tilegrad {

extern const OpDef matmul_op;

void matmul_cpu(KernelArgs& args);
void matmul_cuda(KernelArgs& args);

// The same with the activation, for inputs a, b, bias or absent, residual or absent.
void product_cpu(KernelArgs& args, Activation activation);
void product_cuda(KernelArgs& args, Activation activation);

// What follows a product. Both are contiguous, the residual has the output's shape.
struct MatmulEpilogue {
  View bias, residual;  // or without data
  Activation activation = Activation::none;
};

// The product as the kernels of the core take it. a and b hold S, the epilogue and out T.
template <class T, class S = T>
Gemm<T, S> matmul_product(const View& a, const View& b, const MatmulEpilogue& epilogue,
                          const View& out, GemmBatch* batch) {
  const Shape& shape = out.shape();
  const int a_rank = a.layout.rank(), b_rank = b.layout.rank(), rank = shape.rank;
  Gemm<T, S> g = {};
  g.m = shape[rank - 2], g.n = shape[rank - 1], g.k = a.shape()[a_rank - 1];
  g.a = a.as<S>();
  g.a_row = a.layout.strides[a_rank - 2], g.a_col = a.layout.strides[a_rank - 1];
  g.b = b.as<S>();
  g.b_row = b.layout.strides[b_rank - 2], g.b_col = b.layout.strides[b_rank - 1];
  g.c = out.as<T>();
  g.c_row = g.n;
  if (epilogue.bias) g.bias = epilogue.bias.as<T>(), g.bias_axis = BiasAxis::col;
  if (epilogue.residual) g.residual = epilogue.residual.as<T>();
  g.activation = epilogue.activation;
  batch->rank = rank - 2;
  for (int d = 0; d < batch->rank; ++d) batch->size[d] = shape[d];
  batch_strides(a.layout, shape, batch->a_stride);
  batch_strides(b.layout, shape, batch->b_stride);
  batch_strides(out.layout, shape, batch->c_stride);
  return g;
}

}  // namespace tilegrad
