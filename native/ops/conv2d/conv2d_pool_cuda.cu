// The convolution with pooling by 2 x 2 windows, and its gradients, on CUDA: launches the kernels of conv2d_pool.cuh and, for
// the gradients, those of conv2d.
#include <algorithm>

#include "core/cuda/copy.h"
#include "ops/conv2d/conv2d.h"
#include "ops/conv2d/conv2d_pool.cuh"
#include "ops/conv2d/conv2d_simt.cuh"

namespace tilegrad {

namespace {

constexpr int kThreads = kConvThreads;

ConvActivation activation_of(const KernelArgs& args) {
  return static_cast<ConvActivation>(args.attrs.choice("activation"));
}

// Where few channels fill no tile, pixel by pixel as conv2d does, else by flat or square tiles.
void run(cuda::CudaStream& stream, const ConvPooled& conv) {
  const auto groups = static_cast<unsigned>(std::min(conv.z.groups, 65535));
  if (conv.rows() <= kConvMost && conv.depth() <= kConvMostWeights) {
    const size_t shared = static_cast<size_t>(conv.depth()) * kConvMost * sizeof(float);
    const dim3 grid(static_cast<unsigned>(cuda::grid_size(stream, conv.windows(), kThreads)),
                    groups);
    cuda::check(launch(conv_windows, grid, dim3(kThreads), shared, stream.handle(), conv),
                "conv_windows");
    return;
  }
  const bool flat = conv.rows() <= 16;
  const int64_t tiles = ceil_div<int64_t>(conv.rows(), flat ? 16 : 64) *
                        ceil_div<int64_t>(conv.columns(), flat ? 256 : 64);
  cuda::check(launch(flat ? conv_pool_product<16, 256> : conv_pool_product<64, 64>,
                     dim3(static_cast<unsigned>(tiles), 1, groups), dim3(kThreads), 0,
                     stream.handle(), conv),
              "conv_pool_product");
}

}  // namespace

void conv2d_max_pool2d_cuda(KernelArgs& args) {
  const View &x = args.inputs[0], &weight = args.inputs[1];
  const ConvForward<float> conv = {conv_sizes(args.attrs, x.shape(), weight.shape()),
                                   x.as<float>(),
                                   weight.as<float>(),
                                   args.has(2) ? args.inputs[2].as<float>() : nullptr,
                                   nullptr,
                                   activation_of(args),
                                   args.outputs[0].as<float>()};
  uint8_t* taps = args.output_count > 1 ? args.outputs[1].as<uint8_t>() : nullptr;
  run(cuda::stream_of(args.stream), ConvPooled{conv, taps});
}

void conv2d_max_pool2d_grad_cuda(KernelArgs& args) {
  auto& stream = cuda::stream_of(args.stream);
  const View &x = args.inputs[1], &weight = args.inputs[2];
  const ConvSizes z = conv_sizes(args.attrs, x.shape(), weight.shape());
  const ConvActivation activation = activation_of(args);
  const float *dy = args.inputs[0].as<float>(), *y = args.inputs[3].as<float>();
  // In their order, null where not asked for or empty, which other outputs need not be.
  const View* next = args.outputs;
  const auto asked = [&](const char* name) -> float* {
    if (!args.attrs.boolean(name)) return nullptr;
    const View& out = *next++;
    return out.numel() > 0 ? out.as<float>() : nullptr;
  };
  float *dx = asked("input"), *dw = asked("weight"), *db = asked("bias");
  if (dx != nullptr || dw != nullptr) {
    const int64_t n = z.n * z.y_image();
    const BufferRef space =
        cuda::workspace(stream, static_cast<size_t>(std::max<int64_t>(n, 1)) * sizeof(float));
    auto* dense = static_cast<float*>(space->data);
    cuda::check(launch(unpool, dim3(cuda::grid_size(stream, n, kThreads)), dim3(kThreads), 0,
                       stream.handle(), dy, y, args.inputs[4].as<uint8_t>(), dense, n, z.p, z.q,
                       activation),
                "unpool");
    if (dx != nullptr) conv2d_simt(stream, ConvInputGrad<float>{z, dense, weight.as<float>(), dx});
    if (dw != nullptr) conv2d_simt(stream, ConvWeightGrad<float>{z, x.as<float>(), dense, dw});
  }
  if (db == nullptr) return;
  const int64_t filters = int64_t{z.k} * z.groups, plane = int64_t{z.p / 2} * (z.q / 2);
  cuda::check(
      launch(sum_filters, dim3(static_cast<unsigned>(std::min<int64_t>(filters, 65535))),
             dim3(kThreads), 0, stream.handle(), dy, y, db, z.n, filters, plane, activation),
      "sum_filters");
}

}  // namespace tilegrad
