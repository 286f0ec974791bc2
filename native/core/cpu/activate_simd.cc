// In place over rows that lie in L1: the expressions of the elementwise functions, in a loop that vectorises.
#include "core/cpu/activate_simd.h"

#include "core/math_activations.h"

namespace tilegrad::TILEGRAD_ISA {
namespace {

template <class T, class F>
inline __attribute__((always_inline)) void each(T* __restrict c, int64_t row, int64_t rows,
                                                int64_t cols, F f) {
  for (int64_t i = 0; i < rows; ++i, c += row) {
    for (int64_t j = 0; j < cols; ++j) c[j] = f(c[j]);
  }
}

template <class T>
void activate_rows(T* c, int64_t row, int64_t rows, int64_t cols, Activation activation) {
  const auto with = [&](auto f) __attribute__((always_inline)) { each(c, row, rows, cols, f); };
  switch (activation) {
    case Activation::gelu:
      return with([](T x) __attribute__((always_inline)) { return gelu(x); });
    case Activation::gelu_tanh:
      return with([](T x) __attribute__((always_inline)) { return gelu_tanh(x); });
    case Activation::silu:
      return with([](T x) __attribute__((always_inline)) { return silu(x); });
    case Activation::none:
    case Activation::relu:
      return;
  }
}

}  // namespace

void activate_rows_f32(float* c, int64_t row, int64_t rows, int64_t cols, Activation activation) {
  activate_rows(c, row, rows, cols, activation);
}
void activate_rows_f64(double* c, int64_t row, int64_t rows, int64_t cols, Activation activation) {
  activate_rows(c, row, rows, cols, activation);
}

}  // namespace tilegrad::TILEGRAD_ISA
