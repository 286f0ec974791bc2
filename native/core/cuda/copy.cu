// Copy between strided views: one thread per element in a grid-stride loop over the target's order, one
// read and one write per element. Contiguous copies are left to the copy engine.
#include "core/cuda/copy.h"
#include "core/cuda/strided.cuh"

namespace tilegrad::cuda {

namespace {

template <class T>
__global__ void __launch_bounds__(256)
    copy_strided(const T* __restrict__ source, T* __restrict__ target, const Strided<2> layout) {
  const int64_t step = int64_t{blockDim.x} * gridDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < layout.numel; i += step) {
    int64_t at[2];  // target, source
    layout.locate(i, at);
    target[at[0]] = source[at[1]];
  }
}

}  // namespace

void copy_strided_cuda(CudaStream& stream, const View& source, const View& target) {
  Layout layouts[2] = {target.layout, source.layout};
  const Strided<2> layout(layouts);
  if (layout.numel == 0) return;
  const size_t size = dtype_size(source.dtype);
  if (layout.contiguous()) {
    const char* from =
        static_cast<const char*>(source.data) + static_cast<size_t>(layout.offsets[1]) * size;
    char* to = static_cast<char*>(target.data) + static_cast<size_t>(layout.offsets[0]) * size;
    check(cudaMemcpyAsync(to, from, static_cast<size_t>(layout.numel) * size,
                          cudaMemcpyDeviceToDevice, stream.handle()),
          "cudaMemcpyAsync");
    return;
  }
  TG_DISPATCH_SIZE(source.dtype, T, {
    check(launch(copy_strided<T>, dim3(grid_size(stream, layout.numel, 256)), dim3(256), 0,
                 stream.handle(), static_cast<const T*>(source.data), static_cast<T*>(target.data),
                 layout),
          "copy_strided");
  });
}

void check_kernels(int ordinal) {
  cudaFuncAttributes attributes;
  const cudaError_t error =
      cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(copy_strided<uint32_t>));
  if (error == cudaSuccess) return;
  cudaGetLastError();
  fail(ErrorCode::device, "cuda:", ordinal, " cannot run this build: ", cudaGetErrorString(error));
}

BufferRef workspace(CudaStream& stream, size_t bytes) {
  return device_at(1 + stream.traits().ordinal).allocator().allocate(bytes);
}

View contiguous_cuda(CudaStream& stream, const View& view, BufferRef* kept) {
  if (view.layout.is_contiguous()) return view;
  *kept = workspace(stream, static_cast<size_t>(view.numel()) * dtype_size(view.dtype));
  const View copy{(*kept)->data, Layout::contiguous(view.shape()), view.dtype};
  copy_strided_cuda(stream, view, copy);
  return copy;
}

}  // namespace tilegrad::cuda
