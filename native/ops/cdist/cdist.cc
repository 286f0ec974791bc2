// cdist: the distances of all rows of a (batch, p, m) from all rows of b (batch, r, m), as (batch, p, r): the sum of the
// sizes of their differences, the root of the sum of their squares, or the largest. cdist_input_grad gives the gradient of a.
// CPU: chunks of tiles of kTileRows rows of a by as many of b as the instruction set's tile has. The differences are never
// written; bytes moved: each tile reads its rows, the result is written once.
#include "ops/cdist/cdist.h"

#include <algorithm>

#include "core/ceil_div.h"
#include "core/cpu/scratch.h"
#include "core/parallel.h"

namespace tilegrad {

namespace {

constexpr int64_t kTileRows = 192;
constexpr int64_t kChunk = 262144;  // differences

void cdist_infer(InferContext& ctx) {
  ctx.expect_float(0, "a");
  ctx.expect_same_dtype(0, 1, "a", "b");
  ctx.expect_rank(0, "a", 3);
  ctx.expect_rank(1, "b", 3);
  const Shape &a = ctx.shape(0), &b = ctx.shape(1);
  if (a[0] != b[0] || a[2] != b[2])
    ctx.fail(ErrorCode::shape, "a ", a, " and b ", b, " must agree but for the number of rows");
  ctx.output(Shape{a[0], a[1], b[1]}, ctx.dtype(0));
}

void cdist_cpu(KernelArgs& args) {
  const CdistShape s(args);
  const auto kernels = TILEGRAD_SIMD(cdist_kernels)(args.inputs[0].dtype);
  const CdistNorm norm = cdist_norm(args.attrs);
  const int64_t tall = ceil_div(s.p, kTileRows);
  const int64_t wide = ceil_div(s.r, kernels.columns);
  const int64_t work = std::min(s.p, kTileRows) * kernels.columns * std::max<int64_t>(s.m, 1);
  TG_DISPATCH_FLOAT(args.inputs[0].dtype, T, {
    const T *a = args.inputs[0].as<T>(), *b = args.inputs[1].as<T>();
    T* out = args.outputs[0].as<T>();
    parallel_for(s.batch * tall * wide, grain_for(work, kChunk), [&](int64_t begin, int64_t end) {
      const int64_t rows = std::min(kTileRows, s.p),
                    sums = s.m > kCdistPlaces ? rows * kernels.columns : 0;
      const int64_t values = (kernels.columns + rows) * std::min(s.m, kCdistPlaces) + sums;
      void* room = scratch(ScratchSlot::chunk, static_cast<size_t>(values) * sizeof(compute_t<T>));
      for (int64_t i = begin; i < end; ++i) {
        const int64_t n = i / (tall * wide);
        const int64_t row = i / wide % tall * kTileRows, column = i % wide * kernels.columns;
        kernels.tile({a + (n * s.p + row) * s.m, b + (n * s.r + column) * s.m,
                      out + (n * s.p + row) * s.r + column, std::min(kTileRows, s.p - row),
                      std::min(kernels.columns, s.r - column), s.m, s.r, norm},
                     room);
      }
    });
  })
}

void cdist_input_grad_infer(InferContext& ctx) {
  ctx.expect_float(0, "the gradient");
  const bool distances = cdist_norm(ctx.attrs) != CdistNorm::sum;
  for (int i = 0; i < (distances ? 4 : 3); ++i) {
    const char* names[] = {"the gradient", "a", "b", "the distances"};
    ctx.expect_same_dtype(0, i, "the gradient", names[i]);
    ctx.expect_rank(i, names[i], 3);
  }
  const Shape &a = ctx.shape(1), &b = ctx.shape(2);
  if (a[0] != b[0] || a[2] != b[2] || ctx.shape(0) != Shape{a[0], a[1], b[1]})
    ctx.fail(ErrorCode::shape, "the gradient ", ctx.shape(0), " is not that of a ", a, " and b ",
             b);
  if (distances && ctx.shape(3) != ctx.shape(0))
    ctx.fail(ErrorCode::shape, "the gradient ", ctx.shape(0), " is not that of distances ",
             ctx.shape(3));
  ctx.output(a, ctx.dtype(0));
}

void cdist_input_grad_cpu(KernelArgs& args) {
  const View &a = args.inputs[1], &b = args.inputs[2];
  const int64_t batch = a.shape()[0], p = a.shape()[1], r = b.shape()[1], m = a.shape()[2];
  const auto kernels = TILEGRAD_SIMD(cdist_kernels)(a.dtype);
  TG_DISPATCH_FLOAT(a.dtype, T, {
    const T *dout = args.inputs[0].as<T>(), *left = a.as<T>(), *right = b.as<T>();
    const T* y = args.has(3) ? args.inputs[3].as<T>() : nullptr;
    T* out = args.outputs[0].as<T>();
    parallel_for(batch * p, grain_for(r * m, kChunk), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end;) {
        const int64_t n = row / p, rows = std::min(end, (n + 1) * p) - row;
        kernels.slopes({dout + row * r, left + row * m, right + n * r * m,
                        y ? y + row * r : nullptr, out + row * m, rows, r, m,
                        cdist_norm(args.attrs)});
        row += rows;
      }
    });
  })
}

}  // namespace

extern const OpDef cdist_input_grad_op;
const OpDef cdist_input_grad_op = {.name = "cdist_input_grad",
                                   .inputs = {3, 4},
                                   .attrs = {{"norm", AttrType::choice, "sum|euclid|most"}},
                                   .infer = cdist_input_grad_infer,
                                   .cpu = cdist_input_grad_cpu,
                                   .cuda = TILEGRAD_CUDA_KERNEL(cdist_input_grad_cuda)};

extern const OpDef cdist_op;
const OpDef cdist_op = {.name = "cdist",
                        .inputs = {2, 2},
                        .attrs = {{"norm", AttrType::choice, "sum|euclid|most"}},
                        .infer = cdist_infer,
                        .cpu = cdist_cpu,
                        .cuda = TILEGRAD_CUDA_KERNEL(cdist_cuda)};

}  // namespace tilegrad
