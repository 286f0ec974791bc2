// arange and linspace: numbers at equal distances, computed in f64 from their position and rounded once.
// Bytes moved: one write per element.
#include "ops/arange/arange.h"

#include <cmath>

#include "core/op.h"
#include "core/parallel.h"

namespace tilegrad {

namespace {

void expect_fits(InferContext& ctx, const char* what, double value) {
  const DType dtype = ctx.attrs.dtype("dtype");
  if (is_float(dtype)) return;
  // Between whole bounds all values are in range once both are; fractions are cut off.
  if (!holds(dtype, std::trunc(value)))
    ctx.fail(ErrorCode::argument, what, " ", value, " does not fit into ", dtype);
}

int64_t count_of(InferContext& ctx) {
  const int64_t count = ctx.attrs.integer("count");
  if (count < 0)
    ctx.fail(ErrorCode::argument, "the number of elements must not be negative but is ", count);
  check_shape(ctx.op.name, {count});
  return count;
}

void arange_infer(InferContext& ctx) {
  const int64_t count = count_of(ctx);
  const double start = ctx.attrs.number("start"), step = ctx.attrs.number("step");
  expect_fits(ctx, "start", start);
  if (count > 0) expect_fits(ctx, "the last value", start + static_cast<double>(count - 1) * step);
  ctx.output({count}, ctx.attrs.dtype("dtype"));
}

void linspace_infer(InferContext& ctx) {
  expect_fits(ctx, "start", ctx.attrs.number("start"));
  expect_fits(ctx, "end", ctx.attrs.number("end"));
  ctx.output({count_of(ctx)}, ctx.attrs.dtype("dtype"));
}

void write(const View& out, const Progression& values) {
  TG_DISPATCH_ALL(out.dtype, T, {
    T* to = out.as<T>();
    parallel_for(out.numel(), 16384, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        to[i] = static_cast<T>(static_cast<compute_t<T>>(values.at(i)));
    });
  });
}

void arange_cpu(KernelArgs& args) { write(args.outputs[0], arange_values(args)); }
void linspace_cpu(KernelArgs& args) { write(args.outputs[0], linspace_values(args)); }

}  // namespace

Progression arange_values(const KernelArgs& args) {
  return {args.attrs.number("start"), args.attrs.number("step"), 0, args.outputs[0].numel(),
          args.outputs[0].numel()};
}

Progression linspace_values(const KernelArgs& args) {
  const int64_t count = args.outputs[0].numel();
  const double start = args.attrs.number("start"), end = args.attrs.number("end");
  const double step = count > 1 ? (end - start) / static_cast<double>(count - 1) : 0;
  return {start, step, end, count, count == 1 ? 1 : count / 2};
}

extern const OpDef arange_op;
const OpDef arange_op = {.name = "arange",
                         .inputs = {0, 0},
                         .attrs = {{"start", AttrType::number},
                                   {"step", AttrType::number},
                                   {"count", AttrType::integer},
                                   {"dtype", AttrType::dtype}},
                         .infer = arange_infer,
                         .cpu = arange_cpu,
                         .cuda = TILEGRAD_CUDA_KERNEL(arange_cuda)};
extern const OpDef linspace_op;
const OpDef linspace_op = {.name = "linspace",
                           .inputs = {0, 0},
                           .attrs = {{"start", AttrType::number},
                                     {"end", AttrType::number},
                                     {"count", AttrType::integer},
                                     {"dtype", AttrType::dtype}},
                           .infer = linspace_infer,
                           .cpu = linspace_cpu,
                           .cuda = TILEGRAD_CUDA_KERNEL(linspace_cuda)};

}  // namespace tilegrad
