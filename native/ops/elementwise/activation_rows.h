// Rows that the family of activations writes itself. Part of elementwise_activations_simd.cc.
#include "ops/elementwise/gelu_rows.h"

template <>
void row_of<sigmoid_functor<double>>(const RowArgs& row) {
  row_by(
      row, [](double x) __attribute__((always_inline)) {
        const double e = math::f64::exp(-math::fabs(x));
        return (x < 0.0 ? e : 1.0) / (1.0 + e);
      });
}
template <>
void row_of<silu_functor<double>>(const RowArgs& row) {
  row_by(
      row, [](double x) __attribute__((always_inline)) {
        const double w = bounded_below(x), e = math::f64::exp(-math::fabs(w));
        return (x < 0.0 ? w * e : w) / (1.0 + e);
      });
}
