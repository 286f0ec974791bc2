// Reductions over any dimensions: arguments, dtypes of the results, and the kernel of each op.
#include "ops/reduce/reduce.h"

namespace tilegrad {

#define REDUCTION_CUDA(op) void op##_cuda(KernelArgs& args);
REDUCTION_CUDA(sum)
REDUCTION_CUDA(mean)
REDUCTION_CUDA(prod)
REDUCTION_CUDA(any)
REDUCTION_CUDA(all)
REDUCTION_CUDA(amax)
REDUCTION_CUDA(amin)
REDUCTION_CUDA(argmax)
REDUCTION_CUDA(argmin)
REDUCTION_CUDA(max)
REDUCTION_CUDA(min)
REDUCTION_CUDA(var)
REDUCTION_CUDA(std)
REDUCTION_CUDA(logsumexp)
REDUCTION_CUDA(norm)

namespace {

// Checks `dims` and gives the shape of the result.
Shape reduced_shape(InferContext& ctx) {
  const Shape& shape = ctx.shape(0);
  const unsigned mask = checked_dim_mask(ctx, "dim");
  Shape out;
  for (int i = 0; i < shape.rank; ++i) {
    if (!(mask >> i & 1))
      out.push(shape[i]);
    else if (ctx.attrs.boolean("keepdim"))
      out.push(1);
  }
  return out;
}

// Sums and products of integers and bools are i64.
void sum_infer(InferContext& ctx) {
  ctx.output(reduced_shape(ctx), is_float(ctx.dtype(0)) ? ctx.dtype(0) : DType::i64);
}

void float_infer(InferContext& ctx) {
  if (!is_float(ctx.dtype(0)))
    ctx.fail(ErrorCode::dtype, "x must be a floating-point tensor but is ", ctx.dtype(0),
             "; cast it with .to('f32')");
  ctx.output(reduced_shape(ctx), ctx.dtype(0));
}

void bool_infer(InferContext& ctx) { ctx.output(reduced_shape(ctx), DType::boolean); }

// There is no largest element of none.
void check_not_empty(InferContext& ctx) {
  const Shape& shape = ctx.shape(0);
  const unsigned mask = dim_mask(ctx.attrs, shape.rank);
  for (int d = 0; d < shape.rank; ++d)
    if ((mask >> d & 1) && shape[d] == 0)
      ctx.fail(ErrorCode::shape, "dimension ", d, " to be reduced has size 0 (x ", shape, ")");
}

void extreme_infer(InferContext& ctx) {
  const Shape out = reduced_shape(ctx);
  check_not_empty(ctx);
  ctx.output(out, ctx.dtype(0));
}

void extreme_index_infer(InferContext& ctx) {
  const Shape out = reduced_shape(ctx);
  check_not_empty(ctx);
  ctx.output(out, DType::i64);
}

void extreme_with_index_infer(InferContext& ctx) {
  extreme_infer(ctx);
  ctx.output(ctx.outputs[0].layout.shape, DType::i64);
}

void run(KernelArgs& args, const ReduceKernel& kernel, const ReduceFinish& how = {}) {
  reduce_cpu(args, kernel, how, args.outputs[0].data, nullptr);
}

void sum_cpu(KernelArgs& args) {
  run(args, TILEGRAD_SIMD(sum_kernel)(args.inputs[0].dtype, SumOf::values));
}

void mean_cpu(KernelArgs& args) {
  ReduceFinish how;
  how.mean = true;
  run(args, TILEGRAD_SIMD(sum_kernel)(args.inputs[0].dtype, SumOf::values), how);
}

void norm_cpu(KernelArgs& args) {
  constexpr SumOf kinds[] = {SumOf::nonzeros, SumOf::magnitudes, SumOf::squares};
  run(args, TILEGRAD_SIMD(sum_kernel)(args.inputs[0].dtype, kinds[args.attrs.integer("p")]));
}

void norm_infer(InferContext& ctx) {
  const int64_t p = ctx.attrs.integer("p");
  if (p < 0 || p > 2) ctx.fail(ErrorCode::argument, "p must be 0, 1 or 2 but is ", p);
  float_infer(ctx);
}

void prod_cpu(KernelArgs& args) { run(args, TILEGRAD_SIMD(prod_kernel)(args.inputs[0].dtype)); }

template <bool kAll>
void any_cpu(KernelArgs& args) {
  run(args, TILEGRAD_SIMD(any_kernel)(args.inputs[0].dtype, kAll));
}

template <bool kSmallest>
void extreme_cpu(KernelArgs& args) {
  run(args, TILEGRAD_SIMD(extreme_kernel)(args.inputs[0].dtype, kSmallest));
}

template <bool kSmallest>
void extreme_index_cpu(KernelArgs& args) {
  reduce_cpu(args, TILEGRAD_SIMD(extreme_index_kernel)(args.inputs[0].dtype, kSmallest), {},
             nullptr, args.outputs[0].as<int64_t>());
}

template <bool kSmallest>
void extreme_with_index_cpu(KernelArgs& args) {
  reduce_cpu(args, TILEGRAD_SIMD(extreme_index_kernel)(args.inputs[0].dtype, kSmallest), {},
             args.outputs[0].data, args.outputs[1].as<int64_t>());
}

template <bool kRoot>
void moments_cpu(KernelArgs& args) {
  ReduceFinish how;
  how.correction = args.attrs.number("correction");
  how.root = kRoot;
  run(args, TILEGRAD_SIMD(moments_kernel)(args.inputs[0].dtype), how);
}

void logsumexp_cpu(KernelArgs& args) {
  run(args, TILEGRAD_SIMD(logsumexp_kernel)(args.inputs[0].dtype));
}

}  // namespace

#define REDUCTION(op, infer_fn, cpu_fn, ...)                                                   \
  extern const OpDef op##_op;                                                                  \
  const OpDef op##_op = {.name = #op,                                                          \
                         .inputs = {1, 1},                                                     \
                         .attrs = {{"dims", AttrType::integers},                               \
                                   {"keepdim", AttrType::boolean} __VA_OPT__(, ) __VA_ARGS__}, \
                         .infer = infer_fn,                                                    \
                         .cpu = cpu_fn,                                                        \
                         .cuda = TILEGRAD_CUDA_KERNEL(op##_cuda),                              \
                         .strided = true};

REDUCTION(sum, sum_infer, sum_cpu)
REDUCTION(mean, float_infer, mean_cpu)
REDUCTION(prod, sum_infer, prod_cpu)
REDUCTION(any, bool_infer, any_cpu<false>)
REDUCTION(all, bool_infer, any_cpu<true>)
REDUCTION(amax, extreme_infer, extreme_cpu<false>)
REDUCTION(amin, extreme_infer, extreme_cpu<true>)
REDUCTION(argmax, extreme_index_infer, extreme_index_cpu<false>)
REDUCTION(argmin, extreme_index_infer, extreme_index_cpu<true>)
REDUCTION(max, extreme_with_index_infer, extreme_with_index_cpu<false>)
REDUCTION(min, extreme_with_index_infer, extreme_with_index_cpu<true>)
REDUCTION(var, float_infer, moments_cpu<false>, {"correction", AttrType::number})
REDUCTION(std, float_infer, moments_cpu<true>, {"correction", AttrType::number})
REDUCTION(logsumexp, float_infer, logsumexp_cpu)
REDUCTION(norm, norm_infer, norm_cpu, {"p", AttrType::integer})

}  // namespace tilegrad
