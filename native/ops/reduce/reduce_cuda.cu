// Sums over any dimensions on CUDA, strided. Few values per result: a thread each; many: a block of 256
// each, whose threads walk the values with a stride of 256. Both orders depend on the shape alone, so the
// bits are the same on every run. f16, bf16 and f32 are summed in f32, integers in 64 bits.
// Bytes moved: one read per element, one write per result.
#include "core/cuda/cuda_device.h"
#include "core/cuda/reduce.cuh"
#include "core/cuda/strided.cuh"
#include "core/op.h"

namespace tilegrad {

namespace {

using cuda::Strided;

template <class T>
struct total_of {
  using type = std::conditional_t<std::is_integral_v<T>, int64_t, compute_t<T>>;
};
template <class T>
using Total = typename total_of<T>::type;
template <class T>
using Sum = std::conditional_t<std::is_integral_v<T>, int64_t, T>;

constexpr int kThreads = 256;
constexpr int64_t kFew = 32;  // values per result up to which a thread takes them all

template <class T>
__global__ void __launch_bounds__(kThreads)
    sum_by_thread(const T* __restrict__ x, Sum<T>* __restrict__ out, const Strided<1> kept,
                  const Strided<1> reduced) {
  const int64_t step = int64_t{kThreads} * gridDim.x;
  for (int64_t o = int64_t{blockIdx.x} * kThreads + threadIdx.x; o < kept.numel; o += step) {
    int64_t base[1], at[1];
    kept.locate(o, base);
    Total<T> total = 0;
    for (int64_t i = 0; i < reduced.numel; i++) {
      reduced.locate(i, at);
      total += static_cast<Total<T>>(x[base[0] + at[0]]);
    }
    out[o] = static_cast<Sum<T>>(total);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    sum_by_block(const T* __restrict__ x, Sum<T>* __restrict__ out, const Strided<1> kept,
                 const Strided<1> reduced) {
  for (int64_t o = blockIdx.x; o < kept.numel; o += gridDim.x) {
    int64_t base[1], at[1];
    kept.locate(o, base);
    Total<T> total = 0;
    for (int64_t i = threadIdx.x; i < reduced.numel; i += kThreads) {
      reduced.locate(i, at);
      total += static_cast<Total<T>>(x[base[0] + at[0]]);
    }
    total = cuda::block_reduce<kThreads>(total, cuda::Sum{});
    if (threadIdx.x == 0) out[o] = static_cast<Sum<T>>(total);
  }
}

// The dimensions of x that the mask names, or the others, as a layout of their own.
Layout part_of(const Layout& x, unsigned mask, bool named) {
  Layout part;
  for (int d = 0; d < x.rank(); d++) {
    if (((mask >> d & 1) != 0) != named) continue;
    part.strides[part.shape.rank] = x.strides[d];
    part.shape.push(x.shape[d]);
  }
  return part;
}

}  // namespace

void sum_cuda(KernelArgs& args) {
  const View &x = args.inputs[0], &out = args.outputs[0];
  int count;
  const int64_t* dims = args.attrs.integers("dims", &count);
  unsigned mask = 0;
  for (int i = 0; i < count; i++) mask |= 1u << (dims[i] < 0 ? dims[i] + x.layout.rank() : dims[i]);
  Layout kept_layouts[1] = {part_of(x.layout, mask, false)},
         reduced_layouts[1] = {part_of(x.layout, mask, true)};
  const Strided<1> kept(kept_layouts), reduced(reduced_layouts);
  auto& stream = cuda::stream_of(args.stream);
  const bool few = reduced.numel <= kFew;
  const int grid = cuda::grid_size(stream, kept.numel, few ? kThreads : 1);
  TG_DISPATCH_ALL(x.dtype, T, {
    auto* kernel = few ? sum_by_thread<T> : sum_by_block<T>;
    cuda::check(launch(kernel, dim3(grid), dim3(kThreads), 0, stream.handle(), x.as<T>(),
                       out.as<Sum<T>>(), kept, reduced),
                "launch");
  });
}

}  // namespace tilegrad
