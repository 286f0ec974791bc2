// index_select and index_add on CUDA. index_select: a thread per element. index_add: a thread per column and range of
// rows walks the whole index in its order and adds what falls into its range, so that the bits are the same on every run
// without an atomic; a warp reads the index as broadcasts.
// Positions out of range are skipped and reported.
// Bytes moved: a read and a write per selected element; for index_add two reads and a write.
#include "core/cpu/indexed.h"
#include "core/cuda/cuda_device.h"
#include "core/cuda/index_fault.cuh"
#include "core/cuda/sums.cuh"
#include "ops/index_select/index_select.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;
constexpr int64_t kWanted = 65536;  // threads that keep a device busy

template <class T, class I>
__global__ void __launch_bounds__(kThreads)
    select_rows(const IndexedRows r, const T* __restrict__ x, const I* __restrict__ index,
                int64_t n, T* __restrict__ out, const cuda::IndexCheck check) {
  const int64_t step = int64_t{kThreads} * gridDim.x, count = r.outer * n * r.inner;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += step) {
    const int64_t line = i / r.inner, block = line / n, k = line - block * n;
    const int64_t row = index[k];
    const bool inside = check(row, k);
    out[i] = inside ? x[(block * r.rows + row) * r.inner + i - line * r.inner] : T(0);
  }
}

template <class T, class I>
__global__ void __launch_bounds__(kThreads)
    add_rows(const IndexedRows r, const I* __restrict__ index, int64_t n, int64_t skip,
             const T* __restrict__ source, compute_t<T>* __restrict__ out, int64_t ranges,
             const cuda::IndexCheck check) {
  using C = compute_t<T>;
  const int64_t step = int64_t{kThreads} * gridDim.x, columns = r.outer * r.inner;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < columns * ranges; i += step) {
    const int64_t range = i / columns, column = i - range * columns;
    const int64_t block = column / r.inner, c = column - block * r.inner;
    const int64_t first = r.rows * range / ranges, last = r.rows * (range + 1) / ranges;
    for (int64_t k = 0; k < n; k++) {
      const int64_t row = index[k];
      if (i == 0) check(row, k);
      if (row < first || row >= last || row == skip) continue;
      out[(block * r.rows + row) * r.inner + c] +=
          static_cast<C>(source[(block * n + k) * r.inner + c]);
    }
  }
}

}  // namespace

void index_select_cuda(KernelArgs& args) {
  const View &x = args.inputs[0], &index = args.inputs[1], &out = args.outputs[0];
  const IndexedRows r = indexed_rows(args.attrs, x.shape());
  auto& stream = cuda::stream_of(args.stream);
  const int grid = cuda::grid_size(stream, out.numel(), kThreads);
  TG_DISPATCH_SIZE(
      x.dtype, T, {TG_DISPATCH_INDEX(index.dtype, I, {
        cuda::check(launch(select_rows<T, I>, dim3(grid), dim3(kThreads), 0, stream.handle(), r,
                           x.as<T>(), index.as<I>(), index.numel(), out.as<T>(),
                           cuda::index_check(stream, cuda::IndexedOp::index_select, -1, r.rows)),
                    "launch");
      })});
}

void index_add_cuda(KernelArgs& args) {
  const View &index = args.inputs[0], &source = args.inputs[1], &out = args.outputs[0];
  const IndexedRows r = indexed_rows(args.attrs, out.shape());
  auto& stream = cuda::stream_of(args.stream);
  const int64_t columns = r.outer * r.inner, wanted = kWanted / columns;
  const int64_t ranges = wanted < 1 ? 1 : wanted < r.rows ? wanted : r.rows;
  const dim3 grid(cuda::grid_size(stream, columns * ranges, kThreads));
  const auto check = cuda::index_check(stream, cuda::IndexedOp::index_add, -1, r.rows);
  const int64_t skip = args.attrs.integer("skip"), n = index.numel();
  TG_DISPATCH_NUMBER(out.dtype, T, {
    cuda::add_onto<T>(stream, out, args.has(2) ? &args.inputs[2] : nullptr, [&](auto* sums) {
      if (source.numel() == 0) return;
      TG_DISPATCH_INDEX(index.dtype, I, {
        cuda::check(launch(add_rows<T, I>, grid, dim3(kThreads), 0, stream.handle(), r,
                           index.as<I>(), n, skip, source.as<T>(), sums, ranges, check),
                    "launch");
      })
    });
  });
}

}  // namespace tilegrad
