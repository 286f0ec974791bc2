// The CUDA kernels of one family of functions, named by TG_FAMILY: the body of elementwise_<family>_cuda.cu.
// A grid-stride loop; operands that walk memory in order move in vectors of up to 16 bytes, others element by element
// through their strides. Bytes moved: one read per input element and one write per output element.
// An expression for all dtypes compares with zero for unsigned ones too.
#ifdef __CUDACC__
#pragma nv_diag_suppress 186
#endif

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "core/cuda/cuda_device.h"
#include "core/cuda/strided.cuh"
#include "core/dtype.h"
#include "core/math.h"
#include "ops/elementwise/arithmetic.h"
#include "ops/elementwise/elementwise_cuda.h"

namespace tilegrad {

namespace {

#include "ops/elementwise/functor_structs.h"

using cuda::Strided;

constexpr int kThreads = 256;

// A bool in memory is a byte: any but 0 counts as true.
template <class T>
struct StoredAs {
  using type = T;
};
template <>
struct StoredAs<bool> {
  using type = uint8_t;
};

template <class S, int N>
struct alignas(sizeof(S) * N) Pack {
  S items[N];
};

// An operand of compute type C in memory as S; a number has a null pointer and its value by side.
template <class C, class S>
struct Operand {
  const S* __restrict__ data;
  C number;

