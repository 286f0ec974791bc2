// group_norm: x (N, C, ...) normalized for each sample over each of `groups` groups of channels, then times weight (C)
// plus bias (C). Outputs: y, and (N, groups) mean and 1 / sqrt(variance + eps), f32 at least. group_norm_grad gives the
// gradients of x, weight and bias.
// CPU: chunks of whole groups, about 32768 elements or one group; sums of channels are added up over the samples in
// order. Bytes moved: x once and y once, its gradient x and dout once and dx once, where a group fits into the cache.
#include "ops/group_norm/group_norm.h"

#include "core/cpu/scratch.h"
#include "core/normalization.h"
#include "core/sweep.h"
#include "core/view_bytes.h"

namespace tilegrad {

namespace {

Shape statistics_shape(InferContext& ctx, int x) {
  ctx.expect_float(x, "x");
  const Shape& shape = ctx.shape(x);
  const int64_t groups = ctx.attrs.integer("groups");
  if (shape.rank < 2 || groups < 1 || shape[1] % groups != 0)
    ctx.fail(ErrorCode::shape, groups, " groups do not divide the channels of ", shape);
  return Shape{shape[0], groups};
}

void check_affine(InferContext& ctx, int x, int i, const char* what) {
  if (!ctx.has(i)) return;
  ctx.expect_same_dtype(x, i, "x", what);
  if (ctx.shape(i) != Shape{ctx.shape(x)[1]})
    ctx.fail(ErrorCode::shape, what, " must have shape [", ctx.shape(x)[1], "] but has ",
             ctx.shape(i), " (x ", ctx.shape(x), ")");
}

void group_norm_infer(InferContext& ctx) {
  const Shape rows = statistics_shape(ctx, kGnX);
  check_affine(ctx, kGnX, kGnWeight, "weight");
  check_affine(ctx, kGnX, kGnBias, "bias");
  expect_eps(ctx);
  normalization_outputs(ctx, kGnX, rows);
}

void group_norm_grad_infer(InferContext& ctx) {
  const Shape rows = statistics_shape(ctx, kGnGradX);
  const Shape& x = ctx.shape(kGnGradX);
  expect_gradient_of(ctx, kGnGradX, kGnDout);
  for (int i : {kGnMean, kGnRstd}) expect_statistic(ctx, kGnGradX, i, rows);
  check_affine(ctx, kGnGradX, kGnGradWeight, "weight");
  ctx.output(x, ctx.dtype(kGnGradX));
  ctx.output(Shape{x[1]}, ctx.dtype(kGnGradX));
  ctx.output(Shape{x[1]}, ctx.dtype(kGnGradX));
}

const void* optional_bytes(const KernelArgs& args, int i) {
  return args.has(i) ? bytes_of(args.inputs[i]) : nullptr;
}

void group_norm_cpu(KernelArgs& args) {
  const View& x = args.inputs[kGnX];
  const ChannelGroups g = channel_groups(args, x);
  const auto kernels = TILEGRAD_SIMD(group_norm_kernels)(x.dtype);
  const double eps = args.attrs.number("eps");
  const auto bytes = 2 * x.numel() * static_cast<int64_t>(dtype_size(x.dtype));
  sweep_for(g.rows(), grain_for(g.size()), bytes, [&](int64_t first, int64_t last) {
    kernels.forward(bytes_of(x), bytes_of(args.outputs[0]), g, first, last,
                    optional_bytes(args, kGnWeight), optional_bytes(args, kGnBias), eps,
                    bytes_of(args.outputs[1]), bytes_of(args.outputs[2]));
  });
}

// out[c] = the sum over the samples of of[sample, c].
template <class T>
void sum_samples(const double* of, int64_t samples, int64_t channels, T* out) {
  for (int64_t c = 0; c < channels; ++c) {
    double total = 0;
    for (int64_t n = 0; n < samples; ++n) total += of[n * channels + c];
    out[c] = static_cast<T>(static_cast<compute_t<T>>(total));
  }
}

void group_norm_grad_cpu(KernelArgs& args) {
  const View& x = args.inputs[kGnGradX];
  const ChannelGroups g = channel_groups(args, x);
  const auto kernels = TILEGRAD_SIMD(group_norm_kernels)(x.dtype);
  const int64_t channels = g.groups * g.channels, count = g.samples * channels;
  auto* sums = static_cast<double*>(
      scratch(ScratchSlot::region, static_cast<size_t>(2 * count) * sizeof(double)));
  double* dots = sums + count;
  const auto bytes = 3 * x.numel() * static_cast<int64_t>(dtype_size(x.dtype));
  sweep_for(g.rows(), grain_for(g.size()), bytes, [&](int64_t first, int64_t last) {
    kernels.backward(bytes_of(args.inputs[kGnDout]), bytes_of(x), bytes_of(args.outputs[0]), g,
                     first, last, optional_bytes(args, kGnGradWeight),
                     bytes_of(args.inputs[kGnMean]), bytes_of(args.inputs[kGnRstd]), sums, dots);
  });
  TG_DISPATCH_FLOAT(x.dtype, T, {
    sum_samples(dots, g.samples, channels, args.outputs[1].as<T>());
    sum_samples(sums, g.samples, channels, args.outputs[2].as<T>());
  })
}

}  // namespace

ChannelGroups channel_groups(const KernelArgs& args, const View& x) {
  const int64_t groups = args.attrs.integer("groups");
  ChannelGroups g{x.shape()[0], groups, x.shape()[1] / groups, 1};
  for (int d = 2; d < x.layout.rank(); ++d) g.inner *= x.shape()[d];
  return g;
}

extern const OpDef group_norm_op;
const OpDef group_norm_op = {.name = "group_norm",
                             .inputs = {1, 3},
                             .attrs = {{"groups", AttrType::integer}, {"eps", AttrType::number}},
                             .infer = group_norm_infer,
                             .cpu = group_norm_cpu,
                             .cuda = TILEGRAD_CUDA_KERNEL(group_norm_cuda)};

extern const OpDef group_norm_grad_op;
const OpDef group_norm_grad_op = {.name = "group_norm_grad",
                                  .inputs = {4, 5},
                                  .attrs = {{"groups", AttrType::integer}},
                                  .infer = group_norm_grad_infer,
                                  .cpu = group_norm_grad_cpu,
                                  .cuda = TILEGRAD_CUDA_KERNEL(group_norm_grad_cuda)};

}  // namespace tilegrad
