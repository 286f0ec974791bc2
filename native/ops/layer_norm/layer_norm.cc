// layer_norm: x normalized over its last `dims` dimensions, by mean and variance or, with `center` off, by the mean square
// alone (rms_norm). Outputs: y, and for each row the mean and 1 / sqrt(variance + eps), f32 at least. layer_norm_grad
// gives the gradient of x and, with `affine`, those of weight and bias.
// CPU: a chunk holds about 32768 elements; there are at most 64 chunks where weights have gradients, because each has sums
// of its own for them, which are added up in order.
#include "ops/layer_norm/layer_norm.h"

#include <algorithm>

#include "core/ceil_div.h"
#include "core/cpu/scratch.h"
#include "core/normalization.h"
#include "core/sweep.h"

namespace tilegrad {

namespace {

constexpr int64_t kChunk = 32768;
constexpr int64_t kMostSums = int64_t{1} << 22;  // values of all chunks' sums together

// The first or the last dimensions of x, on the side of the normalized ones.
Shape part_of(const InferContext& ctx, int x, bool normalized) {
  const Shape& shape = ctx.shape(x);
  const int64_t dims = ctx.attrs.integer("dims");
  if (dims < 1 || dims > shape.rank)
    ctx.fail(ErrorCode::shape, "cannot normalize over ", dims, " dimensions of ", shape);
  Shape out;
  for (int d = 0; d < shape.rank; ++d)
    if ((d >= shape.rank - dims) == normalized) out.push(shape[d]);
  return out;
}

void check_affine(InferContext& ctx, int x, int i, const char* what) {
  if (!ctx.has(i)) return;
  ctx.expect_same_dtype(x, i, "x", what);
  const Shape expected = part_of(ctx, x, true);
  if (ctx.shape(i) != expected)
    ctx.fail(ErrorCode::shape, what, " must have shape ", expected, " but has ", ctx.shape(i),
             " (x ", ctx.shape(x), ")");
}

void layer_norm_infer(InferContext& ctx) {
  ctx.expect_float(kLnX, "x");
  const Shape rows = part_of(ctx, kLnX, false);
  check_affine(ctx, kLnX, kLnWeight, "weight");
  check_affine(ctx, kLnX, kLnBias, "bias");
  expect_eps(ctx);
  normalization_outputs(ctx, kLnX, rows);
}

void layer_norm_grad_infer(InferContext& ctx) {
  ctx.expect_float(kLnGradX, "x");
  expect_gradient_of(ctx, kLnGradX, kLnDout);
  const Shape rows = part_of(ctx, kLnGradX, false);
  for (int i : {kLnMean, kLnRstd}) expect_statistic(ctx, kLnGradX, i, rows);
  check_affine(ctx, kLnGradX, kLnGradWeight, "weight");
  ctx.output(ctx.shape(kLnGradX), ctx.dtype(kLnGradX));
  if (!ctx.attrs.boolean("affine")) return;
  ctx.output(part_of(ctx, kLnGradX, true), ctx.dtype(kLnGradX));
  ctx.output(part_of(ctx, kLnGradX, true), ctx.dtype(kLnGradX));
}

template <class T>
void forward(KernelArgs& args) {
  using C = compute_t<T>;
  const NormRows all = norm_rows(args, args.inputs[kLnX]);
  const auto kernels = TILEGRAD_SIMD(layer_norm_kernels)(args.inputs[kLnX].dtype);
  const T *x = args.inputs[kLnX].as<T>(), *weight = optional_input<T>(args, kLnWeight),
          *bias = optional_input<T>(args, kLnBias);
  T* y = args.outputs[0].as<T>();
  C *mean = args.outputs[1].as<C>(), *rstd = args.outputs[2].as<C>();
  const double eps = args.attrs.number("eps");
  const auto bytes = static_cast<int64_t>(2 * sizeof(T)) * all.rows * all.n;
  sweep_for(all.rows, grain_for(all.n, kChunk), bytes, [&](int64_t begin, int64_t end) {
    const NormRows rows{end - begin, all.n, all.center, weight, bias};
    kernels.forward(x + begin * all.n, y + begin * all.n, rows, eps, mean + begin, rstd + begin);
  });
}

template <class T>
void backward(KernelArgs& args) {
  using C = compute_t<T>;
  const NormRows all = norm_rows(args, args.inputs[kLnGradX]);
  const auto kernels = TILEGRAD_SIMD(layer_norm_kernels)(args.inputs[kLnGradX].dtype);
  const T *dout = args.inputs[kLnDout].as<T>(), *x = args.inputs[kLnGradX].as<T>(),
          *weight = optional_input<T>(args, kLnGradWeight);
  const C *mean = args.inputs[kLnMean].as<C>(), *rstd = args.inputs[kLnRstd].as<C>();
  T* dx = args.outputs[0].as<T>();
  const bool affine = args.output_count > 1;
  int64_t grain = grain_for(all.n, kChunk);
  if (affine) {
    const int64_t chunks = std::clamp<int64_t>(kMostSums / std::max<int64_t>(all.n, 1), 1, 64);
    grain = std::max(grain, ceil_div(all.rows, chunks));
  }
  const int64_t chunks = ceil_div(all.rows, grain), n = all.n;
  double* sums = nullptr;
  if (affine) {
    const size_t count = static_cast<size_t>(std::max<int64_t>(chunks, 1) * 2 * n);
    sums = static_cast<double*>(scratch(ScratchSlot::region, count * sizeof(double)));
    std::fill_n(sums, count, 0.0);
  }
  const auto bytes = static_cast<int64_t>(3 * sizeof(T)) * all.rows * n;
  sweep_for(all.rows, grain, bytes, [&](int64_t begin, int64_t end) {
    const NormRows rows{end - begin, n, all.center, weight, nullptr};
    double* dweight = affine ? sums + begin / grain * 2 * n : nullptr;
    void* run =
        affine ? scratch(ScratchSlot::chunk, static_cast<size_t>(2 * n) * sizeof(C)) : nullptr;
    kernels.backward(dout + begin * n, x + begin * n, dx + begin * n, rows, mean + begin,
                     rstd + begin, run, dweight, affine ? dweight + n : nullptr);
  });
  for (int64_t i = 0; affine && i < 2 * n; ++i) {
    double total = 0;
    for (int64_t c = 0; c < chunks; ++c) total += sums[c * 2 * n + i];
    args.outputs[i < n ? 1 : 2].as<T>()[i < n ? i : i - n] = static_cast<T>(static_cast<C>(total));
  }
}

void layer_norm_cpu(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[kLnX].dtype, T, forward<T>(args))
}
void layer_norm_grad_cpu(KernelArgs& args) {
  TG_DISPATCH_FLOAT(args.inputs[kLnGradX].dtype, T, backward<T>(args))
}

}  // namespace

