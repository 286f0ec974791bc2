// Integer products on Hopper's warpgroup instructions, for kernels that choose.
#pragma once

#include "core/cpu/int8_epilogue.h"
#include "core/cuda/pack_operand.h"

namespace tilegrad::cuda {

/// Enqueues out (batch, m, n) = a (batch, m, k) b^T (batch, n, k) with the epilogue, if device, build and sizes suit. The
/// operands have one batch shape, strides 0 where they are shared; the output's matrices are `matrix_bytes` apart.
bool try_int8_gemm_wgmma(CudaStream& stream, const OperandLines& a, const OperandLines& b,
                         const Int8Epilogue& epilogue, int64_t matrix_bytes);

}  // namespace tilegrad::cuda
