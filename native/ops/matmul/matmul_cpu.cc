// matmul on the CPU: the strides go to the product of the core as they are. 16-bit floats are widened to f32 once, computed in f32 and rounded once.
#include <memory>

#include "core/cpu/copy.h"
#include "core/cpu/gemm.h"
#include "core/cpu/half.h"
#include "core/parallel.h"
#include "ops/matmul/matmul.h"

namespace tilegrad {
namespace {

template <class T>
void multiply(const View& a, const View& b, const View* bias, const View& out) {
  std::unique_ptr<T[]> straight;  // the kernel reads bias without a stride
  const T* values = bias != nullptr ? bias->as<T>() : nullptr;
  if (bias != nullptr && !bias->layout.is_contiguous()) {
    const int64_t n = bias->numel();
    straight.reset(new T[static_cast<size_t>(n)]);
    for (int64_t j = 0; j < n; ++j) straight[j] = values[j * bias->layout.strides[0]];
    values = straight.get();
  }
  GemmBatch batch;
  const Gemm<T> g = matmul_product(a, b, values, out, &batch);
  gemm_batched(g, batch);
}

// A contiguous f32 copy of a 16-bit view.
class Widened {
 public:
  explicit Widened(const View& view)
      : view_{nullptr, Layout::contiguous(view.shape()), DType::f32} {
    const int64_t n = view.numel();
    data_.reset(new float[static_cast<size_t>(n)]);
    view_.data = data_.get();
    if (view.layout.is_contiguous()) {
      widen(view.dtype, view.as<uint16_t>(), data_.get(), n);
      return;
    }
    const std::unique_ptr<uint16_t[]> straight(new uint16_t[static_cast<size_t>(n)]);
    copy_strided_cpu(view, {straight.get(), view_.layout, view.dtype});
    widen(view.dtype, straight.get(), data_.get(), n);
  }
  const View& view() const { return view_; }

 private:
  View view_;
  std::unique_ptr<float[]> data_;
};

void multiply_16_bit(const View& a, const View& b, const View* bias, const View& out) {
  const Widened wide_a(a), wide_b(b);
  std::unique_ptr<Widened> wide_bias;
  if (bias != nullptr) wide_bias = std::make_unique<Widened>(*bias);
  const int64_t n = out.numel();
  const std::unique_ptr<float[]> result(new float[static_cast<size_t>(n)]);
  multiply<float>(wide_a.view(), wide_b.view(), wide_bias ? &wide_bias->view() : nullptr,
                  {result.get(), Layout::contiguous(out.shape()), DType::f32});
  narrow(out.dtype, result.get(), out.as<uint16_t>(), n);
}

}  // namespace

void matmul_cpu(KernelArgs& args) {
  const View &a = args.inputs[0], &b = args.inputs[1], &out = args.outputs[0];
  const View* bias = args.has(2) ? &args.inputs[2] : nullptr;
  switch (out.dtype) {
    case DType::f32:
      return multiply<float>(a, b, bias, out);
    case DType::f64:
      return multiply<double>(a, b, bias, out);
    default:
      return multiply_16_bit(a, b, bias, out);
  }
}

}  // namespace tilegrad
