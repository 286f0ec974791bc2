// matmul on the CPU: the strides go to the product of the core as they are. 16-bit floats are widened as they are packed
// or streamed, computed in f32 and rounded once.
#include <algorithm>
#include <memory>
#include <type_traits>

#include "core/cpu/copy.h"
#include "core/cpu/gemm.h"
#include "core/cpu/half.h"
#include "core/cpu/scratch.h"
#include "core/packed_forms.h"
#include "ops/matmul/matmul.h"

namespace tilegrad {
namespace {

constexpr int64_t kWideElements = 1 << 24, kWideRows = 128;  // each part packs B anew

// A contiguous view of what kernels that compute with T read: the view itself if it is one, else a copy that lies here.
template <class T, class S>
class Straight {
 public:
  explicit Straight(const View& view) : view_(view) {
    if (!view || (std::is_same_v<T, S> && view.layout.is_contiguous())) return;
    const int64_t n = view.numel();
    std::unique_ptr<S[]> copy;
    const S* from = view.as<S>();
    if (!view.layout.is_contiguous()) {
      copy.reset(new S[static_cast<size_t>(n)]);
      copy_strided_cpu(view, {copy.get(), Layout::contiguous(view.shape()), view.dtype});
      from = copy.get();
    }
    data_.reset(new T[static_cast<size_t>(n)]);
    if constexpr (std::is_same_v<T, S>) {
      std::copy(from, from + n, data_.get());
    } else {
      widen(view.dtype, from, data_.get(), n);
    }
    view_ = {data_.get(), Layout::contiguous(view.shape()), view.dtype};
  }
  const View& view() const { return view_; }

 private:
  View view_;
  std::unique_ptr<T[]> data_;
};

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

// Inputs a, b, bias or absent, residual or absent.
template <class T, class S = T>
void multiply(const KernelArgs& args, Activation activation, const View& out) {
  const View &a = args.inputs[0], &b = args.inputs[1];
  const Straight<T, S> bias(args.has(2) ? args.inputs[2] : View{});
  const Straight<T, S> residual(args.has(3) ? args.inputs[3] : View{});
  GemmBatch batch;
  Gemm<T, S> g =
      matmul_product<T, S>(a, b, {bias.view(), residual.view(), activation}, out, &batch);
  PackedForm kept;
  if constexpr (std::is_same_v<S, float>) {
    if (b.layout.rank() == 2) kept = kept_weight(args.packed, &g, batch);
  }
  gemm_batched(g, batch);
}

// Places [first, first + count) of dimension `d` of the result, as a view of `rank` or fewer dimensions has them.
View part(View view, int rank, int d, int64_t first, int64_t count) {
  Layout& layout = view.layout;
  const int own = d - (rank - layout.rank());
  if (!view.data || own < 0 || layout.shape[own] == 1) return view;
  layout.offset += first * layout.strides[own];
  layout.shape[own] = count;
  return view;
}

// Large results are computed in parts of the first dimension that has several places, columns aside: their f32 sums take
// room beside them.
template <class S>
void multiply_16_bit(const KernelArgs& args, Activation activation) {
  const View& out = args.outputs[0];
  const int64_t n = out.numel();
  const int rank = out.layout.rank();
  int d = 0;
  while (d < rank - 2 && out.shape()[d] == 1) ++d;
  const bool rows = d == rank - 2;
  const int64_t places = out.shape()[d], least = rows ? kWideRows : 1;
  const int64_t at_once = std::max(kWideElements / (n / places), least);
  for (int64_t first = 0; places > at_once && first < places; first += at_once) {
    const int64_t count = std::min(at_once, places - first);
    View inputs[4];
    for (int i = 0; i < args.input_count; ++i) {
      const bool takes = i != 2 && !(rows && i == 1);
      inputs[i] = takes ? part(args.inputs[i], rank, d, first, count) : args.inputs[i];
    }
    const View some = part(out, rank, d, first, count);
    multiply_16_bit<S>({args.op, inputs, args.input_count, &some, 1, args.attrs, args.stream},
                       activation);
  }
  if (places > at_once) return;
  float* sums =
      static_cast<float*>(scratch(ScratchSlot::whole, sizeof(float) * static_cast<size_t>(n)));
  multiply<float, S>(args, activation, {sums, Layout::contiguous(out.shape()), DType::f32});
  narrow(out.dtype, sums, out.as<uint16_t>(), n);
}

}  // namespace

void matmul_cpu(KernelArgs& args) { product_cpu(args, Activation::none); }

void product_cpu(KernelArgs& args, Activation activation) {
  const View& out = args.outputs[0];
  switch (out.dtype) {
    case DType::f32:
      return multiply<float>(args, activation, out);
    case DType::f64:
      return multiply<double>(args, activation, out);
    case DType::bf16:
      return multiply_16_bit<bf16>(args, activation);
    default:
      return multiply_16_bit<f16>(args, activation);
  }
}

}  // namespace tilegrad
