// Arithmetic. Integers wrap around; what is said of integers below is in integer.h.

TG_BINARY(add, NUMBER, plus(a, b))
TG_BINARY(sub, NUMBER, minus(a, b))
TG_BINARY(mul, NUMBER, times(a, b))
TG_BINARY(div, FLOAT, a / b)
TG_BINARY(pow, NUMBER, power(a, b))
// NaN wins, as in torch.
TG_BINARY(maximum, NUMBER, (a > b) | (a != a) ? a : b)
TG_BINARY(minimum, NUMBER, (a < b) | (a != a) ? a : b)
TG_UNARY_P(clamp, NUMBER, (min, max), clamped(x, min, max))
TG_UNARY(neg, NUMBER, minus(x))
TG_UNARY(abs, NUMBER, absolute(x))
TG_UNARY(sign, NUMBER, T(x > T(0)) - T(x < T(0)))
TG_UNARY(square, NUMBER, times(x, x))

// The gradient of maximum for b, whose other operand is c; ties share. minimum takes b and c crosswise.
TG_TERNARY(maximum_input_grad, FLOAT, b < c ? T(0) : (b == c ? a * T(0.5) : a))
TG_BINARY_P(clamp_input_grad, FLOAT, (min, max), (b < min) | (b > max) ? T(0) : a)
