// The walk of all reductions on CUDA, strided. A reduction R gives Element, Result, Accumulator, start(),
// take(a, x, index), merge(a, b) and write(a, how, out, indices, result). Where the reduced elements are
// the neighbours in memory, a block of 256 takes the elements of one result, 256 apart; where the kept
// ones are, a warp takes 32 neighbouring results and 8 warps share their elements. Few blocks: the
// elements are cut into segments, whose accumulators a second kernel merges in order. All of this depends
// on the layout alone, so the bits are the same on every run.
// Bytes moved: one read per element, one write per result, an accumulator per segment written and read.
#pragma once

#include <algorithm>

#include "core/cuda/copy.h"
#include "core/cuda/cuda_device.h"
#include "core/cuda/strided.cuh"
#include "core/math.h"
#include "ops/reduce/reduce.h"

namespace tilegrad::reduce_cuda {

using cuda::Strided;

constexpr int kThreads = 256;
constexpr int kRows = kThreads / 32;    // warps that share the elements of 32 columns
constexpr int64_t kEnoughBlocks = 512;  // from here on, results alone keep the device busy
constexpr int64_t kSegment = 4096;      // elements of a result

struct Outputs {
  void* out;
  int64_t* indices;
};

template <class R>
__device__ void finish_or_keep(const typename R::Accumulator& a, int64_t result, int64_t segment,
                               int64_t segments, typename R::Accumulator* partial,
                               const ReduceFinish& how, const Outputs& to) {
  if (segments > 1)
    partial[result * segments + segment] = a;
  else
    R::write(a, how, static_cast<typename R::Result*>(to.out), to.indices, result);
}

template <class R>
__global__ void __launch_bounds__(kThreads)
    reduce_rows(const typename R::Element* __restrict__ x, typename R::Accumulator* partial,
                const Strided<1> kept, const Strided<1> reduced, int64_t segments,
                const ReduceFinish how, const Outputs to) {
  using A = typename R::Accumulator;
  SHARED_ARRAY(shared, A[kThreads]);  // (kThreads)
  const int tid = threadIdx.x;
  for (int64_t task = blockIdx.x; task < kept.numel * segments; task += gridDim.x) {
    const int64_t result = task / segments, segment = task % segments;
    const int64_t begin = segments > 1 ? segment * kSegment : 0;
    const int64_t end =
        segments > 1 && begin + kSegment < reduced.numel ? begin + kSegment : reduced.numel;
    int64_t base[1], at[1];
    kept.locate(result, base);
    A a = R::start();
    for (int64_t i = begin + tid; i < end; i += kThreads) {
      reduced.locate(i, at);
      R::take(a, x[base[0] + at[0]], i);
    }
    shared[tid] = a;
    for (int half = kThreads / 2; half > 0; half /= 2) {
      __syncthreads();
      if (tid < half) R::merge(shared[tid], shared[tid + half]);
    }
    if (tid == 0) finish_or_keep<R>(shared[0], result, segment, segments, partial, how, to);
    __syncthreads();  // the next task writes shared again
  }
}

template <class R>
__global__ void __launch_bounds__(kThreads)
    reduce_columns(const typename R::Element* __restrict__ x, typename R::Accumulator* partial,
                   const Strided<1> kept, const Strided<1> reduced, int64_t segments,
                   const ReduceFinish how, const Outputs to) {
  using A = typename R::Accumulator;
  SHARED_ARRAY(shared, A[kRows][32]);  // (kRows, columns)
  const int column = threadIdx.x % 32, row = threadIdx.x / 32;
  const int64_t blocks = (kept.numel + 31) / 32;
  for (int64_t task = blockIdx.x; task < blocks * segments; task += gridDim.x) {
    const int64_t result = task / segments * 32 + column, segment = task % segments;
    const int64_t begin = segments > 1 ? segment * kSegment : 0;
    const int64_t end =
        segments > 1 && begin + kSegment < reduced.numel ? begin + kSegment : reduced.numel;
    A a = R::start();
    if (result < kept.numel) {
      int64_t base[1], at[1];
      kept.locate(result, base);
      for (int64_t i = begin + row; i < end; i += kRows) {
        reduced.locate(i, at);
        R::take(a, x[base[0] + at[0]], i);
      }
    }
    shared[row][column] = a;
    for (int half = kRows / 2; half > 0; half /= 2) {
      __syncthreads();
      if (row < half) R::merge(shared[row][column], shared[row + half][column]);
    }
    if (row == 0 && result < kept.numel)
      finish_or_keep<R>(shared[0][column], result, segment, segments, partial, how, to);
    __syncthreads();
  }
}

template <class R>
__global__ void __launch_bounds__(kThreads)
    merge_segments(const typename R::Accumulator* __restrict__ partial, int64_t results,
                   int64_t segments, const ReduceFinish how, const Outputs to) {
  for (int64_t r = int64_t{blockIdx.x} * kThreads + threadIdx.x; r < results;
       r += int64_t{kThreads} * gridDim.x) {
    typename R::Accumulator a = partial[r * segments];
    for (int64_t s = 1; s < segments; s++) R::merge(a, partial[r * segments + s]);
    R::write(a, how, static_cast<typename R::Result*>(to.out), to.indices, r);
  }
}

// The dimensions of x that the mask names, or the others, as a layout of their own.
inline Layout part_of(const Layout& x, unsigned mask, bool named) {
  Layout part;
  for (int d = 0; d < x.rank(); d++) {
    if (((mask >> d & 1) != 0) != named) continue;
    part.strides[part.shape.rank] = x.strides[d];
    part.shape.push(x.shape[d]);
  }
  return part;
}

template <class R>
void reduce(KernelArgs& args, ReduceFinish how, void* out, int64_t* indices) {
  using A = typename R::Accumulator;
  const View& x = args.inputs[0];
  const unsigned mask = dim_mask(args.attrs, x.layout.rank());
  Layout kept_layouts[1] = {part_of(x.layout, mask, false)},
         reduced_layouts[1] = {part_of(x.layout, mask, true)};
  const Strided<1> kept(kept_layouts), reduced(reduced_layouts);
  how.numel = static_cast<double>(reduced.numel);
  const int64_t kept_stride = kept.strides[0][kept.rank - 1],
                reduced_stride = reduced.strides[0][reduced.rank - 1];
  const bool columns = kept.numel > 1 && kept_stride != 0 &&
                       (reduced.numel == 1 || reduced_stride == 0 || kept_stride < reduced_stride);
  const int64_t blocks = columns ? (kept.numel + 31) / 32 : kept.numel;
  const int64_t segments =
      blocks < kEnoughBlocks ? std::max<int64_t>(ceil_div(reduced.numel, kSegment), 1) : 1;
  auto& stream = cuda::stream_of(args.stream);
  BufferRef partial;
  if (segments > 1)
    partial = cuda::workspace(stream, static_cast<size_t>(kept.numel * segments) * sizeof(A));
  auto* accumulators = partial ? static_cast<A*>(partial->data) : nullptr;
  const Outputs to{out, indices};
  auto* kernel = columns ? reduce_columns<R> : reduce_rows<R>;
  cuda::check(launch(kernel, dim3(cuda::grid_size(stream, blocks * segments, 1)), dim3(kThreads), 0,
                     stream.handle(), x.as<typename R::Element>(), accumulators, kept, reduced,
                     segments, how, to),
              "launch");
  if (segments == 1) return;
  cuda::check(
      launch(merge_segments<R>, dim3(cuda::grid_size(stream, kept.numel, kThreads)), dim3(kThreads),
             0, stream.handle(), accumulators, kept.numel, segments, how, to),
      "launch");
}

template <class R>
void reduce_to_first(KernelArgs& args, const ReduceFinish& how = {}) {
  reduce<R>(args, how, args.outputs[0].data, nullptr);
}

// Bytes of a bool tensor are 0 or 1.
template <class T>
using Stored = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;

}  // namespace tilegrad::reduce_cuda
