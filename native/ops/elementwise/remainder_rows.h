// fmod and remainder of floats by a division, where the processor has a fused multiply-add. Part of
// elementwise_arithmetic_simd.cc.
// With q = trunc(|a| / |b|) below 2^(digits), which is at most one too large, |a| - q |b| is exact, and so is that plus |b|.

#if defined(__FMA__) || defined(__aarch64__)
inline __attribute__((always_inline)) float fused(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
}
inline __attribute__((always_inline)) double fused(double a, double b, double c) {
  return __builtin_fma(a, b, c);
}

inline __attribute__((always_inline)) float of_sign(float size, float x) {
  return __builtin_copysignf(size, x);
}
inline __attribute__((always_inline)) double of_sign(double size, double x) {
  return __builtin_copysign(size, x);
}

template <class T>
constexpr T kExactQuotients = sizeof(T) == 4 ? T(16777216.0) : T(9007199254740992.0);

template <class T>
inline __attribute__((always_inline)) T whole_quotient(T a, T b) {
  return math::trunc(math::fabs(a) / math::fabs(b));
}

// Right where whole_quotient(a, b) is below kExactQuotients.
template <bool kFloor, class T>
inline __attribute__((always_inline)) T remainder_near(T a, T b) {
  const T x = math::fabs(a), y = math::fabs(b), q = whole_quotient(a, b);
  const T rest = fused(-q, y, x);
  const T size = q == T(0) ? x : (rest < T(0) ? rest + y : rest);
  const T r = of_sign(size, a);
  if constexpr (!kFloor) return r;
  return (r != T(0)) & ((r < T(0)) != (b < T(0))) ? r + b : r;
}

template <class F, bool kFloor, int B>
void remainder_row(const RowArgs& row) {
  using T = typename F::Type;
  using Bits = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  constexpr int64_t kBlock = 512;
  const auto a = operand<T, 1>(row, 0);
  const auto b = operand<T, B>(row, 1);
  auto* __restrict out = static_cast<T*>(row.out);
  for (int64_t begin = 0; begin < row.n; begin += kBlock) {
    const int64_t end = row.n - begin < kBlock ? row.n : begin + kBlock;
    Bits far = 0;
    for (int64_t i = begin; i < end; ++i) {
      const T p = a[i], q = b[i];
      far |= whole_quotient(p, q) < kExactQuotients<T> ? Bits(0) : Bits(1);
      out[i] = remainder_near<kFloor>(p, q);
    }
    for (int64_t i = begin; far && i < end; ++i)
      if (!(whole_quotient(a[i], b[i]) < kExactQuotients<T>)) out[i] = F{}(a[i], b[i]);
  }
}

template <class F, bool kFloor>
void remainder_rows(const RowArgs& row) {
  if (row.strides[0] == 1 && row.strides[1] == 1) return remainder_row<F, kFloor, 1>(row);
  if (row.strides[0] == 1 && row.strides[1] == 0) return remainder_row<F, kFloor, 0>(row);
  row_by_strides<F>(row);
}
template <>
void row_of<fmod_functor<float>>(const RowArgs& row) {
  remainder_rows<fmod_functor<float>, false>(row);
}
template <>
void row_of<fmod_functor<double>>(const RowArgs& row) {
  remainder_rows<fmod_functor<double>, false>(row);
}
template <>
void row_of<remainder_functor<float>>(const RowArgs& row) {
  remainder_rows<remainder_functor<float>, true>(row);
}
template <>
void row_of<remainder_functor<double>>(const RowArgs& row) {
  remainder_rows<remainder_functor<double>, true>(row);
}
#endif
