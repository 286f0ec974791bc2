// int8_matmul on CUDA: on tensor cores from sm_80 on, over lines along K (operands that lie otherwise are packed first,
// which the hardware asks for), else by dp4a with any strides.
#include "core/batch.h"
#include "core/cuda/copy.h"
#include "core/cuda/dynamic_quantize.h"
#include "core/cuda/gemm_operands.cuh"
#include "core/cuda/int8_gemm.cuh"
#include "core/cuda/int8_gemm_mma.cuh"
#include "core/cuda/int8_gemm_wgmma.h"
#include "core/cuda/pack_operand.h"
#include "core/view_bytes.h"
#include "ops/int8_matmul/int8_matmul.h"

namespace tilegrad {

namespace {

struct Operand {
  const uint8_t* data;
  int64_t outer, k;  // strides of a row of a or a column of b, and along k
  bool is_signed;
  __device__ int32_t operator()(int64_t at, int64_t i) const {
    return cuda::hold_s8(data[at * outer + i * k], is_signed);
  }
};

struct MatmulProblem {
  Operand a_first, b_first;
  Int8Epilogue e;
  int64_t matrix_bytes;  // of the output
  int rank;
  int64_t size[kMaxRank], a_stride[kMaxRank], b_stride[kMaxRank];

  __device__ Operand moved(Operand x, const int64_t (&strides)[kMaxRank], int64_t batch) const {
    for (int d = rank - 1; d >= 0; --d) {
      x.data += batch % size[d] * strides[d];
      batch /= size[d];
    }
    return x;
  }
  __device__ Operand a(int64_t batch) const { return moved(a_first, a_stride, batch); }
  __device__ Operand b(int64_t batch) const { return moved(b_first, b_stride, batch); }
  __device__ Int8Epilogue epilogue(int64_t batch) const {
    Int8Epilogue own = e;
    own.out = static_cast<char*>(e.out) + batch * matrix_bytes;
    return own;
  }
};

// The same on tensor cores.
struct MmaMatmul {
  cuda::OperandLines a_lines, b_lines;
  Int8Epilogue e;
  int64_t matrix_bytes;

