// The three convolution ops on the CPU. 16-bit floats are widened to f32, group of images by group, computed in f32 and
// rounded once. Weight gradients add the groups in f32, in their order.
#include <algorithm>

#include "core/cpu/half.h"
#include "core/parallel.h"
#include "core/workspace.h"
#include "ops/conv2d/conv2d.h"

namespace tilegrad {
namespace {

constexpr int64_t kGroupElements = 1 << 24;
constexpr int64_t kWeightShares = 8;  // each group packs the weight anew

bool is_wide(const View& view) { return dtype_size(view.dtype) > 2; }

template <class T>
const T* pointer(const KernelArgs& args, int i) {
  return args.has(i) ? args.inputs[i].as<T>() : nullptr;
}

// Runs compute(s, first): a convolution of the images of each group, of which `first` is the first.
template <class Compute>
void by_images(ConvShape s, int64_t images, const Compute& compute) {
  const int64_t n = s.n;
  for (int64_t first = 0; first < n || first == 0; first += images) {
    s.n = std::min(images, n - first);
    compute(s, first);
  }
}

// Elements [first, first + count) of a 16-bit tensor in `out`.
float* widened(const View& view, int64_t first, int64_t count, float* out) {
  widen(view.dtype, view.as<uint16_t>() + first, out, count);
  return out;
}

void narrowed(const float* from, const View& view, int64_t first, int64_t count) {
  narrow(view.dtype, from, view.as<uint16_t>() + first, count);
}

template <class T>
void forward(const KernelArgs& args, const ConvShape& s) {
  ConvEpilogue<T> epilogue = {pointer<T>(args, 2), pointer<T>(args, 3)};
  epilogue.activation = static_cast<ConvActivation>(args.attrs.choice("activation"));
  epilogue.packed = args.packed;
  conv2d_forward(s, pointer<T>(args, 0), pointer<T>(args, 1), epilogue,
                 args.attrs.boolean("winograd"), args.outputs[0].as<T>());
}

// A widened weight is another block at every call, so that no packed form of it is kept.
void forward_16_bit(const KernelArgs& args, const ConvShape& all) {
  const ConvWide wide(all);
  float* x = workspace(args);
  float *y = x + wide.images * wide.x, *residual = y + wide.images * wide.y;
  const bool adds = args.has(3), winograd = args.attrs.boolean("winograd");
  float* weight = widened(args.inputs[1], 0, wide.filters, residual + adds * wide.images * wide.y);
  ConvEpilogue<float> epilogue;
  if (args.has(2)) epilogue.bias = widened(args.inputs[2], 0, all.k, weight + wide.filters);
  epilogue.activation = static_cast<ConvActivation>(args.attrs.choice("activation"));
  by_images(all, wide.images, [&](const ConvShape& s, int64_t first) {
    widened(args.inputs[0], first * wide.x, s.n * wide.x, x);
    if (adds) epilogue.residual = widened(args.inputs[3], first * wide.y, s.n * wide.y, residual);
    conv2d_forward(s, x, weight, epilogue, winograd, y);
    narrowed(y, args.outputs[0], first * wide.y, s.n * wide.y);
  });
}

void input_gradient_16_bit(const KernelArgs& args, const ConvShape& all) {
  const ConvWide wide(all);
  float* dx = workspace(args);
  float* dy = dx + wide.images * wide.x;
  const float* weight = widened(args.inputs[1], 0, wide.filters, dy + wide.images * wide.y);
  const bool winograd = args.attrs.boolean("winograd");
  by_images(all, wide.images, [&](const ConvShape& s, int64_t first) {
    widened(args.inputs[0], first * wide.y, s.n * wide.y, dy);
    conv2d_input_gradient(s, {dy, s.p, s.q}, weight, winograd, dx);
    narrowed(dx, args.outputs[0], first * wide.x, s.n * wide.x);
  });
}

void weight_gradient_16_bit(const KernelArgs& args, const ConvShape& all) {
  const ConvWide wide(all);
  float* x = workspace(args);
  float *dy = x + wide.images * wide.x, *total = dy + wide.images * wide.y;
  const bool winograd = args.attrs.boolean("winograd");
  by_images(all, wide.images, [&](const ConvShape& s, int64_t first) {
    widened(args.inputs[0], first * wide.x, s.n * wide.x, x);
    widened(args.inputs[1], first * wide.y, s.n * wide.y, dy);
    float* dw = first == 0 ? total : total + wide.filters;
    conv2d_weight_gradient(s, x, {dy, s.p, s.q}, winograd, dw);
    if (first == 0) return;
    parallel_for(wide.filters, 1 << 15, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) total[i] += dw[i];
    });
  });
  narrowed(total, args.outputs[0], 0, wide.filters);
}

}  // namespace

ConvWide::ConvWide(const ConvShape& s)
    : x(s.c * s.h * s.w),
      y(s.k * s.p * s.q),
      filters(s.k * (s.c / s.groups) * s.r * s.s),
      bias(s.k) {
  const int64_t most = std::max(kGroupElements, kWeightShares * filters);
  images = std::clamp<int64_t>(most / std::max<int64_t>(x + y, 1), 1, std::max<int64_t>(s.n, 1));
}

void conv2d_cpu(KernelArgs& args) {
  const ConvShape s = conv_shape(args.attrs, args.inputs[0].shape(), args.inputs[1].shape());
  const View& y = args.outputs[0];
  if (!is_wide(y)) return forward_16_bit(args, s);
  y.dtype == DType::f64 ? forward<double>(args, s) : forward<float>(args, s);
}

void conv2d_input_grad_cpu(KernelArgs& args) {
  const View& dx = args.outputs[0];
  const ConvShape s = conv_shape(args.attrs, dx.shape(), args.inputs[1].shape());
  if (!is_wide(dx)) return input_gradient_16_bit(args, s);
  const bool winograd = args.attrs.boolean("winograd");
  const auto compute = [&]<class T>(T* out) {
    conv2d_input_gradient(s, {pointer<T>(args, 0), s.p, s.q}, pointer<T>(args, 1), winograd, out);
  };
  dx.dtype == DType::f64 ? compute(dx.as<double>()) : compute(dx.as<float>());
}

void conv2d_weight_grad_cpu(KernelArgs& args) {
  const View& dw = args.outputs[0];
  const ConvShape s = conv_shape(args.attrs, args.inputs[0].shape(), dw.shape());
  if (!is_wide(dw)) return weight_gradient_16_bit(args, s);
  const bool winograd = args.attrs.boolean("winograd");
  const auto compute = [&]<class T>(T* out) {
    conv2d_weight_gradient(s, pointer<T>(args, 0), {pointer<T>(args, 1), s.p, s.q}, winograd, out);
  };
  dw.dtype == DType::f64 ? compute(dw.as<double>()) : compute(dw.as<float>());
}

}  // namespace tilegrad
