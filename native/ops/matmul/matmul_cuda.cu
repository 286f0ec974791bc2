// matmul on CUDA: the strides go to the products of the core as they are. f32 and f64 are computed exactly as they
// stand (SIMT) unless the precision allows less; 16-bit floats go to the tensor cores and are summed in f32.
#include "core/cuda/copy.h"
#include "core/cuda/gemm.h"
#include "core/precision.h"
#include "ops/matmul/matmul.h"

namespace tilegrad {

void matmul_cuda(KernelArgs& args) {
  auto& stream = cuda::stream_of(args.stream);
  const View &a = args.inputs[0], &b = args.inputs[1], &out = args.outputs[0];
  BufferRef kept;  // the kernel reads bias without a stride
  View bias;
  if (args.has(2)) bias = cuda::contiguous_cuda(stream, args.inputs[2], &kept);
  TG_DISPATCH_FLOAT(out.dtype, T, {
    GemmBatch batch;
    const T* values = bias ? bias.as<T>() : nullptr;
    const Gemm<T> g = matmul_product(a, b, values, out, &batch);
    cuda::gemm(stream, g, batch, float32_precision(args.attrs));
  })
}

}  // namespace tilegrad
