// Copies of strided views on a CUDA device.
#pragma once

#include "core/cuda/cuda_device.h"
#include "core/tensor.h"

namespace tilegrad::cuda {

/// Any layouts of the same shape and dtype; source and target do not overlap.
void copy_strided_cuda(CudaStream& stream, const View& source, const View& target);

/// Memory for kernels of this stream. It may be let go once they are enqueued: it is reused only behind them.
BufferRef workspace(CudaStream& stream, size_t bytes);

/// The view itself if it is contiguous, else an enqueued contiguous copy that lies in `kept`.
View contiguous_cuda(CudaStream& stream, const View& view, BufferRef* kept);

/// Throws ERR_DEVICE when this build has no code for the GPU.
void check_kernels(int ordinal);

}  // namespace tilegrad::cuda