NormRows norm_rows(const KernelArgs& args, const View& x) {
  NormRows rows{1, 1, args.attrs.boolean("center"), nullptr, nullptr};
  const int64_t first = x.layout.rank() - args.attrs.integer("dims");
  for (int d = 0; d < x.layout.rank(); ++d) (d < first ? rows.rows : rows.n) *= x.shape()[d];
  return rows;
}

extern const OpDef layer_norm_op;
const OpDef layer_norm_op = {.name = "layer_norm",
                             .inputs = {1, 3},
                             .attrs = {{"dims", AttrType::integer},
                                       {"eps", AttrType::number},
                                       {"center", AttrType::boolean}},
                             .infer = layer_norm_infer,
                             .cpu = layer_norm_cpu,
                             .cuda = TILEGRAD_CUDA_KERNEL(layer_norm_cuda)};

extern const OpDef layer_norm_grad_op;
const OpDef layer_norm_grad_op = {.name = "layer_norm_grad",
                                  .inputs = {4, 5},
                                  .attrs = {{"dims", AttrType::integer},
                                            {"center", AttrType::boolean},
                                            {"affine", AttrType::boolean}},
                                  .infer = layer_norm_grad_infer,
                                  .cpu = layer_norm_grad_cpu,
                                  .cuda = TILEGRAD_CUDA_KERNEL(layer_norm_grad_cuda)};

}  // namespace tilegrad
