// matmul: C (..., M, N) = A (..., M, K) B (..., K, N). Batch dimensions broadcast by strides; transposed views are read
// where they lie. f32 and f64.
#include "core/cpu/gemm.h"
#include "core/op.h"

namespace tilegrad {

namespace {

Shape batch_of(const Shape& shape) {
  Shape out = shape;
  out.rank -= 2;
  return out;
}

void matmul_infer(InferContext& ctx) {
  ctx.expect_same_dtype(0, 1, "the first input", "the second");
  if (ctx.dtype(0) != DType::f32 && ctx.dtype(0) != DType::f64)
    ctx.fail(ErrorCode::dtype, "is defined for f32 and f64, not for ", ctx.dtype(0));
  const Shape &a = ctx.shape(0), &b = ctx.shape(1);
  if (a.rank < 2 || b.rank < 2)
    ctx.fail(ErrorCode::shape, "both inputs need at least 2 dimensions (", a, " and ", b, ")");
  if (a[a.rank - 1] != b[b.rank - 2])
    ctx.fail(ErrorCode::shape, "inner dimensions differ: ", a, " has ", a[a.rank - 1],
             " columns but ", b, " has ", b[b.rank - 2], " rows");
  Shape out = broadcast_shapes("matmul", batch_of(a), batch_of(b));
  if (out.rank + 2 > kMaxRank) ctx.fail(ErrorCode::shape, "more than ", kMaxRank, " dimensions");
  out.push(a[a.rank - 2]);
  out.push(b[b.rank - 1]);
  ctx.output(out, ctx.dtype(0));
}

template <class T>
void run(const View& a, const View& b, const View& out) {
  int rank = out.layout.rank(), batch_rank = rank - 2;
  Shape shape_a = out.shape(), shape_b = out.shape();
  shape_a[rank - 1] = shape_b[rank - 2] = a.shape()[a.layout.rank() - 1];
  Layout la = broadcast_to(a.layout, shape_a), lb = broadcast_to(b.layout, shape_b);
  Gemm<T> g;
  g.m = shape_a[rank - 2];
  g.n = shape_b[rank - 1];
  g.k = shape_a[rank - 1];
  g.a = a.as<T>();
  g.a_row = la.strides[rank - 2];
  g.a_col = la.strides[rank - 1];
  g.b = b.as<T>();
  g.b_row = lb.strides[rank - 2];
  g.b_col = lb.strides[rank - 1];
  g.c = out.as<T>();
  g.c_row = g.n;
  if (batch_rank == 0) return gemm(g);
  GemmBatch batch;
  batch.rank = batch_rank;
  for (int i = 0; i < batch_rank; ++i) {
    batch.size[i] = out.shape()[i];
    batch.a_stride[i] = la.strides[i];
    batch.b_stride[i] = lb.strides[i];
    batch.c_stride[i] = out.layout.strides[i];
  }
  gemm_batched(g, batch);
}

void matmul_cpu(KernelArgs& args) {
  if (args.outputs[0].dtype == DType::f32)
    run<float>(args.inputs[0], args.inputs[1], args.outputs[0]);
  else
    run<double>(args.inputs[0], args.inputs[1], args.outputs[0]);
}

}  // namespace

extern const OpDef matmul_op;
const OpDef matmul_op = {
    .name = "matmul", .inputs = {2, 2}, .infer = matmul_infer, .cpu = matmul_cpu, .strided = true};

}  // namespace tilegrad
