// softmax and log_softmax over one dimension, and their gradients: arguments and the division into
// slices. Rows where the dimension is the last, else columns; a chunk holds about 16384 elements.
#include "ops/softmax/softmax.h"

#include <algorithm>

#include "core/ceil_div.h"
#include "core/cpu/scratch.h"
#include "core/op.h"
#include "core/sweep.h"
#include "ops/softmax/softmax_simd.h"

namespace tilegrad {

namespace {

constexpr int64_t kChunk = 16384;
constexpr int64_t kColumns = 256;  // columns of one task: their cache lines are used whole

void softmax_infer(InferContext& ctx) {
  ctx.expect_float(0, "x");
  ctx.dim(ctx.attrs.integer("dim"), ctx.shape(0).rank);
  ctx.output(ctx.shape(0), ctx.dtype(0));
}

void softmax_grad_infer(InferContext& ctx) {
  ctx.expect_float(0, "the gradient");
  ctx.expect_same_dtype(0, 1, "the gradient", "the output");
  if (ctx.shape(0) != ctx.shape(1))
    ctx.fail(ErrorCode::shape, "the gradient has shape ", ctx.shape(0), " but the output ",
             ctx.shape(1));
  ctx.dim(ctx.attrs.integer("dim"), ctx.shape(0).rank);
  ctx.output(ctx.shape(0), ctx.dtype(0));
}

// rows(first, count) for the last dimension, columns(first element, count) for the others.
template <class Rows, class Columns>
void for_slices(const SoftmaxSlices& s, Rows&& rows, Columns&& columns) {
  if (s.inner == 1)
    return sweep_for(s.outer, grain_for(s.n, kChunk), s.outer * s.n * 8,
                     [&](int64_t begin, int64_t end) { rows(begin, end - begin); });
  const int64_t blocks = ceil_div(s.inner, kColumns);
  parallel_for(s.outer * blocks, grain_for(s.n * std::min(s.inner, kColumns), kChunk),
               [&](int64_t begin, int64_t end) {
                 for (int64_t task = begin; task < end; ++task) {
                   const int64_t first = task % blocks * kColumns;
                   columns(task / blocks * s.n * s.inner + first,
                           std::min(kColumns, s.inner - first));
                 }
               });
}

template <class Pointer>
Pointer offset(Pointer data, int64_t elements, DType dtype) {
  using Byte =
      std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>, const char, char>;
  return static_cast<Byte*>(data) + elements * static_cast<int64_t>(dtype_size(dtype));
}

const void* data_of(const View& view) {
  return offset<const void*>(view.data, view.layout.offset, view.dtype);
}

template <bool kLog>
void softmax_cpu(KernelArgs& args) {
  const DType dtype = args.inputs[0].dtype;
  const SoftmaxSlices s(args);
  const SoftmaxKernels kernels = TILEGRAD_SIMD(softmax_kernels)(dtype, kLog);
  const void* x = data_of(args.inputs[0]);
  void* y = args.outputs[0].data;
  const bool widens = !kLog && dtype_size(dtype) == 2;
  for_slices(
      s,
      [&](int64_t row, int64_t count) {
        float* kept = nullptr;
        if (widens)
          kept = static_cast<float*>(
              scratch(ScratchSlot::chunk, static_cast<size_t>(s.n) * sizeof(float)));
        kernels.rows(offset(x, row * s.n, dtype), offset(y, row * s.n, dtype), count, s.n, kept);
      },
      [&](int64_t first, int64_t count) {
        kernels.columns(offset(x, first, dtype), offset(y, first, dtype), s.n, s.inner, count);
      });
}

template <bool kLog>
void softmax_input_grad_cpu(KernelArgs& args) {
  const DType dtype = args.inputs[0].dtype;
  const SoftmaxSlices s(args);
  const SoftmaxKernels kernels = TILEGRAD_SIMD(softmax_kernels)(dtype, kLog);
  const void *dout = data_of(args.inputs[0]), *y = data_of(args.inputs[1]);
  void* dx = args.outputs[0].data;
  for_slices(
      s,
      [&](int64_t row, int64_t count) {
        const int64_t at = row * s.n;
        kernels.grad_rows(offset(dout, at, dtype), offset(y, at, dtype), offset(dx, at, dtype),
                          count, s.n);
      },
      [&](int64_t first, int64_t count) {
        kernels.grad_columns(offset(dout, first, dtype), offset(y, first, dtype),
                             offset(dx, first, dtype), s.n, s.inner, count);
      });
}

}  // namespace

extern const OpDef softmax_op;
const OpDef softmax_op = {.name = "softmax",
                          .inputs = {1, 1},
                          .attrs = {{"dim", AttrType::integer}},
                          .infer = softmax_infer,
                          .cpu = softmax_cpu<false>,
                          .cuda = TILEGRAD_CUDA_KERNEL(softmax_cuda)};
extern const OpDef log_softmax_op;
const OpDef log_softmax_op = {.name = "log_softmax",
                              .inputs = {1, 1},
                              .attrs = {{"dim", AttrType::integer}},
                              .infer = softmax_infer,
                              .cpu = softmax_cpu<true>,
                              .cuda = TILEGRAD_CUDA_KERNEL(log_softmax_cuda)};
extern const OpDef softmax_input_grad_op;
const OpDef softmax_input_grad_op = {.name = "softmax_input_grad",
                                     .inputs = {2, 2},
                                     .attrs = {{"dim", AttrType::integer}},
                                     .infer = softmax_grad_infer,
                                     .cpu = softmax_input_grad_cpu<false>,
                                     .cuda = TILEGRAD_CUDA_KERNEL(softmax_input_grad_cuda)};
extern const OpDef log_softmax_input_grad_op;
const OpDef log_softmax_input_grad_op = {.name = "log_softmax_input_grad",
                                         .inputs = {2, 2},
                                         .attrs = {{"dim", AttrType::integer}},
                                         .infer = softmax_grad_infer,
                                         .cpu = softmax_input_grad_cpu<true>,
                                         .cuda = TILEGRAD_CUDA_KERNEL(log_softmax_input_grad_cuda)};

}  // namespace tilegrad
