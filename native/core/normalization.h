// What the rooms that normalize share: x less its mean over the square root of its variance and eps, times a weight plus a
// bias. The mean and 1 / sqrt(variance + eps), the statistics, are kept in f32 at least.
#pragma once

#include "core/op.h"

namespace tilegrad {

inline DType statistics_dtype(DType x) { return x == DType::f64 ? DType::f64 : DType::f32; }

inline void expect_eps(const InferContext& ctx) {
  if (!(ctx.attrs.number("eps") >= 0))
    ctx.fail(ErrorCode::argument, "eps must not be negative but is ", ctx.attrs.number("eps"));
}

// The gradient of the result is as x.
inline void expect_gradient_of(const InferContext& ctx, int x, int dout) {
  ctx.expect_same_dtype(dout, x, "the gradient", "x");
  if (ctx.shape(dout) != ctx.shape(x))
    ctx.fail(ErrorCode::shape, "the gradient has shape ", ctx.shape(dout), " but x ", ctx.shape(x));
}

// Input `i` is a statistic of x, of which there are `rows`.
inline void expect_statistic(const InferContext& ctx, int x, int i, const Shape& rows) {
  ctx.expect_dtype(i, "a statistic", statistics_dtype(ctx.dtype(x)));
  if (ctx.shape(i) != rows)
    ctx.fail(ErrorCode::shape, "a statistic must have shape ", rows, " but has ", ctx.shape(i));
}

// The result for x and its two statistics.
inline void normalization_outputs(InferContext& ctx, int x, const Shape& rows) {
  ctx.output(ctx.shape(x), ctx.dtype(x));
  for (int i = 0; i < 2; ++i) ctx.output(rows, statistics_dtype(ctx.dtype(x)));
}

// Null where the caller left it out.
template <class T>
const T* optional_input(const KernelArgs& args, int i) {
  return args.has(i) ? args.inputs[i].as<T>() : nullptr;
}

}  // namespace tilegrad
