// Arithmetic. What is said of integers is in arithmetic.h.

TG_BINARY(add, NUMBER, plus(a, b))
TG_BINARY(sub, NUMBER, minus(a, b))
TG_BINARY(mul, NUMBER, times(a, b))
TG_BINARY(div, FLOAT, a / b)
TG_BINARY(pow, NUMBER, power(a, b))
TG_BINARY(floor_divide, NUMBER, floor_divided(a, b))
TG_BINARY(remainder, NUMBER, floor_remainder(a, b))  // of the sign of b
TG_BINARY(fmod, NUMBER, trunc_remainder(a, b))       // of the sign of a
// NaN wins, as in torch.
TG_BINARY(maximum, NUMBER, (a > b) | (a != a) ? a : b)
TG_BINARY(minimum, NUMBER, (a < b) | (a != a) ? a : b)
// NaN loses.
TG_BINARY(fmax, NUMBER, (a >= b) | (b != b) ? a : b)
TG_BINARY(fmin, NUMBER, (a <= b) | (b != b) ? a : b)
TG_UNARY_P(clamp, NUMBER, (min, max), clamped(x, min, max))
TG_UNARY(neg, NUMBER, minus(x))
TG_UNARY(abs, NUMBER, absolute(x))
TG_UNARY(sign, NUMBER, T(x > T(0)) - T(x < T(0)))
TG_UNARY(square, NUMBER, times(x, x))
TG_UNARY(reciprocal, FLOAT, T(1) / x)

TG_UNARY(floor, FLOAT, math::floor(x))
TG_UNARY(ceil, FLOAT, math::ceil(x))
TG_UNARY(round, FLOAT, math::rint(x))  // halves to even
TG_UNARY(trunc, FLOAT, math::trunc(x))
TG_UNARY(frac, FLOAT, x - math::trunc(x))

TG_TERNARY_P(addcmul, NUMBER, (value), plus(a, times(times(value, b), c)))
TG_TERNARY_P(addcdiv, FLOAT, (value), a + value * b / c)
// From the nearer end, so that both ends are met exactly.
TG_TERNARY(lerp, FLOAT, math::fabs(c) < T(0.5) ? a + c * (b - a) : b - (b - a) * (T(1) - c))

// The gradient of maximum for b, whose other operand is c; ties share. minimum takes b and c crosswise.
TG_TERNARY(maximum_input_grad, FLOAT, b < c ? T(0) : (b == c ? a * T(0.5) : a))
TG_BINARY_P(clamp_input_grad, FLOAT, (min, max), (b >= min) & (b <= max) ? a : T(0))
