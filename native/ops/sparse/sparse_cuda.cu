// Launches the kernels of sparse_kernels.cuh.
#include "core/cuda/copy.h"
#include "ops/sparse/sparse.h"
#include "ops/sparse/sparse_kernels.cuh"

namespace tilegrad {

namespace {

using namespace sparse;

constexpr int64_t kFewRows = 8;

template <class T>
void compress(KernelArgs& args) {
  auto& stream = cuda::stream_of(args.stream);
  const View& x = args.inputs[0];
  const int64_t rows = x.shape()[0], k = x.shape()[1], count = args.attrs.integer("count");
  auto* start = args.outputs[0].as<int32_t>();
  const dim3 grid(static_cast<unsigned>(cuda::grid_size(stream, rows, kWarps)));
  cuda::check(
      launch(count_rows<T>, grid, dim3(kThreads), 0, stream.handle(), x.as<T>(), rows, k, start),
      "count_rows");
  cuda::check(launch(add_up, dim3(1), dim3(kScanThreads), 0, stream.handle(), start, rows, count,
                     stream.fault()),
              "add_up");
  cuda::check(launch(write_rows<T>, grid, dim3(kThreads), 0, stream.handle(), x.as<T>(), rows, k,
                     count, start, args.outputs[1].as<int32_t>(), args.outputs[2].as<T>()),
              "write_rows");
}

template <class T>
void multiply(KernelArgs& args) {
  auto& stream = cuda::stream_of(args.stream);
  const View &x = args.inputs[kCsrX], &out = args.outputs[0];
  CsrProblem<T> p = {};
  p.start = args.inputs[kCsrRowStart].as<int32_t>();
  p.column = args.inputs[kCsrColumn].as<int32_t>();
  p.value = args.inputs[kCsrValue].as<T>();
  p.bias = args.has(kCsrBias) ? args.inputs[kCsrBias].as<T>() : nullptr;
  p.n = args.inputs[kCsrRowStart].numel() - 1;
  p.k = x.shape()[x.layout.rank() - 1];
  p.m = out.numel() / p.n;
  p.values = args.inputs[kCsrColumn].numel();
  p.fault = stream.fault();
  cuda::check(launch(check_rows<T>, dim3(cuda::grid_size(stream, p.n, kThreads)), dim3(kThreads), 0,
                     stream.handle(), p),
              "check_rows");
  if (p.m < kFewRows) {
    const dim3 grid(static_cast<unsigned>(cuda::grid_size(stream, p.n, kWarps)),
                    static_cast<unsigned>(p.m));
    cuda::check(
        launch(csr_dot<T>, grid, dim3(kThreads), 0, stream.handle(), p, x.as<T>(), out.as<T>()),
        "csr_dot");
    return;
  }
  // Parts of x whose blocks fit into a grid.
  constexpr int64_t kMost = int64_t{65535} * kColumns;
  const T* from = x.as<T>();
  T* to = out.as<T>();
  for (int64_t left = p.m; left > 0; left -= kMost, from += kMost * p.k, to += kMost * p.n) {
    p.m = left < kMost ? left : kMost;
    const int64_t blocks = ceil_div<int64_t>(p.m, kColumns), pitch = blocks * kColumns;
    const BufferRef space =
        cuda::workspace(stream, sizeof(T) * static_cast<size_t>(p.k > 0 ? p.k * pitch : 1));
    auto* turned = static_cast<T*>(space->data);
    cuda::check(launch(transpose_rows<T>, dim3(cuda::grid_size(stream, p.k * pitch, 1024)),
                       dim3(kThreads), 0, stream.handle(), from, turned, p.m, p.k, pitch),
                "transpose_rows");
    const dim3 grid(static_cast<unsigned>(ceil_div<int64_t>(p.n, kLines)),
                    static_cast<unsigned>(blocks));
    cuda::check(
        launch(csr_panel<T>, grid, dim3(kThreads), 0, stream.handle(), p, turned, pitch, to),
        "csr_panel");
  }
}

}  // namespace

void to_csr_cuda(KernelArgs& args) {
  args.inputs[0].dtype == DType::f32 ? compress<float>(args) : compress<double>(args);
}

void csr_linear_cuda(KernelArgs& args) {
  args.inputs[kCsrX].dtype == DType::f32 ? multiply<float>(args) : multiply<double>(args);
}

}  // namespace tilegrad
