// The sum of squares of a row, f32 within runs of 64 values a lane and f64 beyond, and its scaling.
#include "ops/optimizer/clip_grad_norm_simd.h"

#include "core/cpu/row_moments.h"

namespace tilegrad::TILEGRAD_ISA {

namespace {

template <class T>
double squares(const void* data, int64_t n) {
  return n == 0 ? 0 : mean_square(static_cast<const T*>(data), n).variance * static_cast<double>(n);
}

template <class T>
void scale(void* data, int64_t n, double factor) {
  using C = compute_t<T>;
  auto* x = static_cast<T*>(data);
  const Vec<C> by = broadcast<C>(static_cast<C>(factor));
  for_each_vector<C>(
      n, [&](int64_t i, int, int count) __attribute__((always_inline)) {
        store_narrow<T>(x + i, load_wide(x + i, count) * by, count);
      });
}

}  // namespace

ClipKernels clip_kernels(DType dtype) {
  TG_DISPATCH_FLOAT(dtype, T, return (ClipKernels{squares<T>, scale<T>}))
  return {};
}

}  // namespace tilegrad::TILEGRAD_ISA
