// Views: reshape, permute, expand and slice share the input's buffer and run no kernel; reshape and contiguous copy only
// where the strides leave no other way. slice_input_grad puts a slice back into zeros.
#include "ops/views/views.h"

#include <cstring>

#include "core/cpu/copy.h"
#include "core/op.h"

namespace tilegrad {

namespace {

void reshape_infer(InferContext& ctx) {
  Shape shape = ctx.attrs.integers("shape");
  const Shape& from = ctx.shape(0);
  int unknown = -1;
  int64_t known = 1;
  for (int i = 0; i < shape.rank; ++i) {
    if (shape[i] == -1 && unknown < 0) {
      unknown = i;
    } else if (shape[i] < 0) {
      ctx.fail(ErrorCode::shape, "shape ", shape, " may hold one -1 and no other negative number");
    } else {
      known = shape[i] != 0 && known > kMaxNumel / shape[i] ? kMaxNumel : known * shape[i];
    }
  }
  if (unknown >= 0) {
    if (known == 0 || from.numel() % known != 0)
      ctx.fail(ErrorCode::shape, "cannot find the -1 in ", shape, " for an input of shape ", from,
               " (", from.numel(), " elements)");
    shape[unknown] = from.numel() / known;
  }
  check_shape("reshape", shape);
  if (shape.numel() != from.numel())
    ctx.fail(ErrorCode::shape, "shape ", shape, " has ", shape.numel(), " elements but the input ",
             from, " has ", from.numel());
  Layout view;
  if (try_reshape(ctx.input(0).layout, shape, &view))
    ctx.view(0, view);
  else
    ctx.output(shape, ctx.dtype(0));
}

void contiguous_infer(InferContext& ctx) {
  if (ctx.input(0).layout.is_contiguous())
    ctx.view(0, ctx.input(0).layout);
  else
    ctx.output(ctx.shape(0), ctx.dtype(0));
}

// Row-major order of the elements is what both keep, so the target is the output seen in the input's shape.
void copy_cpu(KernelArgs& args) {
  View target = args.outputs[0];
  target.layout = Layout::contiguous(args.inputs[0].layout.shape);
  copy_strided_cpu(args.inputs[0], target);
}

void permute_infer(InferContext& ctx) {
  Shape dims = ctx.attrs.integers("dims");
  const Layout& from = ctx.input(0).layout;
  if (dims.rank != from.rank())
    ctx.fail(ErrorCode::argument, "dims ", dims, " must name each of the ", from.rank(),
             " dimensions of ", from.shape);
  Layout view;
  view.offset = from.offset;
  view.shape.rank = dims.rank;
  unsigned seen = 0;
  for (int i = 0; i < dims.rank; ++i) {
    int d = ctx.dim(dims[i], dims.rank);
    if (seen & (1u << d))
      ctx.fail(ErrorCode::argument, "dimension ", d, " appears twice in ", dims);
    seen |= 1u << d;
    view.shape[i] = from.shape[d];
    view.strides[i] = from.strides[d];
  }
  ctx.view(0, view);
}

void expand_infer(InferContext& ctx) {
  Shape shape = ctx.attrs.integers("shape");
  const Shape& from = ctx.shape(0);
  int lead = shape.rank - from.rank;
  if (lead < 0)
    ctx.fail(ErrorCode::shape, "shape ", shape, " has fewer dimensions than the input ", from);
  for (int i = 0; i < shape.rank; ++i) {
    if (shape[i] == -1 && i >= lead) shape[i] = from[i - lead];
    if (shape[i] < 0 || (i >= lead && from[i - lead] != 1 && from[i - lead] != shape[i]))
      ctx.fail(ErrorCode::shape, "input of shape ", from, " cannot be expanded to ", shape);
  }
  check_shape("expand", shape);
  ctx.view(0, broadcast_to(ctx.input(0).layout, shape));
}

// Python's rules: negative positions count from the end, positions beyond the ends are clamped, steps are positive.
SliceSpec read_slice(const Attrs& attrs, const char* op, const Shape& shape) {
  Shape starts = attrs.integers("starts"), stops = attrs.integers("stops"),
        steps = attrs.integers("steps");
  if (starts.rank != shape.rank || stops.rank != shape.rank || steps.rank != shape.rank)
    fail(ErrorCode::argument, op,
         ": starts, stops and steps must have one entry for each dimension of ", shape);
  SliceSpec spec;
  spec.shape.rank = shape.rank;
  for (int i = 0; i < shape.rank; ++i) {
    if (steps[i] < 1)
      fail(ErrorCode::argument, op, ": step ", steps[i], " in dimension ", i,
           " must be at least 1");
    auto clamp = [&](int64_t at) {
      if (at < 0) at += shape[i];
      return at < 0 ? 0 : at > shape[i] ? shape[i] : at;
    };
    int64_t start = clamp(starts[i]), stop = clamp(stops[i]);
    spec.starts[i] = start;
    spec.steps[i] = steps[i];
    spec.shape[i] = stop > start ? (stop - start - 1) / steps[i] + 1 : 0;
  }
  return spec;
}

void slice_infer(InferContext& ctx) {
  SliceSpec spec = read_slice(ctx.attrs, "slice", ctx.shape(0));
  ctx.view(0, slice_layout(ctx.input(0).layout, spec));
}

void slice_input_grad_infer(InferContext& ctx) {
  Shape shape = ctx.attrs.integers("shape");
  check_shape("slice_input_grad", shape);
  SliceSpec spec = read_slice(ctx.attrs, "slice_input_grad", shape);
  if (spec.shape != ctx.shape(0))
    ctx.fail(ErrorCode::shape, "the slice of ", shape, " has shape ", spec.shape,
             " but the gradient has ", ctx.shape(0));
  ctx.output(shape, ctx.dtype(0));
}

void slice_input_grad_cpu(KernelArgs& args) {
  const View& out = args.outputs[0];
  std::memset(out.data, 0, static_cast<size_t>(out.numel()) * dtype_size(out.dtype));
  View target = out;
  target.layout = slice_layout(out.layout, slice_spec(args));
  copy_strided_cpu(args.inputs[0], target);
}

}  // namespace

SliceSpec slice_spec(const KernelArgs& args) {
  return read_slice(args.attrs, args.op->name, args.outputs[0].layout.shape);
}

Layout slice_layout(const Layout& layout, const SliceSpec& spec) {
  Layout out = layout;
  out.shape = spec.shape;
  for (int i = 0; i < layout.rank(); ++i) {
    // An empty slice may start at the end; its offset must still stay inside the buffer.
    if (spec.shape[i] > 0) out.offset += spec.starts[i] * layout.strides[i];
    out.strides[i] = layout.strides[i] * spec.steps[i];
  }
  return out;
}

extern const OpDef reshape_op;
const OpDef reshape_op = {.name = "reshape",
                          .inputs = {1, 1},
                          .attrs = {{"shape", AttrType::integers}},
                          .infer = reshape_infer,
                          .cpu = copy_cpu,
                          .cuda = TILEGRAD_CUDA_KERNEL(copy_cuda),
                          .strided = true};
extern const OpDef contiguous_op;
const OpDef contiguous_op = {.name = "contiguous",
                             .inputs = {1, 1},
                             .infer = contiguous_infer,
                             .cpu = copy_cpu,
                             .cuda = TILEGRAD_CUDA_KERNEL(copy_cuda),
                             .strided = true};
extern const OpDef permute_op;
const OpDef permute_op = {.name = "permute",
                          .inputs = {1, 1},
                          .attrs = {{"dims", AttrType::integers}},
                          .infer = permute_infer};
extern const OpDef expand_op;
const OpDef expand_op = {.name = "expand",
                         .inputs = {1, 1},
                         .attrs = {{"shape", AttrType::integers}},
                         .infer = expand_infer};
extern const OpDef slice_op;
const OpDef slice_op = {.name = "slice",
                        .inputs = {1, 1},
                        .attrs = {{"starts", AttrType::integers},
                                  {"stops", AttrType::integers},
                                  {"steps", AttrType::integers}},
                        .infer = slice_infer};
extern const OpDef slice_input_grad_op;
const OpDef slice_input_grad_op = {.name = "slice_input_grad",
                                   .inputs = {1, 1},
                                   .attrs = {{"shape", AttrType::integers},
                                             {"starts", AttrType::integers},
                                             {"stops", AttrType::integers},
                                             {"steps", AttrType::integers}},
                                   .infer = slice_input_grad_infer,
                                   .cpu = slice_input_grad_cpu,
                                   .cuda = TILEGRAD_CUDA_KERNEL(slice_input_grad_cuda),
                                   .strided = true};

}  // namespace tilegrad
