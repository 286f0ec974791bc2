// OpDefs of index_select and index_add, each the other's gradient.
#include "ops/index_select/index_select.h"

#include "core/cpu/indexed.h"

namespace tilegrad {

IndexedRows indexed_rows(const Attrs& attrs, const Shape& shape) {
  int64_t dim = attrs.integer("dim");
  if (dim < 0) dim += shape.rank;
  IndexedRows r;
  for (int d = 0; d < shape.rank; ++d) {
    if (d < dim)
      r.outer *= shape[d];
    else if (d == dim)
      r.rows = shape[d];
    else
      r.inner *= shape[d];
  }
  return r;
}

namespace {

// The position of the index among the inputs; returns the resolved dimension.
int expect_index(InferContext& ctx, int i, const Shape& shape) {
  if (shape.rank == 0) ctx.fail(ErrorCode::shape, "a scalar has no dimension to take rows of");
  if (!is_index(ctx.dtype(i)))
    ctx.fail(ErrorCode::dtype, "index must be i64 or i32 but is ", ctx.dtype(i));
  ctx.expect_rank(i, "index", 1);
  return ctx.dim(ctx.attrs.integer("dim"), shape.rank);
}

void index_select_infer(InferContext& ctx) {
  Shape out = ctx.shape(0);
  const int dim = expect_index(ctx, 1, out);
  out[dim] = ctx.shape(1)[0];
  ctx.output(out, ctx.dtype(0));
}

// Inputs: index, source and, if it is not zeros of the attribute shape, what is added to.
void index_add_infer(InferContext& ctx) {
  const Shape shape = ctx.has(2) ? ctx.shape(2) : ctx.attrs.integers("shape");
  check_shape(ctx.op.name, shape);
  if (ctx.dtype(1) == DType::boolean) ctx.fail(ErrorCode::dtype, "is not defined for bool");
  if (ctx.has(2)) ctx.expect_same_dtype(2, 1, "input", "source");
  Shape expected = shape;
  const int dim = expect_index(ctx, 0, shape);
  expected[dim] = ctx.shape(0)[0];
  if (ctx.shape(1) != expected)
    ctx.fail(ErrorCode::shape, "source must have shape ", expected, " but has ", ctx.shape(1),
             " (input ", shape, ", index ", ctx.shape(0), ")");
  ctx.output(shape, ctx.dtype(1));
  if (is_16_bit_float(ctx.dtype(1))) request_workspace(ctx, shape.numel());
}

}  // namespace

extern const OpDef index_select_op;
const OpDef index_select_op = {.name = "index_select",
                               .inputs = {2, 2},
                               .attrs = {{"dim", AttrType::integer}, {"skip", AttrType::integer}},
                               .infer = index_select_infer,
                               .cpu = index_select_cpu,
                               .cuda = TILEGRAD_CUDA_KERNEL(index_select_cuda)};
extern const OpDef index_add_op;
const OpDef index_add_op = {.name = "index_add",
                            .inputs = {2, 3},
                            .attrs = {{"dim", AttrType::integer},
                                      {"skip", AttrType::integer},
                                      {"shape", AttrType::integers}},
                            .infer = index_add_infer,
                            .cpu = index_add_cpu,
                            .cuda = TILEGRAD_CUDA_KERNEL(index_add_cuda)};

}  // namespace tilegrad
