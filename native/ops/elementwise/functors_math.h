// Functions of analysis, on floats alone: an integer never becomes a float by itself.

TG_UNARY(exp, FLOAT, math::exp(x))
TG_UNARY(exp2, FLOAT, math::exp2(x))
TG_UNARY(expm1, FLOAT, math::expm1(x))
TG_UNARY(log, FLOAT, math::log(x))
TG_UNARY(log2, FLOAT, math::log2(x))
TG_UNARY(log10, FLOAT, math::log10(x))
TG_UNARY(log1p, FLOAT, math::log1p(x))
TG_UNARY(sqrt, FLOAT, math::sqrt(x))
TG_UNARY(rsqrt, FLOAT, T(1) / math::sqrt(x))

TG_UNARY(sin, FLOAT, math::sin(x))
TG_UNARY(cos, FLOAT, math::cos(x))
TG_UNARY(tan, FLOAT, math::tan(x))
TG_UNARY(asin, FLOAT, math::asin(x))
TG_UNARY(acos, FLOAT, math::acos(x))
TG_UNARY(atan, FLOAT, math::atan(x))
TG_BINARY(atan2, FLOAT, math::atan2(a, b))
TG_UNARY(sinh, FLOAT, math::sinh(x))
TG_UNARY(cosh, FLOAT, math::cosh(x))
TG_UNARY(tanh, FLOAT, math::tanh(x))
TG_BINARY(tanh_input_grad, FLOAT, a*(T(1) - b * b))  // b: output
TG_UNARY(asinh, FLOAT, math::asinh(x))
TG_UNARY(acosh, FLOAT, math::acosh(x))
TG_UNARY(atanh, FLOAT, math::atanh(x))

TG_UNARY(erf, FLOAT, math::erf(x))
TG_UNARY(erfc, FLOAT, math::erfc(x))
