#include "core/conv_shape.h"

#include "core/window_attrs.h"

namespace tilegrad {

namespace {

// Of sizes, strides, paddings, dilations and groups: sums and products of two stay in 64 bits.
constexpr int64_t kLargest = int64_t{1} << 31;

struct Settings {
  int64_t stride[2], padding[4], dilation[2], groups;  // padding: top, bottom, left, right
};

Settings read_settings(const Attrs& attrs) {
  Settings s;
  read_window(attrs, "stride", 2, 1, kLargest, s.stride);
  read_window(attrs, "padding", 4, 0, kLargest, s.padding);
  read_window(attrs, "dilation", 2, 1, kLargest, s.dilation);
  s.groups = attrs.integer("groups");
  if (s.groups < 1 || s.groups >= kLargest)
    fail(ErrorCode::argument, attrs.op->name, ": groups must be from 1 to ", kLargest - 1,
         " but is ", s.groups);
  return s;
}

void check_sizes(const char* op, const Shape& shape) {
  for (int i = 0; i < shape.rank; ++i)
    if (shape[i] >= kLargest)
      fail(ErrorCode::shape, op, ": a dimension of ", shape, " is beyond ", kLargest - 1);
}

int64_t output_size(const char* op, const char* side, int64_t padded, int64_t kernel,
                    int64_t dilation, int64_t stride, const Shape& x, const Shape& weight) {
  int64_t reach = dilation * (kernel - 1) + 1;
  if (reach > padded)
    fail(ErrorCode::shape, op, ": the kernel spans ", reach, " ", side,
         " but the padded input has ", padded, " (input ", x, ", weight ", weight, ")");
  return (padded - reach) / stride + 1;
}

}  // namespace

ConvShape conv_shape(const Attrs& attrs, const Shape& x, const Shape& weight) {
  const char* op = attrs.op->name;
  Settings s = read_settings(attrs);
  if (x.rank != 4 || weight.rank != 4)
    fail(ErrorCode::shape, op, ": input and weight must have 4 dimensions (input ", x, ", weight ",
         weight, ")");
  check_sizes(op, x);
  check_sizes(op, weight);
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
  int64_t padded_h = c.h + s.padding[0] + s.padding[1];
  int64_t padded_w = c.w + s.padding[2] + s.padding[3];
  if (static_cast<double>(c.c) * static_cast<double>(padded_h) * static_cast<double>(padded_w) >
      static_cast<double>(kMaxNumel))
    fail(ErrorCode::shape, op, ": the padded input would be too large (input ", x, ", padding ",
         attrs.integers("padding"), ")");
  c.p = output_size(op, "rows", padded_h, c.r, c.dilation_h, c.stride_h, x, weight);
  c.q = output_size(op, "columns", padded_w, c.s, c.dilation_w, c.stride_w, x, weight);
  return c;
}

}  // namespace tilegrad
