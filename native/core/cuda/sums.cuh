// What sums start from on CUDA: a copy of a tensor or zeros. 16-bit floats are added up in an f32 workspace and rounded
// once at the end.
#pragma once

#include <type_traits>

#include "core/cpu/indexed.h"
#include "core/cuda/copy.h"
#include "core/cuda/cuda_device.h"
#include "core/cuda/launch.cuh"

namespace tilegrad::cuda {

template <class From, class To>
__global__ void __launch_bounds__(256)
    convert_all(const From* __restrict__ from, To* __restrict__ to, int64_t n) {
  const int64_t step = int64_t{256} * gridDim.x;
  for (int64_t i = int64_t{blockIdx.x} * 256 + threadIdx.x; i < n; i += step)
    to[i] = static_cast<To>(from[i]);
}

/// Enqueues the copy of `source` (contiguous, of the same size) to `target`, or zeros if it is null.
inline void start_from(CudaStream& stream, const View& target, const View* source) {
  const size_t bytes = static_cast<size_t>(target.numel()) * dtype_size(target.dtype);
  char* to = bytes_of(target);
  if (source && source->data)
    check(cudaMemcpyAsync(to, bytes_of(*source), bytes, cudaMemcpyDeviceToDevice, stream.handle()),
          "cudaMemcpyAsync");
  else
    check(cudaMemsetAsync(to, 0, bytes, stream.handle()), "cudaMemsetAsync");
}

/// Calls add(sums) with room for `out`, of type compute_t<T>, that holds `base` or zeros; then `out` gets the sums.
template <class T, class Add>
void add_onto(CudaStream& stream, const View& out, const View* base, const Add& add) {
  using C = compute_t<T>;
  if constexpr (std::is_same_v<T, C>) {
    start_from(stream, out, base);
    add(out.as<T>());
  } else {
    const int64_t n = out.numel();
    const dim3 grid(grid_size(stream, n, 256));
    const size_t bytes = static_cast<size_t>(n) * sizeof(C);
    const BufferRef space = workspace(stream, bytes);
    auto* sums = static_cast<C*>(space->data);
    if (base && base->data)
      check(launch(convert_all<T, C>, grid, dim3(256), 0, stream.handle(), base->as<T>(), sums, n),
            "launch");
    else
      check(cudaMemsetAsync(sums, 0, bytes, stream.handle()), "cudaMemsetAsync");
    add(sums);
    check(launch(convert_all<C, T>, grid, dim3(256), 0, stream.handle(), sums, out.as<T>(), n),
          "launch");
  }
}

}  // namespace tilegrad::cuda
