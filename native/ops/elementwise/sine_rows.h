// sin and cos of f32 by the cheaper reduction for moderate numbers. Part of elementwise_math_simd.cc.

template <>
void row_of<sin_functor<float>>(const RowArgs& row) {
  near_or_far<sin_functor<float>>(
      row, math::via_f64::kNearLimit,
      [](float x) __attribute__((always_inline)) { return math::via_f64::sine_near(x, 0); });
}
template <>
void row_of<cos_functor<float>>(const RowArgs& row) {
  near_or_far<cos_functor<float>>(
      row, math::via_f64::kNearLimit,
      [](float x) __attribute__((always_inline)) { return math::via_f64::sine_near(x, 1); });
}
