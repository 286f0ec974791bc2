// Cubes of floats, which products give. Part of elementwise_arithmetic_simd.cc.

template <class T>
void power_row(const RowArgs& row) {
  if (row.strides[1] != 0 || *static_cast<const T*>(row.inputs[1]) != T(3))
    return row_by_strides<pow_functor<T>>(row);
  const auto cubes = [&row](auto base) __attribute__((always_inline)) {
    auto* __restrict out = static_cast<T*>(row.out);
    for (int64_t i = 0, n = row.n; i < n; ++i) out[i] = base[i] * base[i] * base[i];
  };
  if (row.strides[0] == 1)
    cubes(operand<T, 1>(row, 0));
  else
    cubes(operand<T, kAny>(row, 0));
}
template <>
void row_of<pow_functor<float>>(const RowArgs& row) {
  power_row<float>(row);
}
template <>
void row_of<pow_functor<double>>(const RowArgs& row) {
  power_row<double>(row);
}
