// gather_rows on CUDA: a thread for each element of the batch, computed as on the CPU, in f64 and rounded once.
// Bytes moved: one read and one write per element.
#include "core/cuda/index_fault.cuh"
#include "core/view_bytes.h"
#include "ops/gather_rows/gather_rows.h"

namespace tilegrad {

namespace {

constexpr int kThreads = 256;

// The arguments of one call. Absent ones are null.
struct RowBatch {
  RowGeometry g;
  const void* index;
  bool wide;  // the index is i64
  const double *scale, *shift;
  int64_t scale_step;  // 0: one value serves all channels
  const int32_t* offset;
  cuda::IndexCheck check;

  // Where element i of the batch comes from, -1 for outside of the image and for rows that are none.
  __device__ int64_t source_of(int64_t i, int64_t* channel) const {
    const int64_t plane = g.height * g.width, row = i / plane, at = i - row * plane;
    const int64_t b = row / g.channels, c = row - b * g.channels;
    *channel = c;
    const int64_t from = wide ? static_cast<const int64_t*>(index)[b]
                              : static_cast<int64_t>(static_cast<const int32_t*>(index)[b]);
    if (!check(from, b)) return -1;
    int64_t y = at / g.width, x = at - y * g.width;
    if (offset) {
      y -= offset[2 * b];
      x -= offset[2 * b + 1];
      if (y < 0 || y >= g.height || x < 0 || x >= g.width) return -1;
    }
    return ((from * g.channels + c) * g.height + y) * g.width + x;
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    copy_rows(const RowBatch batch, const T* __restrict__ source, T* __restrict__ out, int64_t n) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x) {
    int64_t channel;
    const int64_t from = batch.source_of(i, &channel);
    out[i] = from < 0 ? T(0) : source[from];
  }
}

__device__ double element(const void* data, DType dtype, int64_t i) {
  switch (dtype) {
    case DType::f32:
      return static_cast<const float*>(data)[i];
    case DType::f64:
      return static_cast<const double*>(data)[i];
    case DType::f16:
      return static_cast<float>(static_cast<const f16*>(data)[i]);
    case DType::bf16:
      return static_cast<float>(static_cast<const bf16*>(data)[i]);
    case DType::i64:
      return static_cast<double>(static_cast<const int64_t*>(data)[i]);
    case DType::i32:
      return static_cast<const int32_t*>(data)[i];
    case DType::i8:
      return static_cast<const int8_t*>(data)[i];
    default:
      return static_cast<const uint8_t*>(data)[i];
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    scale_rows(const RowBatch batch, const void* __restrict__ source, DType dtype,
               T* __restrict__ out, int64_t n) {
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n;
       i += int64_t{kThreads} * gridDim.x) {
    int64_t channel;
    const int64_t from = batch.source_of(i, &channel);
    const double x = from < 0 ? 0.0 : element(source, dtype, from);
    const int64_t k = channel * batch.scale_step;
    out[i] = static_cast<T>(static_cast<compute_t<T>>(x * batch.scale[k] + batch.shift[k]));
  }
}

}  // namespace

void gather_rows_cuda(KernelArgs& args) {
  auto& stream = cuda::stream_of(args.stream);
  const View &source = args.inputs[kRowsSource], &index = args.inputs[kRowsIndex],
             &out = args.outputs[0];
  const RowGeometry g(args);
  const bool scaled = args.has(kRowsScale);
  const RowBatch batch{g,
                       index.dtype == DType::i64 ? static_cast<const void*>(index.as<int64_t>())
                                                 : index.as<int32_t>(),
                       index.dtype == DType::i64,
                       scaled ? args.inputs[kRowsScale].as<double>() : nullptr,
                       scaled ? args.inputs[kRowsShift].as<double>() : nullptr,
                       scaled && args.inputs[kRowsScale].numel() > 1 ? 1 : 0,
                       args.has(kRowsOffset) ? args.inputs[kRowsOffset].as<int32_t>() : nullptr,
                       cuda::index_check(stream, cuda::IndexedOp::gather_rows, -1, g.rows)};
  const int64_t n = out.numel();
  const dim3 grid(cuda::grid_size(stream, n, kThreads));
  if (!scaled) {
    TG_DISPATCH_SIZE(out.dtype, T,
                     cuda::check(launch(copy_rows<T>, grid, dim3(kThreads), 0, stream.handle(),
                                        batch, source.as<T>(), out.as<T>(), n),
                                 "launch"))
    return;
  }
  const void* from = bytes_of(source);
  TG_DISPATCH_FLOAT(out.dtype, T,
                    cuda::check(launch(scale_rows<T>, grid, dim3(kThreads), 0, stream.handle(),
                                       batch, from, source.dtype, out.as<T>(), n),
                                "launch"))
}

}  // namespace tilegrad
