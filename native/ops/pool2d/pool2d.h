// Pooling of images (n, c, h, w) by windows: what the ops share.
#pragma once

#include "core/op.h"
#include "ops/pool2d/pool2d_kernels.h"

namespace tilegrad {

// By the attributes kernel, stride, padding (top, bottom, left, right), ceil_mode and, if `dilated`,
// dilation. Throws ERR_ARGUMENT and ERR_SHAPE.
PoolShape pool_shape(const Attrs& attrs, const Shape& x, bool dilated);
inline Shape pool_output(const PoolShape& s, const Shape& x) { return {x[0], x[1], s.p, s.q}; }

// The output's shape by the attribute size. Throws ERR_ARGUMENT and ERR_SHAPE.
Shape adaptive_pool_shape(InferContext& ctx, const Shape& x);

// taps: the number r * s + s' of the tap that won, u8 with 255 for none where the window has at most 255
// taps, else i32 with -1 for none.
inline DType taps_dtype(int64_t taps) { return taps <= 255 ? DType::u8 : DType::i32; }

void max_pool2d_cpu(KernelArgs& args);
void max_pool2d_input_grad_cpu(KernelArgs& args);
void max_pool2d_pick_cpu(KernelArgs& args);
void avg_pool2d_cpu(KernelArgs& args);
void avg_pool2d_input_grad_cpu(KernelArgs& args);
void adaptive_avg_pool2d_cpu(KernelArgs& args);
void adaptive_avg_pool2d_input_grad_cpu(KernelArgs& args);

void max_pool2d_cuda(KernelArgs& args);
void max_pool2d_input_grad_cuda(KernelArgs& args);
void max_pool2d_pick_cuda(KernelArgs& args);
void avg_pool2d_cuda(KernelArgs& args);
void avg_pool2d_input_grad_cuda(KernelArgs& args);
void adaptive_max_pool2d_cuda(KernelArgs& args);
void adaptive_avg_pool2d_cuda(KernelArgs& args);
void adaptive_avg_pool2d_input_grad_cuda(KernelArgs& args);

}  // namespace tilegrad
