// Comparisons, logic and bits, and the choice between two values.

TG_COMPARE(eq, ALL, a == b)
TG_COMPARE(ne, ALL, a != b)
TG_COMPARE(lt, ALL, a < b)
TG_COMPARE(le, ALL, a <= b)
TG_COMPARE(gt, ALL, a > b)
TG_COMPARE(ge, ALL, a >= b)

// What is not finite minus itself is NaN.
TG_UNARY_BOOL(isnan, NUMBER, x != x)
TG_UNARY_BOOL(isinf, NUMBER, (x == x) & (minus(x, x) != T(0)))
TG_UNARY_BOOL(isfinite, NUMBER, minus(x, x) == T(0))

TG_UNARY_BOOL(logical_not, ALL, x == T(0))
TG_COMPARE(logical_and, ALL, (a != T(0)) & (b != T(0)))
TG_COMPARE(logical_or, ALL, (a != T(0)) | (b != T(0)))
TG_COMPARE(logical_xor, ALL, (a != T(0)) != (b != T(0)))

TG_UNARY(bitwise_not, BITS, flipped(x))
TG_BINARY(bitwise_and, BITS, a& b)
TG_BINARY(bitwise_or, BITS, a | b)
TG_BINARY(bitwise_xor, BITS, a ^ b)

TG_TERNARY_SELECT(where, a ? b : c)
