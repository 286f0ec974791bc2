// Elementwise functions, one line each in the functors_*.h files, compiled for every ISA and for CUDA
// from this one expression. The macros say what a function takes and gives:
//   TG_UNARY(name, dtypes, expression)    x -> its dtype         TG_UNARY_BOOL: x -> bool
//   TG_BINARY(name, dtypes, expression)   a, b -> their dtype    TG_COMPARE: a, b -> bool
//   TG_TERNARY(name, dtypes, expression)  a, b, c -> their dtype
// With _P behind the name a list of parameters, numbers of the op's schema, stands before the
// expression: TG_UNARY_P(elu, FLOAT, (alpha), ...). Variables are of the compute type T (f16 and bf16
// compute in float). dtypes: FLOAT, NUMBER (every dtype but bool), ALL, BITS (integers and bool).
// A user defines TG_FUNCTION(inputs, result, name, dtypes, params, expression), and TG_FAMILY for one file.
#define TG_COUNT_(p, q, r, n, ...) n
#define TG_COUNT(...) TG_COUNT_(__VA_ARGS__ __VA_OPT__(, ) 3, 2, 1, 0)  // of params
#define TG_UNARY(name, dtypes, expression) TG_FUNCTION(1, SAME, name, dtypes, (), expression)
#define TG_UNARY_P(name, dtypes, params, expression) \
  TG_FUNCTION(1, SAME, name, dtypes, params, expression)
#define TG_UNARY_BOOL(name, dtypes, expression) TG_FUNCTION(1, BOOL, name, dtypes, (), expression)
#define TG_BINARY(name, dtypes, expression) TG_FUNCTION(2, SAME, name, dtypes, (), expression)
#define TG_BINARY_P(name, dtypes, params, expression) \
  TG_FUNCTION(2, SAME, name, dtypes, params, expression)
#define TG_COMPARE(name, dtypes, expression) TG_FUNCTION(2, BOOL, name, dtypes, (), expression)
#define TG_TERNARY(name, dtypes, expression) TG_FUNCTION(3, SAME, name, dtypes, (), expression)
#define TG_TERNARY_P(name, dtypes, params, expression) \
  TG_FUNCTION(3, SAME, name, dtypes, params, expression)
// a is bool, whatever b and c are; they are moved, not computed with, so only their size matters.
#define TG_TERNARY_SELECT(name, expression) TG_FUNCTION(3, SELECT, name, SIZE, (), expression)

#if defined(TG_FAMILY)
#include TG_FAMILY
#else
#include "ops/elementwise/functors_activations.h"
#include "ops/elementwise/functors_arithmetic.h"
#include "ops/elementwise/functors_comparisons.h"
#include "ops/elementwise/functors_losses.h"
#include "ops/elementwise/functors_math.h"
#endif

#undef TG_UNARY
#undef TG_UNARY_P
#undef TG_UNARY_BOOL
#undef TG_BINARY
#undef TG_BINARY_P
#undef TG_COMPARE
#undef TG_TERNARY
#undef TG_TERNARY_P
#undef TG_TERNARY_SELECT
