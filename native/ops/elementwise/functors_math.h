// Functions of analysis, on floats alone: an integer never becomes a float by itself.

TG_UNARY(exp, FLOAT, math::exp(x))
TG_UNARY(log, FLOAT, math::log(x))
TG_UNARY(sqrt, FLOAT, math::sqrt(x))
TG_UNARY(rsqrt, FLOAT, T(1) / math::sqrt(x))
TG_UNARY(reciprocal, FLOAT, T(1) / x)
TG_UNARY(tanh, FLOAT, math::tanh(x))
