// matmul on the CPU: the strides go to the product of the core as they are. 16-bit floats are widened as they are packed
// or streamed, computed in f32 and rounded once.
#include <memory>
#include <type_traits>

#include "core/cpu/gemm.h"
#include "core/cpu/half.h"
#include "core/cpu/scratch.h"
#include "core/packed_forms.h"
#include "ops/matmul/matmul.h"

namespace tilegrad {
namespace {

// The kernels read bias without a stride, as what they compute with.
template <class T, class S>
const T* straight_bias(const View& bias, std::unique_ptr<T[]>* kept) {
  if constexpr (std::is_same_v<T, S>) {
    if (bias.layout.is_contiguous()) return bias.as<T>();
  }
  const int64_t n = bias.numel(), stride = bias.layout.strides[0];
  kept->reset(new T[static_cast<size_t>(n)]);
  for (int64_t j = 0; j < n; ++j) (*kept)[j] = T(bias.as<S>()[j * stride]);
  return kept->get();
}

// A weight that stays the same is packed once. Its rows are those of all batches together.
PackedForm kept_weight(PackedForms* forms, Gemm<float>* g, const GemmBatch& batch) {
  Gemm<float> whole = *g;
  for (int d = 0; d < batch.rank; ++d) whole.m *= batch.size[d];
  const int64_t elements = forms != nullptr ? packed_b_elements(whole) : 0;
  if (elements == 0) return nullptr;
  const PackedKey key = {
      "gemm_b",
      {static_cast<int64_t>(reinterpret_cast<intptr_t>(g->b)), g->k, g->n, g->b_row, g->b_col}};
  PackedForm kept = packed_form(forms, key, sizeof(float) * static_cast<size_t>(elements),
                                [&](void* out) { pack_b(whole, static_cast<float*>(out)); });
  g->packed_b = static_cast<const float*>(kept.get());
  return kept;
}

template <class T, class S = T>
void multiply(const View& a, const View& b, const View* bias, const View& out,
              PackedForms* forms = nullptr) {
  std::unique_ptr<T[]> straight;
  const T* values = bias != nullptr ? straight_bias<T, S>(*bias, &straight) : nullptr;
  GemmBatch batch;
  Gemm<T, S> g = matmul_product<T, S>(a, b, values, out, &batch);
  PackedForm kept;
  if constexpr (std::is_same_v<S, float>) {
    if (b.layout.rank() == 2) kept = kept_weight(forms, &g, batch);
  }
  gemm_batched(g, batch);
}

template <class S>
void multiply_16_bit(const View& a, const View& b, const View* bias, const View& out) {
  const int64_t n = out.numel();
  float* sums =
      static_cast<float*>(scratch(ScratchSlot::whole, sizeof(float) * static_cast<size_t>(n)));
  multiply<float, S>(a, b, bias, {sums, Layout::contiguous(out.shape()), DType::f32});
  narrow(out.dtype, sums, out.as<uint16_t>(), n);
}

}  // namespace

void matmul_cpu(KernelArgs& args) {
  const View &a = args.inputs[0], &b = args.inputs[1], &out = args.outputs[0];
  const View* bias = args.has(2) ? &args.inputs[2] : nullptr;
  switch (out.dtype) {
    case DType::f32:
      return multiply<float>(a, b, bias, out, args.packed);
    case DType::f64:
      return multiply<double>(a, b, bias, out);
    case DType::bf16:
      return multiply_16_bit<bf16>(a, b, bias, out);
    default:
      return multiply_16_bit<f16>(a, b, bias, out);
  }
}

}  // namespace tilegrad
