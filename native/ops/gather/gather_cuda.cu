// gather, scatter and scatter_add on CUDA. gather: a thread per element. The others: a thread per line along the indexed
// dimension and range of its places walks the line's index in order, so that the bits are the same on every run without
// an atomic, and of several elements for one place the last stays.
// Positions out of range are skipped and reported.
#include "core/cpu/indexed.h"
#include "core/cuda/cuda_device.h"
#include "core/cuda/index_fault.cuh"
#include "core/cuda/sums.cuh"
#include "ops/gather/gather.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;
constexpr int64_t kWanted = 65536;  // threads that keep a device busy

template <class T, class I>
__global__ void __launch_bounds__(kThreads)
    gather_elements(const GatherPlan p, const T* __restrict__ x, const I* __restrict__ index,
                    T* __restrict__ out, const cuda::IndexCheck check) {
  const int64_t step = int64_t{kThreads} * gridDim.x, count = p.rows * p.n;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += step) {
    const int64_t row = i / p.n, at = index[i];
    const bool inside = check(at, i);
    out[i] = inside ? x[p.base(row) + at * p.along + (i - row * p.n) * p.step] : T(0);
  }
}

// Lines of the index along the indexed dimension: `length` elements, `after` apart.
struct Lines {
  int64_t count, length, after, ranges;
};

// The place in the indexed tensor where the line begins.
__device__ int64_t line_base(const GatherPlan& p, int64_t line) {
  int64_t at = 0;
  for (int d = p.rank - 1; d >= 0; d--) {
    if (d == p.dim) continue;
    at += line % p.index_shape[d] * p.strides[d];
    line /= p.index_shape[d];
  }
  return at;
}

// Out: compute_t<T> to add, T to write.
template <class T, class I, bool add, class Out>
__global__ void __launch_bounds__(kThreads)
    scatter_lines(const GatherPlan p, const Lines lines, const I* __restrict__ index,
                  const T* __restrict__ source, T value, Out* __restrict__ out,
                  const cuda::IndexCheck check) {
  const int64_t step = int64_t{kThreads} * gridDim.x;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < lines.count * lines.ranges;
       i += step) {
    const int64_t range = i / lines.count, line = i - range * lines.count;
    const int64_t first = p.size * range / lines.ranges, last = p.size * (range + 1) / lines.ranges;
    const int64_t outer = line / lines.after;
    const int64_t start = outer * lines.length * lines.after + line - outer * lines.after;
    const int64_t base = line_base(p, line);
    for (int64_t k = 0; k < lines.length; k++) {
      const int64_t element = start + k * lines.after, at = index[element];
      if (range == 0) check(at, element);
      if (at < first || at >= last) continue;
      Out& to = out[base + at * p.along];
      if constexpr (add)
        to += static_cast<Out>(source[element]);
      else
        to = source ? source[element] : value;
    }
  }
}

template <class T, class I, bool add, class Out>
void run(KernelArgs& args, const GatherPlan& p, const View& index, const View* source, T value,
         Out* out) {
  const Shape& shape = index.shape();
  Lines lines{1, shape.rank > 0 ? shape[p.dim] : 1, 1, 1};
  for (int d = 0; d < shape.rank; d++) {
    if (d != p.dim) lines.count *= shape[d];
    if (d > p.dim) lines.after *= shape[d];
  }
  const int64_t wanted = kWanted / lines.count;
  lines.ranges = wanted < 1 ? 1 : wanted < p.size ? wanted : p.size;
  if (lines.ranges < 1) lines.ranges = 1;
  auto& stream = cuda::stream_of(args.stream);
  const auto op = add ? cuda::IndexedOp::scatter_add : cuda::IndexedOp::scatter;
  const int grid = cuda::grid_size(stream, lines.count * lines.ranges, kThreads);
  cuda::check(launch(scatter_lines<T, I, add, Out>, dim3(grid), dim3(kThreads), 0, stream.handle(),
                     p, lines, index.as<I>(), source ? source->as<T>() : nullptr, value, out,
                     cuda::index_check(stream, op, p.dim, p.size)),
              "launch");
}

}  // namespace

void gather_cuda(KernelArgs& args) {
  const View &x = args.inputs[0], &index = args.inputs[1], &out = args.outputs[0];
  const GatherPlan p = gather_plan(args.attrs, x.shape(), index.shape());
  auto& stream = cuda::stream_of(args.stream);
  const dim3 grid(cuda::grid_size(stream, out.numel(), kThreads));
  const auto check = cuda::index_check(stream, cuda::IndexedOp::gather, p.dim, p.size);
  TG_DISPATCH_SIZE(x.dtype, T, {TG_DISPATCH_INDEX(index.dtype, I, {
                     cuda::check(
                         launch(gather_elements<T, I>, grid, dim3(kThreads), 0, stream.handle(), p,
                                x.as<T>(), index.as<I>(), out.as<T>(), check),
                         "launch");
                   })});
}

void scatter_cuda(KernelArgs& args) {
  const View &x = args.inputs[0], &index = args.inputs[1], &out = args.outputs[0];
  cuda::start_from(cuda::stream_of(args.stream), out, &x);
  if (index.numel() == 0) return;
  const GatherPlan p = gather_plan(args.attrs, x.shape(), index.shape());
  const double number = args.attrs.number("value");
  const View* source = args.has(2) ? &args.inputs[2] : nullptr;
  TG_DISPATCH_ALL(out.dtype, T, {
    const T value = static_cast<T>(static_cast<compute_t<T>>(number));
    TG_DISPATCH_INDEX(index.dtype, I,
                      { run<T, I, false>(args, p, index, source, value, out.as<T>()); })
  });
}

void scatter_add_cuda(KernelArgs& args) {
  const View &index = args.inputs[0], &out = args.outputs[0];
  const GatherPlan p = gather_plan(args.attrs, out.shape(), index.shape());
  auto& stream = cuda::stream_of(args.stream);
  TG_DISPATCH_NUMBER(out.dtype, T, {
    cuda::add_onto<T>(stream, out, args.has(2) ? &args.inputs[2] : nullptr, [&](auto* sums) {
      if (index.numel() == 0) return;
      TG_DISPATCH_INDEX(index.dtype, I,
                        { run<T, I, true>(args, p, index, &args.inputs[1], T{}, sums); })
    });
  });
}

}  // namespace tilegrad
