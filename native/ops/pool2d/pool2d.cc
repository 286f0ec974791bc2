// The windows that the attributes of the pooling ops describe.
#include "ops/pool2d/pool2d.h"

#include "core/window_attrs.h"

namespace tilegrad {

namespace {

// Of sizes, strides, paddings and dilations: sums and products of two stay in 64 bits.
constexpr int64_t kLargest = int64_t{1} << 30;

// With `ceil` a last window may reach beyond the padding, also an only one; one that starts beyond the image and its near
// padding is dropped, as in PyTorch.
int64_t output_size(const char* op, const char* side, int64_t size, int64_t near, int64_t far,
                    int64_t span, int64_t stride, bool ceil, const Shape& x) {
  if (near >= span || far >= span)
    fail(ErrorCode::argument, op, ": padding ", near >= span ? near : far,
         " must be smaller than the ", span, " ", side, " that the window spans");
  const int64_t free = size + near + far - span + (ceil ? stride - 1 : 0);
  if (size == 0 || free < 0)
    fail(ErrorCode::shape, op, ": the window spans ", span, " ", side, " but the padded input has ",
         size + near + far, " (input ", x, ")");
  const int64_t out = free / stride + 1;
  return ceil && (out - 1) * stride >= size + near ? out - 1 : out;
}

}  // namespace

PoolShape pool_shape(const Attrs& attrs, const Shape& x, bool dilated) {
  const char* op = attrs.op->name;
  if (x.rank != 4)
    fail(ErrorCode::shape, op, ": input must have 4 dimensions (N, C, H, W) but has shape ", x);
  int64_t kernel[2], stride[2], padding[4], dilation[2] = {1, 1};
  read_window(attrs, "kernel", 2, 1, kLargest, kernel);
  read_window(attrs, "stride", 2, 1, kLargest, stride);
  read_window(attrs, "padding", 4, 0, kLargest, padding);
  if (dilated) read_window(attrs, "dilation", 2, 1, kLargest, dilation);
  if (x[2] >= kLargest || x[3] >= kLargest || x[2] * x[3] >= kLargest * 2 - 1)
    fail(ErrorCode::shape, op, ": planes of more than 2^31 - 2 elements are not supported (input ",
         x, ")");
  if (kernel[0] * kernel[1] >= kLargest)
    fail(ErrorCode::argument, op, ": a window of ", kernel[0], " by ", kernel[1], " is too large");
  bool ceil = attrs.boolean("ceil_mode");
  PoolShape s;
  s.planes = x[0] * x[1];
  s.h = x[2], s.w = x[3];
  s.r = kernel[0], s.s = kernel[1];
  s.stride_h = stride[0], s.stride_w = stride[1];
  s.pad_top = padding[0], s.pad_bottom = padding[1];
  s.pad_left = padding[2], s.pad_right = padding[3];
  s.dilation_h = dilation[0], s.dilation_w = dilation[1];
  s.p = output_size(op, "rows", s.h, s.pad_top, s.pad_bottom, s.dilation_h * (s.r - 1) + 1,
                    s.stride_h, ceil, x);
  s.q = output_size(op, "columns", s.w, s.pad_left, s.pad_right, s.dilation_w * (s.s - 1) + 1,
                    s.stride_w, ceil, x);
  s.is_2x2 = s.r == 2 && s.s == 2 && s.stride_h == 2 && s.stride_w == 2 && s.dilation_h == 1 &&
             s.dilation_w == 1 && s.pad_top == 0 && s.pad_left == 0 && 2 * s.p <= s.h &&
             2 * s.q <= s.w;
  return s;
}

Shape adaptive_pool_shape(InferContext& ctx, const Shape& x) {
  constexpr int64_t kMost = (int64_t{1} << 31) - 1;
  Shape size = ctx.attrs.integers("size");
  if (x.rank != 4)
    ctx.fail(ErrorCode::shape, "input must have 4 dimensions (N, C, H, W) but has shape ", x);
  if (size.rank != 2) ctx.fail(ErrorCode::argument, "size needs 2 numbers");
  for (int i = 0; i < 2; ++i) {
    if (size[i] < 1 || size[i] > kMost)
      ctx.fail(ErrorCode::argument, "size must be from 1 to ", kMost, " but is ", size[i]);
    if (x[2 + i] < 1 || x[2 + i] > kMost)
      ctx.fail(ErrorCode::shape, "input must have from 1 to ", kMost,
               " rows and columns but has shape ", x);
  }
  return {x[0], x[1], size[0], size[1]};
}

}  // namespace tilegrad
