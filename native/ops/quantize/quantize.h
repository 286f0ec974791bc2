// quantize_linear, dequantize_linear, fake_quantize: between floats and integers of few bits by scale and zero point, for the whole
// tensor or per channel.
#pragma once

#include "core/op.h"

namespace tilegrad {

// Inputs: x; scale f32 and zero_point i32, each [] or [channels] along the attribute `axis`.
void quantize_linear_cpu(KernelArgs& args);           // float -> u8, i8
void dequantize_linear_cpu(KernelArgs& args);         // u8, i8, i32 -> f32
void fake_quantize_cpu(KernelArgs& args);             // float -> the same float
void fake_quantize_input_grad_cpu(KernelArgs& args);  // dout, x, scale, zero_point
void dynamic_quantize_linear_cpu(KernelArgs& args);   // x -> u8, its scale and zero point

void quantize_linear_cuda(KernelArgs& args);
void dequantize_linear_cuda(KernelArgs& args);
void fake_quantize_cuda(KernelArgs& args);
void fake_quantize_input_grad_cuda(KernelArgs& args);
void dynamic_quantize_linear_cuda(KernelArgs& args);

}  // namespace tilegrad
