// The library's convolution by TMA and wgmma, forward and weight gradient, in both shapes of tiles, against sums in f64.
#include "cases.h"
#include "harness.h"
#include "ops/conv2d/conv2d_mma.cuh"
#include "ops/conv2d/conv2d_tma.cuh"

namespace tilegrad::kernel_tests {
namespace {

struct Layer {
  int n, c, h, w, k, r, s, stride, pad, dilation;
  int p() const { return (h + 2 * pad - (r - 1) * dilation - 1) / stride + 1; }
  int q() const { return (w + 2 * pad - (s - 1) * dilation - 1) / stride + 1; }
  int taps() const { return r * s; }

  ConvSizes sizes() const {
    ConvShape z = {};
    z.n = n, z.c = c, z.h = h, z.w = w, z.k = k, z.r = r, z.s = s, z.p = p(), z.q = q();
    z.stride_h = z.stride_w = stride, z.dilation_h = z.dilation_w = dilation, z.groups = 1;
    z.pad_top = z.pad_left = pad;
    return ConvSizes(z);
  }
  TapWalk walk() const {
    TapWalk out = {};
    out.s = s, out.taps = taps(), out.blocks = ceil_div(c, 64), out.channels = c;
    out.step_h = out.step_w = dilation, out.weight_step_h = s, out.weight_step_w = 1;
    out.rows = p(), out.columns = q(), out.lower_h = out.lower_w = -pad;
    out.stride_h = out.stride_w = stride;
    return out;
  }
  CUtensorMap images(const void* x, int pixels) const {
    return im2col_map_bf16(x, {cuuint64_t(c), cuuint64_t(w), cuuint64_t(h), cuuint64_t(n)},
                           {-pad, -pad}, {pad - (s - 1) * dilation, pad - (r - 1) * dilation},
                           pixels, stride);
  }
  // The input element (channels innermost) of an output pixel under a tap, -1 outside.
  int input(int image, int i, int j, int tap) const {
    const int y = i * stride - pad + tap / s * dilation, x = j * stride - pad + tap % s * dilation;
    return y < 0 || y >= h || x < 0 || x >= w ? -1 : ((image * h + y) * w + x) * c;
  }
};

template <class Loads, class Out>
void run_conv(const CUtensorMap& a, const CUtensorMap& b, const Loads& loads, const Out& out,
              const ConvTiles& tiles, float* partial) {
  auto* kernel = conv_wgmma_tma<bf16, Loads, Out>;
  check(cudaFuncSetAttribute((const void*)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             sizeof(ConvRing)));
  check(launch(kernel, dim3(2), dim3(cuda::kWgmmaThreads), sizeof(ConvRing), stream(), a, b, loads,
               out, tiles, partial));
}

// Weights lie as (k, tap, c).
void test_forward(const Layer& z, bool flat) {
  const Vector<uint16_t> x = random_bf16(size_t(z.n) * z.h * z.w * z.c);
  const Vector<uint16_t> weight = random_bf16(size_t(z.k) * z.taps() * z.c);
  const int area = z.p() * z.q();
  Device<uint16_t> dx(x), dweight(weight), dy(size_t(z.n) * z.k * area);
  const ConvForward<bf16> out = {z.sizes(),
                                 nullptr,
                                 nullptr,
                                 nullptr,
                                 nullptr,
                                 ConvActivation::none,
                                 reinterpret_cast<bf16*>(dy.p)};
  const ConvTiles tiles = {z.k,  int64_t{z.n} * area, z.taps() * ceil_div(z.c, 64) * 64, 1,
                           flat, {INT32_MAX, 1}};
  const CUtensorMap a =
      tiled_map_bf16(dweight.p, {cuuint64_t(z.c), cuuint64_t(z.taps()), cuuint64_t(z.k)},
                     {64, 1, cuuint32_t(tiles.tile_rows())}, {1, 1, 1});
  run_conv(a, z.images(dx.p, tiles.tile_columns()), TapLoads{z.walk()}, out, tiles, nullptr);
  Vector<uint16_t> y;
  dy.read(y);
  for (int i = 0; i < z.n * z.k * area; i++) {
    const int image = i / (z.k * area), k = i / area % z.k, pixel = i % area;
    double sum = 0;
    for (int tap = 0; tap < z.taps(); tap++) {
      const int at = z.input(image, pixel / z.q(), pixel % z.q(), tap);
      for (int c = 0; c < z.c && at >= 0; c++)
        sum += double(bf16_value(x[at + c])) *
               bf16_value(weight[(size_t(k) * z.taps() + tap) * z.c + c]);
    }
    expect_close(bf16_value(y[i]), sum, 4e-3 * (1 + std::abs(sum)));
  }
}

// In two ranges of pixels; columns of the product are (tap, c).
void test_weight_grad(const Layer& z, bool flat) {
  const int pixels = z.n * z.p() * z.q(), columns = z.taps() * ceil_div(z.c, 64) * 64;
  const int length = ceil_div(ceil_div(pixels, 2), 64) * 64;
  const Vector<uint16_t> x = random_bf16(size_t(z.n) * z.h * z.w * z.c);
  const Vector<uint16_t> dy = random_bf16(size_t(pixels) * z.k);
  Device<uint16_t> dx(x), ddy(dy);
  Device<float> partial(size_t(2) * z.k * columns);
  const WeightOutput<bf16> out = {
      {z.sizes(), nullptr, nullptr, nullptr}, columns / z.taps(), z.taps()};
  const ConvTiles tiles = {z.k, columns, pixels, 1, flat, {length, 2}};
  const CUtensorMap a = tensor_map_bf16(ddy.p, z.k, pixels, 64, 64);
  run_conv(a, z.images(dx.p, 64), PixelLoads{z.walk(), z.k}, out, tiles, partial.p);
  Vector<float> sums;
  partial.read(sums);
  for (int i = 0; i < z.k * columns; i++) {
    const int k = i / columns, tap = i % columns / (columns / z.taps());
    const int c = i % (columns / z.taps());
    double sum = 0;
    for (int pixel = 0; pixel < pixels && c < z.c; pixel++) {
      const int at = z.input(pixel / (z.p() * z.q()), pixel / z.q() % z.p(), pixel % z.q(), tap);
      if (at >= 0) sum += double(bf16_value(dy[size_t(pixel) * z.k + k])) * bf16_value(x[at + c]);
    }
    if (c < z.c) expect_close(sums[i] + sums[size_t(z.k) * columns + i], sum, 1e-3);
  }
}

}  // namespace

void run_conv_kernels(bool small) {
  if (!on_hopper()) return;
  run_case("conv_wgmma_tma forward", [] { test_forward({1, 64, 7, 6, 24, 3, 3, 1, 1, 1}, false); });
  run_case("conv_wgmma_tma flat tiles", [] {
    test_forward({2, 56, 6, 5, 20, 2, 3, 1, 2, 1}, true);
  });
  run_case("conv_wgmma_tma weight gradient", [] {
    test_weight_grad({2, 24, 7, 8, 16, 2, 2, 1, 0, 1}, true);
  });
  if (small) return;
  run_case("conv_wgmma_tma stride 2", [] {
    test_forward({3, 128, 13, 12, 136, 3, 2, 2, 1, 1}, false);
  });
  run_case("conv_wgmma_tma dilation 2", [] {
    test_forward({2, 72, 13, 12, 72, 3, 2, 1, 2, 2}, true);
  });
  run_case("conv_wgmma_tma weight gradient, stride 2", [] {
    test_weight_grad({3, 64, 13, 15, 136, 3, 3, 2, 1, 1}, false);
  });
}

}  // namespace tilegrad::kernel_tests
