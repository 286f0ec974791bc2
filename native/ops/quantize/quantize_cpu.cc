// The tensor as (outer, channels, inner): a row has one scale, or, where the channels are the last dimension, one each.
#include <algorithm>
#include <vector>

#include "core/cpu/dynamic_quantize.h"
#include "core/cpu/quantize_rows_simd.h"
#include "core/parallel.h"
#include "core/view_bytes.h"
#include "ops/quantize/quantize.h"

namespace tilegrad {
namespace {

constexpr int64_t kGrain = 16384;  // elements per task

bool kernel_rounds(const KernelArgs& args) { return !is_integer(args.inputs[0].dtype); }

// Beyond the range the levels above the zero point could leave what quantize_rows_simd.cc rounds.
void check_zero_points(const std::vector<int32_t>& zeros, int32_t low, int32_t high) {
  for (int32_t zero : zeros)
    if (zero < low || zero > high)
      fail(ErrorCode::argument, "zero point ", zero, " is outside of the range ", low, " to ",
           high);
}

// `first` is the index of scale; x decides about the axis. Where only one of scale and zero_point is per channel, the other
// is repeated.
void run(KernelArgs& args, int x, int first, QuantizeKernel kernel, int32_t low, int32_t high) {
  const View &in = args.inputs[x], &scale = args.inputs[first], &zero = args.inputs[first + 1];
  const Shape& shape = in.shape();
  const int64_t n = in.numel();
  int64_t channels = 1, inner = n;
  if (scale.layout.rank() + zero.layout.rank() > 0) {
    int64_t axis = args.attrs.integer("axis");
    if (axis < 0) axis += shape.rank;
    channels = shape[static_cast<int>(axis)];
    inner = 1;
    for (int d = static_cast<int>(axis) + 1; d < shape.rank; ++d) inner *= shape[d];
  }
  std::vector<float> scales(static_cast<size_t>(channels));
  std::vector<int32_t> zeros(static_cast<size_t>(channels));
  for (size_t c = 0; c < scales.size(); ++c) {
    scales[c] = scale.as<float>()[scale.layout.rank() == 0 ? 0 : c];
    zeros[c] = zero.as<int32_t>()[zero.layout.rank() == 0 ? 0 : c];
  }
  if (kernel_rounds(args)) check_zero_points(zeros, low, high);
  const View* dout = x == 0 ? nullptr : &args.inputs[0];
  const auto at = [](const View& v, int64_t i) {
    return static_cast<char*>(v.data) +
           (v.layout.offset + i) * static_cast<int64_t>(dtype_size(v.dtype));
  };
  const auto row = [&](int64_t begin, int64_t count, int64_t channel, int step) {
    kernel({at(in, begin), dout ? at(*dout, begin) : nullptr, at(args.outputs[0], begin),
            &scales[channel], &zeros[channel], step, count, low, high});
  };
  if (channels == 1) {
    parallel_for(n, kGrain, [&](int64_t begin, int64_t end) { row(begin, end - begin, 0, 0); });
  } else if (inner == 1) {
    parallel_for(n / channels, grain_for(channels, kGrain), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) row(r * channels, channels, 0, 1);
    });
  } else {
    parallel_for(n / inner, grain_for(inner, kGrain), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) row(r * inner, inner, r % channels, 0);
    });
  }
}

int32_t low(const KernelArgs& args) {
  return static_cast<int32_t>(args.attrs.integer("quant_min"));
}
int32_t high(const KernelArgs& args) {
  return static_cast<int32_t>(args.attrs.integer("quant_max"));
}

}  // namespace

void quantize_linear_cpu(KernelArgs& args) {
  run(args, 0, 1, TILEGRAD_SIMD(quantize_row)(args.inputs[0].dtype, args.outputs[0].dtype),
      low(args), high(args));
}

void dequantize_linear_cpu(KernelArgs& args) {
  run(args, 0, 1, TILEGRAD_SIMD(dequantize_row)(args.inputs[0].dtype), 0, 0);
}

void fake_quantize_cpu(KernelArgs& args) {
  run(args, 0, 1, TILEGRAD_SIMD(fake_quantize_row)(args.inputs[0].dtype), low(args), high(args));
}

void fake_quantize_input_grad_cpu(KernelArgs& args) {
  run(args, 1, 2, TILEGRAD_SIMD(fake_quantize_input_grad_row)(args.inputs[1].dtype), low(args),
      high(args));
}

void dynamic_quantize_linear_cpu(KernelArgs& args) {
  const View& x = args.inputs[0];
  const DynamicScale made =
      dynamic_quantize(x.dtype, bytes_of(x), x.numel(), args.outputs[0].as<uint8_t>());
  *args.outputs[1].as<float>() = made.scale;
  *args.outputs[2].as<int32_t>() = made.zero;
}

}  // namespace tilegrad
