// Elementwise functions, one line each, compiled for every ISA and for CUDA from this one expression.
// Variables: x (unary), a and b (binary), of the compute type T (f16 and bf16 compute in float).
// The second argument is the set of dtypes: FLOAT or NUMBER (every dtype but bool).
#ifndef TG_UNARY
#define TG_UNARY(name, dtypes, expression)
#endif
#ifndef TG_BINARY
#define TG_BINARY(name, dtypes, expression)
#endif

TG_UNARY(relu, NUMBER, x < T(0) ? T(0) : x)

TG_BINARY(add, NUMBER, a + b)
TG_BINARY(mul, NUMBER, a* b)

// a: the gradient of relu's output, b: that output.
TG_BINARY(relu_input_grad, NUMBER, b > T(0) ? a : T(0))

#undef TG_UNARY
#undef TG_BINARY
