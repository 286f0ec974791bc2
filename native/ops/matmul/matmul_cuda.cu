// matmul on CUDA: the strides go to the products of the core as they are. f32 and f64 are computed exactly as they
// stand (SIMT) unless the precision allows less; 16-bit floats go to the tensor cores and are summed in f32.
#include "core/cuda/copy.h"
#include "core/cuda/gemm.h"
#include "core/precision.h"
#include "ops/matmul/matmul.h"

namespace tilegrad {

void matmul_cuda(KernelArgs& args) { product_cuda(args, Activation::none); }

void product_cuda(KernelArgs& args, Activation activation) {
  auto& stream = cuda::stream_of(args.stream);
  const View &a = args.inputs[0], &b = args.inputs[1], &out = args.outputs[0];
  BufferRef kept[2];  // the kernels read bias and residual without strides
  MatmulEpilogue epilogue;
  epilogue.activation = activation;
  if (args.has(2)) epilogue.bias = cuda::contiguous_cuda(stream, args.inputs[2], &kept[0]);
  if (args.has(3)) epilogue.residual = cuda::contiguous_cuda(stream, args.inputs[3], &kept[1]);
  TG_DISPATCH_FLOAT(out.dtype, T, {
    GemmBatch batch;
    const Gemm<T> g = matmul_product<T>(a, b, epilogue, out, &batch);
    cuda::gemm(stream, g, batch, float32_precision(args.attrs));
  })
}

}  // namespace tilegrad