  using Operand = cuda::StridedOperand<uint8_t, true>;
  __device__ static Operand matrix(const cuda::OperandLines& from, int64_t batch) {
    auto* data = static_cast<const uint8_t*>(from.data);
    for (int d = from.rank - 1; d >= 0; --d) {
      data += batch % from.size[d] * from.stride[d];
      batch /= from.size[d];
    }
    return {data, from.line_stride, 1, from.lines, true};
  }
  __device__ Operand a(int64_t batch) const { return matrix(a_lines, batch); }
  __device__ Operand b(int64_t batch) const { return matrix(b_lines, batch); }
  __host__ __device__ int64_t rows() const { return a_lines.lines; }
  __host__ __device__ int64_t columns() const { return b_lines.lines; }
  __device__ int depth() const { return static_cast<int>(a_lines.k); }
  __device__ Int8Epilogue epilogue(int64_t batch) const {
    Int8Epilogue own = e;
    own.out = static_cast<char*>(e.out) + batch * matrix_bytes;
    return own;
  }
};

cuda::OperandLines lines_of(const Operand& x, int64_t lines, int64_t k, const MatmulProblem& p,
                            const int64_t (&strides)[kMaxRank]) {
  cuda::OperandLines out{x.data, lines, k, x.outer, x.k, p.rank, {}, {}};
  for (int d = 0; d < p.rank; ++d) out.size[d] = p.size[d], out.stride[d] = strides[d];
  return out;
}

void run(cuda::CudaStream& stream, const MatmulProblem& p, const cuda::Int8Size& size,
         int64_t batches) {
  if (stream.traits().capability < 80 || size.k >= INT32_MAX - 64) {
    cuda::check(cuda::launch_int8_gemm(stream.handle(), p, size, batches), "int8_gemm_dp4a");
    return;
  }
  const cuda::OperandLines a = lines_of(p.a_first, size.m, size.k, p, p.a_stride);
  const cuda::OperandLines b = lines_of(p.b_first, size.n, size.k, p, p.b_stride);
  if (cuda::try_int8_gemm_wgmma(stream, a, b, p.e, p.matrix_bytes)) return;
  BufferRef kept[2];
  const MmaMatmul problem = {cuda::packed(stream, a, 1, &kept[0]),
                             cuda::packed(stream, b, 1, &kept[1]), p.e, p.matrix_bytes};
  cuda::check(cuda::launch_int8_mma(stream.handle(), problem, batches, p.a_first.is_signed,
                                    p.b_first.is_signed),
              "int8_gemm_mma");
}

// The device's view of an optional vector; strided ones are copied.
template <class T>
PerAxis<T> per_axis(const KernelArgs& args, cuda::CudaStream& stream, int input, bool per_row,
                    BufferRef* kept) {
  if (!args.has(input)) return {};
  const View v = cuda::contiguous_cuda(stream, args.inputs[input], kept);
  const bool many = v.numel() > 1;
  return {v.as<T>(), many && per_row ? 1 : 0, many && !per_row ? 1 : 0};
}

}  // namespace

void int8_matmul_cuda(KernelArgs& args) {
  const View &a = args.inputs[kInt8First], &b = args.inputs[kInt8Second], &out = args.outputs[0];
  auto& stream = cuda::stream_of(args.stream);
  const Shape& shape = out.shape();
  const int a_rank = a.layout.rank(), b_rank = b.layout.rank();
  const cuda::Int8Size size = {shape[shape.rank - 2], shape[shape.rank - 1], a.shape()[a_rank - 1]};
  BufferRef kept[4];
  MatmulProblem p = {};
  p.e = int8_epilogue_of(args);
  p.a_first = {a.as<uint8_t>(), a.layout.strides[a_rank - 2], a.layout.strides[a_rank - 1],
               a.dtype == DType::i8};
  p.b_first = {b.as<uint8_t>(), b.layout.strides[b_rank - 1], b.layout.strides[b_rank - 2],
               b.dtype == DType::i8};
  p.e.k = size.k;
  p.e.a_signed = p.a_first.is_signed, p.e.b_signed = p.b_first.is_signed;
  p.e.a_zero = per_axis<int32_t>(args, stream, kInt8FirstZero, true, &kept[0]);
  p.e.b_zero = per_axis<int32_t>(args, stream, kInt8SecondZero, false, &kept[1]);
  p.e.scale = per_axis<float>(args, stream, kInt8Scale, false, &kept[2]);
  if (args.has(kInt8Bias) && args.inputs[kInt8Bias].dtype == DType::f32)
    p.e.bias_f32 = per_axis<float>(args, stream, kInt8Bias, false, &kept[3]);
  if (args.has(kInt8Bias) && args.inputs[kInt8Bias].dtype == DType::i32)
    p.e.bias_i32 = per_axis<int32_t>(args, stream, kInt8Bias, false, &kept[3]);
  const auto item = static_cast<int64_t>(dtype_size(out.dtype));
  p.e.out = bytes_of(out);
  p.e.out_row = size.n;
  p.matrix_bytes = size.m * size.n * item;
  p.rank = shape.rank - 2;
  for (int d = 0; d < p.rank; ++d) p.size[d] = shape[d];
  batch_strides(a.layout, shape, p.a_stride);
  batch_strides(b.layout, shape, p.b_stride);
  run(stream, p, size, out.numel() / (size.m * size.n));
}

void int8_linear_dynamic_cuda(KernelArgs& args) {
  const View &weight = args.inputs[kDynamicWeight], &out = args.outputs[0];
  auto& stream = cuda::stream_of(args.stream);
  const int64_t n = weight.shape()[0], k = weight.shape()[1];
  const cuda::DynamicOperand x = cuda::dynamic_operand(stream, args, n, false);
  MatmulProblem p = {};
  p.e = x.epilogue;
  p.a_first = {x.levels, k, 1, false};
  p.b_first = {weight.as<uint8_t>(), k, 1, true};
  p.e.k = k;
  p.e.b_signed = true;
  p.e.a_zero = {x.zero, 0, 0};
  p.e.out = out.as<float>();
  p.e.out_row = n;
  run(stream, p, {out.numel() / n, n, k}, 1);
}

}  // namespace tilegrad
