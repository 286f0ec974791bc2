// Activations in registers. For *_simd.cc files only.
#pragma once

#include "core/cpu/simd.h"
#include "ops/conv2d/conv2d_simd.h"

namespace tilegrad::TILEGRAD_ISA {

template <class T>
TG_SIMD Vec<T> activate(Vec<T> a, ConvActivation activation) {
  if (activation == ConvActivation::none) return a;
  a = relu<T>(a);
  if (activation == ConvActivation::relu) return a;
  const Vec<T> six = broadcast<T>(6);
  return a > six ? six : a;
}

}  // namespace tilegrad::TILEGRAD_ISA