  __device__ __forceinline__ C at(int64_t i) const {
    return data ? static_cast<C>(data[i]) : number;
  }
  template <int N>
  __device__ __forceinline__ void pack(int64_t offset, int64_t i, C (&values)[N]) const {
    Pack<S, N> pack = {};
    if (data) pack = reinterpret_cast<const Pack<S, N>*>(data + offset)[i];
#pragma unroll
    for (int j = 0; j < N; j++) values[j] = data ? static_cast<C>(pack.items[j]) : number;
  }
};

// The operand types of function F over tensors of T: the first one of a choice is a bool.
template <class F, class T>
struct Types {
  static constexpr bool kSelects = !std::is_same_v<typename F::First, typename F::Type>;
  using Compute = typename F::Type;
  using First =
      Operand<typename F::First, std::conditional_t<kSelects, uint8_t, typename StoredAs<T>::type>>;
  using Other = Operand<Compute, typename StoredAs<T>::type>;
  using Out = std::conditional_t<std::is_same_v<typename F::Result, Compute>,
                                 typename StoredAs<T>::type, uint8_t>;
};

// Elements of a pack: 16 bytes of the widest type that takes part.
template <class T>
constexpr int kPack = 16 / sizeof(T);

// out[i] = f(a[i], b[i], c[i]), as many of them as f takes; with `vectors`, all walk memory in order from aligned starts.
template <class F, class T>
__global__ void __launch_bounds__(kThreads)
    elementwise(const F f, const typename Types<F, T>::First a, const typename Types<F, T>::Other b,
                const typename Types<F, T>::Other c, typename Types<F, T>::Out* __restrict__ out,
                const Strided<F::kInputs + 1> layout, bool vectors) {
  using C = typename F::Type;
  using Out = typename Types<F, T>::Out;
  constexpr int kInputs = F::kInputs, kCount = kPack<T>;
  const int64_t first = int64_t{blockIdx.x} * kThreads + threadIdx.x,
                step = int64_t{kThreads} * gridDim.x;
  int64_t done = 0;
  if (vectors) {
    const int64_t packs = layout.numel / kCount;
    for (int64_t i = first; i < packs; i += step) {
      typename F::First x[kCount];
      [[maybe_unused]] C y[kCount], z[kCount];
      a.pack(layout.offsets[1], i, x);
      if constexpr (kInputs > 1) b.pack(layout.offsets[2], i, y);
      if constexpr (kInputs > 2) c.pack(layout.offsets[3], i, z);
      Pack<Out, kCount> result;
#pragma unroll
      for (int j = 0; j < kCount; j++) {
        if constexpr (kInputs == 1) result.items[j] = static_cast<Out>(f(x[j]));
        if constexpr (kInputs == 2) result.items[j] = static_cast<Out>(f(x[j], y[j]));
        if constexpr (kInputs == 3) result.items[j] = static_cast<Out>(f(x[j], y[j], z[j]));
      }
      reinterpret_cast<Pack<Out, kCount>*>(out + layout.offsets[0])[i] = result;
    }
    done = packs * kCount;
  }
  for (int64_t i = done + first; i < layout.numel; i += step) {
    int64_t at[kInputs + 1];
    layout.locate(i, at);
    Out& result = out[at[0]];
    if constexpr (kInputs == 1) result = static_cast<Out>(f(a.at(at[1])));
    if constexpr (kInputs == 2) result = static_cast<Out>(f(a.at(at[1]), b.at(at[2])));
    if constexpr (kInputs == 3) result = static_cast<Out>(f(a.at(at[1]), b.at(at[2]), c.at(at[3])));
  }
}

// What a launch needs to know of an operand on the host.
struct HostOperand {
  const View* tensor = nullptr;  // null: a number
  double number = 0;
};

// The number takes the tensor's dtype, as on the CPU. Values that are only
// moved are its bits in a T of its size.
template <class T, class O>
O operand(const HostOperand& from, bool moved, DType dtype) {
  O operand{};
  if (from.tensor) {
    operand.data = static_cast<decltype(operand.data)>(from.tensor->data);
  } else if (moved) {
    TG_DISPATCH_ALL(dtype, R, {
      const R value = static_cast<R>(static_cast<compute_t<R>>(from.number));
      memcpy(&operand.number, &value, std::min(sizeof value, sizeof operand.number));
    });
  } else {
    using C = decltype(operand.number);
    operand.number = static_cast<C>(static_cast<T>(static_cast<compute_t<T>>(from.number)));
  }
  return operand;
}

template <int N>
void host_operands(const KernelArgs& args, HostOperand (&operands)[N]) {
  for (int i = 0; i < N && i < args.input_count; i++)
    if (args.inputs[i]) operands[i].tensor = &args.inputs[i];
  if constexpr (N == 2) {
    if (args.input_count == 1) {
      operands[1].number = args.attrs.number("scalar");
      if (args.attrs.choice("side") == 1) std::swap(operands[0], operands[1]);
    }
  }
  if constexpr (N == 3) {
    operands[1].number = args.attrs.number("scalar_b");
    operands[2].number = args.attrs.number("scalar_c");
  }
}

template <class F>
F function(const KernelArgs& args) {
  F f{};
  if constexpr (F::kParams > 0) {
    using C = typename F::Type;
    C params[F::kParams];
    for (int i = 0; i < F::kParams; i++)
      params[i] = saturated<C>(args.attrs.scalars[(F::kInputs == 1 ? 0 : 2) + i]);
    static_assert(sizeof params == sizeof f);
    memcpy(&f, params, sizeof f);
  }
  return f;
}

template <class T>
bool aligned(const View& view, int64_t offset, size_t bytes) {
  return (reinterpret_cast<uintptr_t>(view.data) + static_cast<size_t>(offset) * sizeof(T)) %
             bytes ==
         0;
}

template <class F, class T>
void run(KernelArgs& args) {
  using O = Types<F, T>;
  constexpr int N = F::kInputs;
  const View& out = args.outputs[0];
  auto& stream = cuda::stream_of(args.stream);
  HostOperand operands[N];
  host_operands(args, operands);
  Layout layouts[N + 1] = {out.layout};
  // A number's layout is that of the output, unused.
  for (int k = 0; k < N; k++) {
    const View* tensor = operands[k].tensor;
    layouts[k + 1] = tensor ? broadcast_to(tensor->layout, out.shape()) : out.layout;
  }
  const Strided<N + 1> layout(layouts);
  constexpr size_t kBytes = sizeof(typename StoredAs<T>::type) * kPack<T>;
  bool vectors =
      layout.contiguous() &&
      aligned<typename O::Out>(out, layout.offsets[0], sizeof(typename O::Out) * kPack<T>);
  for (int k = 0; k < N; k++) {
    if (!operands[k].tensor) continue;
    const View& view = *operands[k].tensor;
    const bool is_mask = k == 0 && O::kSelects;
    vectors = vectors && (is_mask ? aligned<uint8_t>(view, layout.offsets[k + 1], kPack<T>)
                                  : aligned<T>(view, layout.offsets[k + 1], kBytes));
  }
  const int per_block = kThreads * (vectors ? kPack<T> : 1);
  const HostOperand none;
  cuda::check(launch(elementwise<F, T>, dim3(cuda::grid_size(stream, layout.numel, per_block)),
                     dim3(kThreads), 0, stream.handle(), function<F>(args),
                     operand<std::conditional_t<O::kSelects, bool, T>, typename O::First>(
                         operands[0], false, out.dtype),
                     operand<T, typename O::Other>(N > 1 ? operands[N > 1 ? 1 : 0] : none,
                                                   O::kSelects, out.dtype),
                     operand<T, typename O::Other>(N > 2 ? operands[N > 2 ? 2 : 0] : none,
                                                   O::kSelects, out.dtype),
                     static_cast<typename O::Out*>(out.data), layout, vectors),
              "launch");
}

// The dtype of the operands; of a choice the first is a bool.
inline DType operand_dtype(const KernelArgs& args) {
  DType dtype = args.outputs[0].dtype;
  for (int i = 0; i < args.input_count; i++)
    if (args.inputs[i]) dtype = args.inputs[i].dtype;
  return dtype;
}

}  // namespace

#define TG_RUN(name) run<name##_functor<compute_t<T>>, T>(args)
#define TG_RUN_FLOAT(name) TG_DISPATCH_FLOAT(operand_dtype(args), T, TG_RUN(name))
#define TG_RUN_NUMBER(name) TG_DISPATCH_NUMBER(operand_dtype(args), T, TG_RUN(name))
#define TG_RUN_ALL(name) TG_DISPATCH_ALL(operand_dtype(args), T, TG_RUN(name))
#define TG_RUN_BITS(name)                   \
  switch (operand_dtype(args)) {            \
    TG_CASES_INTEGER(T, TG_RUN(name))       \
    TG_CASE(boolean, bool, T, TG_RUN(name)) \
    default:                                \
      __builtin_unreachable();              \
  }
// Moved, not computed with: 16-bit floats are their bits.
#define TG_RUN_SIZE(name) TG_DISPATCH_SIZE(operand_dtype(args), T, TG_RUN(name))

#define TG_FUNCTION(inputs, result, name, dtypes, params, expression) \
  void name##_cuda(KernelArgs& args) { TG_RUN_##dtypes(name) }
#include "ops/elementwise/functors.h"
#undef TG_FUNCTION

}  // namespace tilegrad
