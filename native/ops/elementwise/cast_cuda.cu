// cast on CUDA: a grid-stride loop over elements. Bytes moved: one read and one write per element.
#include "core/cuda/cuda_device.h"
#include "core/cuda/strided.cuh"
#include "core/op.h"
#include "ops/elementwise/convert.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;

template <class T>
constexpr bool kHalf = !std::is_same_v<compute_t<T>, T>;

template <class To, class From>
__device__ __forceinline__ To cast_element(From x) {
  if constexpr (std::is_same_v<From, bool>) {
    return cast_element<To, uint8_t>(x ? 1 : 0);
  } else if constexpr (std::is_same_v<To, bool>) {
    return static_cast<compute_t<From>>(x) != compute_t<From>(0);
  } else if constexpr (kHalf<To> && (sizeof(From) == 8 || std::is_same_v<From, int32_t>)) {
    return static_cast<To>(rounded_to_odd(x));
  } else {
    return static_cast<To>(converted<compute_t<To>>(static_cast<compute_t<From>>(x)));
  }
}

template <class From, class To>
__global__ void __launch_bounds__(kThreads)
    cast(const From* __restrict__ x, To* __restrict__ out, const cuda::Strided<2> layout) {
  const int64_t step = int64_t{kThreads} * gridDim.x;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < layout.numel; i += step) {
    int64_t at[2];
    layout.locate(i, at);
    out[at[0]] = cast_element<To>(x[at[1]]);
  }
}

}  // namespace

void cast_cuda(KernelArgs& args) {
  const View &x = args.inputs[0], &out = args.outputs[0];
  auto& stream = cuda::stream_of(args.stream);
  Layout layouts[2] = {out.layout, x.layout};
  const cuda::Strided<2> layout(layouts);
  const dim3 grid(cuda::grid_size(stream, layout.numel, kThreads));
  TG_DISPATCH_ALL(
      x.dtype, From, TG_DISPATCH_ALL(out.dtype, To, {
        cuda::check(launch(cast<From, To>, grid, dim3(kThreads), 0, stream.handle(),
                           static_cast<const From*>(x.data), static_cast<To*>(out.data), layout),
                    "launch");
      }));
}

}  // namespace tilegrad
