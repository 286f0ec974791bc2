// Rows that the family of analysis writes itself. Part of elementwise_math_simd.cc.
#include "ops/elementwise/sine_rows.h"

template <>
void row_of<exp_functor<double>>(const RowArgs& row) {
  row_by(
      row, [](double x) __attribute__((always_inline)) { return math::f64::exp(x); });
}
