// gelu of f32 by the cheaper formula for moderate numbers. Part of elementwise_activations_simd.cc.

#if defined(__FMA__) || defined(__aarch64__)
template <>
void row_of<gelu_functor<float>>(const RowArgs& row) {
  near_or_far<gelu_functor<float>>(
      row, math::f32::kGeluNear,
      [](float x) __attribute__((always_inline)) { return math::f32::gelu_near(x); });
}
#endif
