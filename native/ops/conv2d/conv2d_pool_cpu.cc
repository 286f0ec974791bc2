// The convolution with activation and pooling, and its gradients, on the CPU.
#include "core/parallel.h"
#include "ops/conv2d/conv2d.h"
#include "ops/conv2d/conv2d_pool_gradient.h"

namespace tilegrad {

namespace {

// dbias (k): sums over the images and positions of one filter, in order.
void bias_gradient(const ConvShape& s, const ConvGradient<float>& dy, float* dbias) {
  const ConvKernels<float> kernels;
  const int64_t plane = (s.p / 2) * (s.q / 2);
  parallel_for(s.k, grain_for(s.n * plane, 1 << 16), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      dbias[k] = kernels.pool_bias(
          {s.n, s.k * plane, plane, dy.dy + k * plane, dy.y + k * plane, dy.activation});
    }
  });
}

ConvActivation activation_of(const KernelArgs& args) {
  return static_cast<ConvActivation>(args.attrs.choice("activation"));
}

}  // namespace

void conv2d_max_pool2d_cpu(KernelArgs& args) {
  const View &x = args.inputs[0], &weight = args.inputs[1];
  ConvEpilogue<float> epilogue;
  epilogue.bias = args.has(2) ? args.inputs[2].as<float>() : nullptr;
  epilogue.activation = activation_of(args);
  epilogue.pool = true;
  epilogue.packed = args.packed;
  epilogue.taps = args.output_count > 1 ? args.outputs[1].as<uint8_t>() : nullptr;
  conv2d_forward(conv_shape(args.attrs, x.shape(), weight.shape()), x.as<float>(),
                 weight.as<float>(), epilogue, false, args.outputs[0].as<float>());
}

void conv2d_max_pool2d_grad_cpu(KernelArgs& args) {
  const View &x = args.inputs[1], &weight = args.inputs[2];
  const ConvShape s = conv_shape(args.attrs, x.shape(), weight.shape());
  const ConvGradient<float> dy = {args.inputs[0].as<float>(),
                                  s.p,
                                  s.q,
                                  args.inputs[3].as<float>(),
                                  args.inputs[4].as<uint8_t>(),
                                  activation_of(args)};
  const View* out = args.outputs;
  if (args.attrs.boolean("input")) {
    float* dx = (out++)->as<float>();
    if (pooled_input_gradient_fits(s)) {
      pooled_input_gradient(s, dy, weight.as<float>(), dx);
    } else {
      conv2d_input_gradient(s, dy, weight.as<float>(), false, dx);
    }
  }
  const bool by_entries = args.attrs.boolean("weight") && pooled_weight_gradient_fits(s);
  float* dweight = args.attrs.boolean("weight") ? (out++)->as<float>() : nullptr;
  float* dbias = args.attrs.boolean("bias") ? (out++)->as<float>() : nullptr;
  if (by_entries) return pooled_weight_gradient(s, x.as<float>(), dy, dweight, dbias);
  if (dweight != nullptr) conv2d_weight_gradient(s, x.as<float>(), dy, false, dweight);
  if (dbias != nullptr) bias_gradient(s, dy, dbias);
}

}  // namespace tilegrad
