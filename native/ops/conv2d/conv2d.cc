// OpDefs of the 2-D convolution (NCHW, cross-correlation as torch's conv2d) and its two gradients. f32 and f64.
#include "core/op.h"
#include "ops/conv2d/conv2d_kernels.h"

namespace tilegrad {

namespace {

constexpr int64_t kLargest = int64_t{1}
                             << 31;  // of strides, paddings and dilations: products stay in 64 bits

struct Settings {
  int64_t stride[2], padding[4], dilation[2], groups;  // padding: top, bottom, left, right
};

Settings read_settings(const Attrs& attrs) {
  auto read = [&](const char* name, int count, int64_t least, int64_t* out) {
    Shape values = attrs.integers(name);
    if (values.rank != count)
      fail(ErrorCode::argument, attrs.op->name, ": ", name, " needs ", count, " numbers");
    for (int i = 0; i < count; ++i) {
      if (values[i] < least || values[i] >= kLargest)
        fail(ErrorCode::argument, attrs.op->name, ": ", name, " ", values, " must be at least ",
             least);
      out[i] = values[i];
    }
  };
  Settings s;
  read("stride", 2, 1, s.stride);
  read("padding", 4, 0, s.padding);
  read("dilation", 2, 1, s.dilation);
  s.groups = attrs.integer("groups");
  if (s.groups < 1) fail(ErrorCode::argument, attrs.op->name, ": groups must be at least 1");
  return s;
}

int64_t output_size(const char* op, int64_t size, int64_t kernel, int64_t before, int64_t after,
                    int64_t stride, int64_t dilation) {
  int64_t reach = size + before + after - (dilation * (kernel - 1) + 1);
  if (reach < 0)
    fail(ErrorCode::shape, op, ": the kernel (", kernel, ", dilation ", dilation,
         ") is larger than the padded input (", size + before + after, ")");
  return reach / stride + 1;
}

// The shape of the convolution of x (n, c, h, w) with weight (k, c / groups, r, s).
ConvShape conv_shape(const Attrs& attrs, const Shape& x, const Shape& weight) {
  const char* op = attrs.op->name;
  Settings s = read_settings(attrs);
  if (x.rank != 4 || weight.rank != 4)
    fail(ErrorCode::shape, op, ": input and weight must have 4 dimensions (input ", x, ", weight ",
         weight, ")");
  if (weight[1] * s.groups != x[1])
    fail(ErrorCode::shape, op, ": weight expects ", weight[1] * s.groups,
         " input channels but input has ", x[1], " (input ", x, ", weight ", weight, ")");
  if (weight[0] % s.groups != 0)
    fail(ErrorCode::shape, op, ": ", weight[0], " output channels are no multiple of groups ",
         s.groups);
  if (weight[2] < 1 || weight[3] < 1)
    fail(ErrorCode::shape, op, ": the kernel is empty (", weight, ")");
  ConvShape c;
  c.n = x[0], c.c = x[1], c.h = x[2], c.w = x[3];
  c.k = weight[0], c.r = weight[2], c.s = weight[3];
  c.stride_h = s.stride[0], c.stride_w = s.stride[1];
  c.pad_top = s.padding[0], c.pad_left = s.padding[2];
  c.dilation_h = s.dilation[0], c.dilation_w = s.dilation[1];
  c.groups = s.groups;
  c.p = output_size(op, c.h, c.r, s.padding[0], s.padding[1], c.stride_h, c.dilation_h);
  c.q = output_size(op, c.w, c.s, s.padding[2], s.padding[3], c.stride_w, c.dilation_w);
  return c;
}

void expect_conv_dtypes(InferContext& ctx) {
  ctx.expect_same_dtype(0, 1, "the first input", "the second");
  if (ctx.dtype(0) != DType::f32 && ctx.dtype(0) != DType::f64)
    ctx.fail(ErrorCode::dtype, "is defined for f32 and f64, not for ", ctx.dtype(0));
}

void expect_output_grad(InferContext& ctx, const Shape& dy, const ConvShape& c) {
  Shape expected{c.n, c.k, c.p, c.q};
  if (dy != expected)
    ctx.fail(ErrorCode::shape, "the output gradient must have shape ", expected, " but has ", dy);
}

void conv2d_infer(InferContext& ctx) {
  expect_conv_dtypes(ctx);
  ConvShape c = conv_shape(ctx.attrs, ctx.shape(0), ctx.shape(1));
  if (ctx.has(2)) {
    ctx.expect_same_dtype(0, 2, "input", "bias");
    if (ctx.shape(2) != Shape{c.k})
      ctx.fail(ErrorCode::shape, "bias must have shape [", c.k, "] but has ", ctx.shape(2));
  }
  ctx.output({c.n, c.k, c.p, c.q}, ctx.dtype(0));
}

void conv2d_input_grad_infer(InferContext& ctx) {
  expect_conv_dtypes(ctx);
  Shape x = ctx.attrs.integers("shape");
  check_shape(ctx.op.name, x);
  expect_output_grad(ctx, ctx.shape(0), conv_shape(ctx.attrs, x, ctx.shape(1)));
  ctx.output(x, ctx.dtype(0));
}

void conv2d_weight_grad_infer(InferContext& ctx) {
  expect_conv_dtypes(ctx);
  Shape weight = ctx.attrs.integers("shape");
  check_shape(ctx.op.name, weight);
  expect_output_grad(ctx, ctx.shape(1), conv_shape(ctx.attrs, ctx.shape(0), weight));
  ctx.output(weight, ctx.dtype(0));
}

template <class F>
void by_dtype(DType dtype, F&& body) {
  if (dtype == DType::f32)
    body(float{});
  else
    body(double{});
}

void conv2d_cpu(KernelArgs& args) {
  const View &x = args.inputs[0], &w = args.inputs[1], &y = args.outputs[0];
  ConvShape c = conv_shape(args.attrs, x.shape(), w.shape());
  by_dtype(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* bias = args.has(2) ? args.inputs[2].as<T>() : nullptr;
    conv2d_forward(c, x.as<T>(), w.as<T>(), bias, false, y.as<T>());
  });
}

void conv2d_input_grad_cpu(KernelArgs& args) {
  const View &dy = args.inputs[0], &w = args.inputs[1], &dx = args.outputs[0];
  ConvShape c = conv_shape(args.attrs, dx.shape(), w.shape());
  by_dtype(dy.dtype, [&](auto zero) {
    using T = decltype(zero);
    conv2d_input_gradient(c, dy.as<T>(), w.as<T>(), dx.as<T>());
  });
}

void conv2d_weight_grad_cpu(KernelArgs& args) {
  const View &x = args.inputs[0], &dy = args.inputs[1], &dw = args.outputs[0];
  ConvShape c = conv_shape(args.attrs, x.shape(), dw.shape());
  by_dtype(x.dtype, [&](auto zero) {
    using T = decltype(zero);
    conv2d_weight_gradient(c, x.as<T>(), dy.as<T>(), dw.as<T>());
  });
}

}  // namespace

#define CONV_ATTRS                                                 \
  {"stride", AttrType::integers}, {"padding", AttrType::integers}, \
      {"dilation", AttrType::integers}, {                          \
    "groups", AttrType::integer                                    \
  }

extern const OpDef conv2d_op;
const OpDef conv2d_op = {.name = "conv2d",
                         .inputs = {2, 3},
                         .attrs = {CONV_ATTRS},
                         .infer = conv2d_infer,
                         .cpu = conv2d_cpu};
extern const OpDef conv2d_input_grad_op;
const OpDef conv2d_input_grad_op = {.name = "conv2d_input_grad",
                                    .inputs = {2, 2},
                                    .attrs = {CONV_ATTRS, {"shape", AttrType::integers}},
                                    .infer = conv2d_input_grad_infer,
                                    .cpu = conv2d_input_grad_cpu};
extern const OpDef conv2d_weight_grad_op;
const OpDef conv2d_weight_grad_op = {.name = "conv2d_weight_grad",
                                     .inputs = {2, 2},
                                     .attrs = {CONV_ATTRS, {"shape", AttrType::integers}},
                                     .infer = conv2d_weight_grad_infer,
                                     .cpu = conv2d_weight_grad_cpu};

}  // namespace tilegrad
