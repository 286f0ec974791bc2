// The three convolution ops on the CPU. 16-bit floats are widened to f32 once, computed in f32 and
// rounded once.
#include <memory>
#include <type_traits>

#include "core/cpu/half.h"
#include "ops/conv2d/conv2d.h"

namespace tilegrad {
namespace {

// Runs compute(inputs, out) with pointers of the type that is computed in; absent inputs are null.
template <int N, class Compute>
void with_pointers(const KernelArgs& args, const Compute& compute) {
  const View& out = args.outputs[0];
  if (out.dtype == DType::f64) {
    const double* in[N] = {};
    for (int i = 0; i < N; ++i) in[i] = args.has(i) ? args.inputs[i].as<double>() : nullptr;
    return compute(in, out.as<double>());
  }
  const float* in[N] = {};
  if (out.dtype == DType::f32) {
    for (int i = 0; i < N; ++i) in[i] = args.has(i) ? args.inputs[i].as<float>() : nullptr;
    return compute(in, out.as<float>());
  }
  std::unique_ptr<float[]> wide[N + 1];
  for (int i = 0; i < N; ++i) {
    if (!args.has(i)) continue;
    const View& view = args.inputs[i];
    wide[i].reset(new float[static_cast<size_t>(view.numel())]);
    widen(view.dtype, view.as<uint16_t>(), wide[i].get(), view.numel());
    in[i] = wide[i].get();
  }
  wide[N].reset(new float[static_cast<size_t>(out.numel())]);
  compute(in, wide[N].get());
  narrow(out.dtype, wide[N].get(), out.as<uint16_t>(), out.numel());
}

}  // namespace

void conv2d_cpu(KernelArgs& args) {
  const ConvShape s = conv_shape(args.attrs, args.inputs[0].shape(), args.inputs[1].shape());
  const auto activation = static_cast<ConvActivation>(args.attrs.choice("activation"));
  const bool winograd = args.attrs.boolean("winograd");
  // A widened weight is another block at every call.
  const bool lies_there = dtype_size(args.inputs[1].dtype) > 2;
  with_pointers<4>(args, [&](auto& in, auto* y) {
    ConvEpilogue<std::remove_pointer_t<decltype(y)>> epilogue = {in[2], in[3], activation};
    epilogue.packed = lies_there ? args.packed : nullptr;
    conv2d_forward(s, in[0], in[1], epilogue, winograd, y);
  });
}

void conv2d_input_grad_cpu(KernelArgs& args) {
  const ConvShape s = conv_shape(args.attrs, args.outputs[0].shape(), args.inputs[1].shape());
  const bool winograd = args.attrs.boolean("winograd");
  with_pointers<2>(args, [&](auto& in, auto* dx) {
    conv2d_input_gradient(s, {in[0], s.p, s.q}, in[1], winograd, dx);
  });
}

void conv2d_weight_grad_cpu(KernelArgs& args) {
  const ConvShape s = conv_shape(args.attrs, args.inputs[0].shape(), args.outputs[0].shape());
  const bool winograd = args.attrs.boolean("winograd");
  with_pointers<2>(args, [&](auto& in, auto* dw) {
    conv2d_weight_gradient(s, in[0], {in[1], s.p, s.q}, winograd, dw);
  });
}

}  // namespace tilegrad
