// Operands of matrix products in the form that the tensor cores read fastest: lines (rows of A, columns of B) that lie
// along K, start on 16 bytes and are filled with zeros to a multiple of 16 bytes.
#pragma once

#include "core/cuda/cuda_device.h"
#include "core/layout.h"

namespace tilegrad::cuda {

/// Matrices of `lines` x `k` elements; strides in elements, 0 for matrices that the batch shares.
struct OperandLines {
  const void* data = nullptr;
  int64_t lines = 0, k = 0, line_stride = 0, k_stride = 0;
  int rank = 0;
  int64_t size[kMaxRank] = {}, stride[kMaxRank] = {};

  /// Every line can be read 16 bytes at a time, and matrices are a whole number of lines apart.
  bool is_packed(int element_bytes) const;
};

/// The operand itself, or an enqueued copy in that form, which lies in `kept`: each matrix once, however many share it.
OperandLines packed(CudaStream& stream, const OperandLines& operand, int element_bytes,
                    BufferRef* kept);

}  // namespace tilegrad::cuda
