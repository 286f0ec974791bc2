// Elementwise functions on CUDA, from the same expressions as on the CPU (functors.h). A grid-stride loop;
// contiguous operands move in vectors of 16 bytes, others element by element through their strides.
// Bytes moved: one read per input element and one write per output element.
#include "core/cuda/cuda_device.h"
#include "core/cuda/strided.cuh"
#include "core/dtype.h"
#include "core/math.h"
#include "ops/elementwise/elementwise_cuda.h"

namespace tilegrad {

namespace {

using cuda::Strided;

constexpr int kThreads = 256;

template <class T>
struct alignas(16) Pack {
  static constexpr int kCount = 16 / sizeof(T);
  T items[kCount];
};

template <class T>
using C = compute_t<T>;

template <class T>
__host__ __device__ T narrow(C<T> value) {
  return static_cast<T>(value);
}

// out[i] = fn(x[i]); with `vectors`, all three walk memory in order from 16-byte aligned starts.
template <class Fn, class T>
__global__ void __launch_bounds__(kThreads)
    unary(const T* __restrict__ x, T* __restrict__ out, const Strided<2> layout, bool vectors) {
  const Fn fn;
  const int64_t first = int64_t{blockIdx.x} * kThreads + threadIdx.x,
                step = int64_t{kThreads} * gridDim.x;
  int64_t done = 0;
  if (vectors) {
    constexpr int kCount = Pack<T>::kCount;
    const int64_t packs = layout.numel / kCount;
    for (int64_t i = first; i < packs; i += step) {
      Pack<T> pack = reinterpret_cast<const Pack<T>*>(x + layout.offsets[1])[i];
#pragma unroll
      for (int j = 0; j < kCount; j++)
        pack.items[j] = narrow<T>(fn(static_cast<C<T>>(pack.items[j])));
      reinterpret_cast<Pack<T>*>(out + layout.offsets[0])[i] = pack;
    }
    done = packs * kCount;
  }
  for (int64_t i = done + first; i < layout.numel; i += step) {
    int64_t at[2];
    layout.locate(i, at);
    out[at[0]] = narrow<T>(fn(static_cast<C<T>>(x[at[1]])));
  }
}

// A scalar operand has a null pointer and its value by side.
template <class Fn, class T>
__global__ void __launch_bounds__(kThreads)
    binary(const T* __restrict__ a, const T* __restrict__ b, C<T> scalar, T* __restrict__ out,
           const Strided<3> layout, bool vectors) {
  const Fn fn;
  const int64_t first = int64_t{blockIdx.x} * kThreads + threadIdx.x,
                step = int64_t{kThreads} * gridDim.x;
  int64_t done = 0;
  if (vectors) {
    constexpr int kCount = Pack<T>::kCount;
    const int64_t packs = layout.numel / kCount;
    for (int64_t i = first; i < packs; i += step) {
      Pack<T> left = {}, right = {};
      if (a) left = reinterpret_cast<const Pack<T>*>(a + layout.offsets[1])[i];
      if (b) right = reinterpret_cast<const Pack<T>*>(b + layout.offsets[2])[i];
#pragma unroll
      for (int j = 0; j < kCount; j++) {
        left.items[j] = narrow<T>(fn(a ? static_cast<C<T>>(left.items[j]) : scalar,
                                     b ? static_cast<C<T>>(right.items[j]) : scalar));
      }
      reinterpret_cast<Pack<T>*>(out + layout.offsets[0])[i] = left;
    }
    done = packs * kCount;
  }
  for (int64_t i = done + first; i < layout.numel; i += step) {
    int64_t at[3];
    layout.locate(i, at);
    out[at[0]] = narrow<T>(
        fn(a ? static_cast<C<T>>(a[at[1]]) : scalar, b ? static_cast<C<T>>(b[at[2]]) : scalar));
  }
}

template <class T, int N>
bool aligned(const Strided<N>& layout, const void* const (&data)[N]) {
  for (int k = 0; k < N; k++) {
    if (data[k] &&
        reinterpret_cast<uintptr_t>(static_cast<const T*>(data[k]) + layout.offsets[k]) % 16)
      return false;
  }
  return true;
}

template <class Fn, class T>
void run_unary(KernelArgs& args) {
  const View &x = args.inputs[0], &out = args.outputs[0];
  auto& stream = cuda::stream_of(args.stream);
  Layout layouts[2] = {out.layout, x.layout};
  const Strided<2> layout(layouts);
  const void* data[2] = {out.data, x.data};
  const bool vectors = layout.contiguous() && aligned<T>(layout, data);
  const int per_block = kThreads * (vectors ? Pack<T>::kCount : 1);
  cuda::check(launch(unary<Fn, T>, dim3(cuda::grid_size(stream, layout.numel, per_block)),
                     dim3(kThreads), 0, stream.handle(), static_cast<const T*>(x.data),
                     static_cast<T*>(out.data), layout, vectors),
              "launch");
}

template <class Fn, class T>
void run_binary(KernelArgs& args) {
  const View& out = args.outputs[0];
  auto& stream = cuda::stream_of(args.stream);
  const int side = args.attrs.choice("side");  // none, left, right
  const View* a = side == 1 ? nullptr : &args.inputs[0];
  const View* b = side == 2 ? nullptr : &args.inputs[side == 1 ? 0 : 1];
  const double scalar = side == 0 ? 0 : args.attrs.number("scalar");
  // The scalar takes the tensor's dtype, as on the CPU; its layout is that of the other operand, unused.
  const C<T> typed = static_cast<C<T>>(static_cast<T>(static_cast<C<T>>(scalar)));
  Layout layouts[3] = {out.layout, broadcast_to((a ? a : b)->layout, out.shape()),
                       broadcast_to((b ? b : a)->layout, out.shape())};
  const Strided<3> layout(layouts);
  const void* data[3] = {out.data, a ? a->data : nullptr, b ? b->data : nullptr};
  const bool vectors = layout.contiguous() && aligned<T>(layout, data);
  const int per_block = kThreads * (vectors ? Pack<T>::kCount : 1);
  cuda::check(
      launch(binary<Fn, T>, dim3(cuda::grid_size(stream, layout.numel, per_block)), dim3(kThreads),
             0, stream.handle(), static_cast<const T*>(data[1]), static_cast<const T*>(data[2]),
             typed, static_cast<T*>(out.data), layout, vectors),
      "launch");
}

}  // namespace

#define TG_RUN_FLOAT(run, Fn) TG_DISPATCH_FLOAT(args.inputs[0].dtype, T, run<Fn, T>(args))
#define TG_RUN_NUMBER(run, Fn) TG_DISPATCH_NUMBER(args.inputs[0].dtype, T, run<Fn, T>(args))

#define TG_UNARY(fn, dtypes, expression)                 \
  namespace {                                            \
  struct fn##_functor {                                  \
    template <class T>                                   \
    __device__ __forceinline__ T operator()(T x) const { \
      return static_cast<T>(expression);                 \
    }                                                    \
  };                                                     \
  }                                                      \
  void fn##_cuda(KernelArgs& args) { TG_RUN_##dtypes(run_unary, fn##_functor) }
#define TG_BINARY(fn, dtypes, expression)                     \
  namespace {                                                 \
  struct fn##_functor {                                       \
    template <class T>                                        \
    __device__ __forceinline__ T operator()(T a, T b) const { \
      return static_cast<T>(expression);                      \
    }                                                         \
  };                                                          \
  }                                                           \
  void fn##_cuda(KernelArgs& args) { TG_RUN_##dtypes(run_binary, fn##_functor) }
#include "ops/elementwise/functors.h"

}  // namespace tilegrad
