// tril and triu: matrices (..., m, n) with zeros above or below a diagonal. A row keeps one run of its elements.
// Bytes moved: one read of what is kept and one write per element.
#include <algorithm>

#include "core/op.h"
#include "core/parallel.h"

namespace tilegrad {

void tril_cuda(KernelArgs& args);
void triu_cuda(KernelArgs& args);

namespace {

void triangle_infer(InferContext& ctx) {
  if (ctx.shape(0).rank < 2)
    ctx.fail(ErrorCode::shape, "input must have at least 2 dimensions but has shape ",
             ctx.shape(0));
  ctx.output(ctx.shape(0), ctx.dtype(0));
}

// Keeps columns up to row + diagonal (lower) or from there on.
template <bool lower>
void triangle_cpu(KernelArgs& args) {
  const View &x = args.inputs[0], &y = args.outputs[0];
  const int rank = x.layout.rank();
  const int64_t m = x.shape()[rank - 2], n = x.shape()[rank - 1];
  // Beyond the matrix's size a diagonal changes nothing, and sums with it stay small.
  const int64_t diagonal = std::clamp(args.attrs.integer("diagonal"), -m - 1, n + 1);
  TG_DISPATCH_SIZE(y.dtype, T, {
    const T* from = x.as<T>();
    T* to = y.as<T>();
    parallel_for(y.numel() / n, grain_for(n, 16384), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t split = std::clamp<int64_t>(row % m + diagonal + (lower ? 1 : 0), 0, n);
        const int64_t first = lower ? 0 : split, last = lower ? split : n;
        std::fill(to + row * n, to + row * n + first, T(0));
        std::copy(from + row * n + first, from + row * n + last, to + row * n + first);
        std::fill(to + row * n + last, to + (row + 1) * n, T(0));
      }
    });
  });
}

}  // namespace

extern const OpDef tril_op;
const OpDef tril_op = {.name = "tril",
                       .inputs = {1, 1},
                       .attrs = {{"diagonal", AttrType::integer}},
                       .infer = triangle_infer,
                       .cpu = triangle_cpu<true>,
                       .cuda = TILEGRAD_CUDA_KERNEL(tril_cuda)};
extern const OpDef triu_op;
const OpDef triu_op = {.name = "triu",
                       .inputs = {1, 1},
                       .attrs = {{"diagonal", AttrType::integer}},
                       .infer = triangle_infer,
                       .cpu = triangle_cpu<false>,
                       .cuda = TILEGRAD_CUDA_KERNEL(triu_cuda)};

}  // namespace tilegrad
