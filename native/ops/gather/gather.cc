// OpDefs of gather, scatter and scatter_add.
#include "ops/gather/gather.h"

#include "core/cpu/indexed.h"

namespace tilegrad {

GatherPlan gather_plan(const Attrs& attrs, const Shape& x, const Shape& index) {
  GatherPlan p;
  // A scalar counts as a vector of one.
  p.rank = x.rank > 0 ? x.rank : 1;
  const int64_t dim = attrs.integer("dim");
  p.dim = static_cast<int>(dim < 0 ? dim + p.rank : dim);
  int64_t stride = 1;
  for (int d = p.rank - 1; d >= 0; --d) {
    p.index_shape[d] = index.rank > 0 ? index[d] : 1;
    p.strides[d] = stride;
    stride *= x.rank > 0 ? x[d] : 1;
  }
  p.size = x.rank > 0 ? x[p.dim] : 1;
  p.n = p.index_shape[p.rank - 1];
  p.rows = p.n > 0 ? index.numel() / p.n : 0;
  p.along = p.strides[p.dim];
  p.step = p.dim == p.rank - 1 ? 0 : 1;
  return p;
}

namespace {

// Index and the tensor that it indexes must have one rank, and the index fit in all dimensions but the indexed one.
void expect_index(InferContext& ctx, int i, const Shape& x) {
  if (!is_index(ctx.dtype(i)))
    ctx.fail(ErrorCode::dtype, "index must be i64 or i32 but is ", ctx.dtype(i));
  const Shape& index = ctx.shape(i);
  const int dim = ctx.dim(ctx.attrs.integer("dim"), x.rank);
  if ((index.rank > 0 ? index.rank : 1) != (x.rank > 0 ? x.rank : 1))
    ctx.fail(ErrorCode::shape, "index ", index, " and input ", x,
             " must have the same number of dimensions");
  for (int d = 0; d < index.rank && d < x.rank; ++d) {
    if (d != dim && index[d] > x[d])
      ctx.fail(ErrorCode::shape, "index ", index, " is larger than input ", x, " in dimension ", d);
  }
}

void gather_infer(InferContext& ctx) {
  expect_index(ctx, 1, ctx.shape(0));
  ctx.output(ctx.shape(1), ctx.dtype(0));
}

void expect_source(InferContext& ctx, int index, int source, int base) {
  if (base >= 0) ctx.expect_same_dtype(base, source, "input", "source");
  const Shape &i = ctx.shape(index), &s = ctx.shape(source);
  bool fits = i.rank == s.rank;
  for (int d = 0; fits && d < i.rank; ++d) fits = i[d] <= s[d];
  if (!fits) ctx.fail(ErrorCode::shape, "source ", s, " has no element for each of index ", i);
  if (i != s) ctx.fail(ErrorCode::shape, "source must have the shape of index ", i, " but has ", s);
}

// Inputs: input, index and, if it is not the attribute value, the source.
void scatter_infer(InferContext& ctx) {
  expect_index(ctx, 1, ctx.shape(0));
  if (ctx.has(2)) {
    expect_source(ctx, 1, 2, 0);
  } else if (!holds(ctx.dtype(0), ctx.attrs.number("value"))) {
    ctx.fail(ErrorCode::argument, "value ", ctx.attrs.number("value"), " does not fit into ",
             ctx.dtype(0));
  }
  ctx.output(ctx.shape(0), ctx.dtype(0));
}

// Inputs: index, source and, if it is not zeros of the attribute shape, what is added to.
void scatter_add_infer(InferContext& ctx) {
  const Shape shape = ctx.has(2) ? ctx.shape(2) : ctx.attrs.integers("shape");
  check_shape(ctx.op.name, shape);
  if (ctx.dtype(1) == DType::boolean) ctx.fail(ErrorCode::dtype, "is not defined for bool");
  expect_index(ctx, 0, shape);
  expect_source(ctx, 0, 1, ctx.has(2) ? 2 : -1);
  ctx.output(shape, ctx.dtype(1));
  if (is_16_bit_float(ctx.dtype(1))) request_workspace(ctx, shape.numel());
}

}  // namespace

extern const OpDef gather_op;
const OpDef gather_op = {.name = "gather",
                         .inputs = {2, 2},
                         .attrs = {{"dim", AttrType::integer}},
                         .infer = gather_infer,
                         .cpu = gather_cpu,
                         .cuda = TILEGRAD_CUDA_KERNEL(gather_cuda)};
extern const OpDef scatter_op;
const OpDef scatter_op = {.name = "scatter",
                          .inputs = {2, 3},
                          .attrs = {{"dim", AttrType::integer}, {"value", AttrType::number}},
                          .infer = scatter_infer,
                          .cpu = scatter_cpu,
                          .cuda = TILEGRAD_CUDA_KERNEL(scatter_cuda)};
extern const OpDef scatter_add_op;
const OpDef scatter_add_op = {.name = "scatter_add",
                              .inputs = {2, 3},
                              .attrs = {{"dim", AttrType::integer}, {"shape", AttrType::integers}},
                              .infer = scatter_add_infer,
                              .cpu = scatter_add_cpu,
                              .cuda = TILEGRAD_CUDA_KERNEL(scatter_add_cuda)};

}  // namespace tilegrad
