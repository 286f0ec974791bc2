// int8_matmul on the CPU: the strides go to the product of the core as they are, one product per matrix of the batch.
#include <memory>

#include "core/batch.h"
#include "core/cpu/int8_epilogue.h"
#include "core/view_bytes.h"
#include "ops/int8_matmul/int8_matmul.h"

namespace tilegrad {
namespace {

// The vector as the epilogue takes it; strided ones (rare, short) are copied.
template <class T>
class Values {
 public:
  Values(KernelArgs& args, int input, bool per_row) {
    if (!args.has(input)) return;
    const View& v = args.inputs[input];
    const int64_t n = v.numel();
    copy_.reset(new T[static_cast<size_t>(n)]);
    const int64_t stride = v.layout.rank() == 0 ? 0 : v.layout.strides[0];
    for (int64_t i = 0; i < n; ++i) copy_[i] = v.as<T>()[i * stride];
    value_ = {copy_.get(), n > 1 && per_row ? 1 : 0, n > 1 && !per_row ? 1 : 0};
  }
  const PerAxis<T>& get() const { return value_; }

 private:
  std::unique_ptr<T[]> copy_;
  PerAxis<T> value_;
};

void finish(const void* context, const Int8Tile& tile) {
  TILEGRAD_SIMD(int8_epilogue)(*static_cast<const Int8Epilogue*>(context), tile);
}

// Element offset of matrix `index` of the batch, whose shape is that of the output.
int64_t batch_offset(const Layout& layout, const Shape& out, int64_t index) {
  int64_t strides[kMaxRank], offset = 0;
  batch_strides(layout, out, strides);
  for (int d = out.rank - 3; d >= 0; --d) {
    offset += index % out[d] * strides[d];
    index /= out[d];
  }
  return offset;
}

Int8Operand operand(const View& v, int64_t offset) {
  const int rank = v.layout.rank();
  return {v.as<uint8_t>() + offset, v.dtype == DType::i8, v.layout.strides[rank - 2],
          v.layout.strides[rank - 1]};
}

}  // namespace

void int8_matmul_cpu(KernelArgs& args) {
  const View &a = args.inputs[kInt8First], &b = args.inputs[kInt8Second], &out = args.outputs[0];
  const Shape& shape = out.shape();
  const Values<int32_t> a_zero(args, kInt8FirstZero, true), b_zero(args, kInt8SecondZero, false);
  const Values<float> scale(args, kInt8Scale, false);
  const bool float_bias = args.has(kInt8Bias) && args.inputs[kInt8Bias].dtype == DType::f32;

  Int8Gemm g;
  g.m = shape[shape.rank - 2], g.n = shape[shape.rank - 1];
  g.k = a.shape()[a.layout.rank() - 1];
  Int8Epilogue e = int8_epilogue_of(args);
  e.k = g.k;
  e.a_zero = a_zero.get(), e.b_zero = b_zero.get();
  e.a_signed = a.dtype == DType::i8, e.b_signed = b.dtype == DType::i8;
  e.scale = scale.get();
  std::unique_ptr<Values<float>> bias_f32;
  std::unique_ptr<Values<int32_t>> bias_i32;
  if (float_bias) {
    bias_f32 = std::make_unique<Values<float>>(args, kInt8Bias, false);
    e.bias_f32 = {bias_f32->get().data, 0, 1};
  } else if (args.has(kInt8Bias)) {
    bias_i32 = std::make_unique<Values<int32_t>>(args, kInt8Bias, false);
    e.bias_i32 = {bias_i32->get().data, 0, 1};
  }
  e.out_row = g.n;
  g.finish = finish;
  g.finish_context = &e;
  g.wants_a_sums = e.b_zero.data != nullptr;
  g.packed = args.packed;
  g.raw = out.dtype == DType::i32 && !e.a_zero.data && !e.b_zero.data && !e.bias_i32.data;
  const int64_t matrix = g.m * g.n, count = out.numel() / matrix;
  for (int64_t i = 0; i < count; ++i) {
    g.a = operand(a, batch_offset(a.layout, shape, i));
    g.b = operand(b, batch_offset(b.layout, shape, i));
    e.out = static_cast<char*>(out.data) +
            (out.layout.offset + i * matrix) * static_cast<int64_t>(dtype_size(out.dtype));
    if (out.dtype == DType::i32) {
      g.c = static_cast<int32_t*>(e.out);
      g.c_row = g.n;
    }
    int8_gemm(g);
  }
}

void int8_linear_dynamic_cpu(KernelArgs& args) {
  const View &x = args.inputs[kDynamicX], &weight = args.inputs[kDynamicWeight];
  const View& out = args.outputs[0];
  const int64_t n = weight.shape()[0], k = weight.shape()[1];
  const std::unique_ptr<uint8_t[]> levels(new uint8_t[static_cast<size_t>(x.numel())]);
  const std::unique_ptr<float[]> scales(new float[static_cast<size_t>(n)]);
  const DynamicScale made = dynamic_quantize(x.dtype, bytes_of(x), x.numel(), levels.get());
  Int8Epilogue e = dynamic_epilogue(args, made, n, false, scales.get());
  e.k = k;
  e.a_zero = {&made.zero, 0, 0};
  e.b_signed = true;
  e.out = out.as<float>();
  e.out_row = n;
  Int8Gemm g;
  g.m = out.numel() / n, g.n = n, g.k = k;
  g.a = {levels.get(), false, k, 1};
  g.b = {weight.as<uint8_t>(), true, 1, k};
  g.finish = finish, g.finish_context = &e;
  g.wants_a_sums = false;
  g.packed = args.packed;
  int8_gemm(g);
}

}  // namespace tilegrad
