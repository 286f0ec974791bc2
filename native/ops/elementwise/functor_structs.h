// The functions as structs: name##_functor<T>, called with its operands; members are its parameters.
// Included inside the namespace of one ISA, or of the CUDA kernels, so that no two compilations share a symbol.
#if defined(__CUDACC__)
#define TG_FUNCTOR_CALL TG_HOST_DEVICE
#else
#define TG_FUNCTOR_CALL inline __attribute__((always_inline))
#endif
#define TG_MEMBERS(...) __VA_OPT__(T __VA_ARGS__;)
#define TG_OPERANDS_1_SAME T x
#define TG_OPERANDS_1_BOOL T x
#define TG_OPERANDS_2_SAME T a, T b
#define TG_OPERANDS_2_BOOL T a, T b
#define TG_OPERANDS_3_SAME T a, T b, T c
#define TG_OPERANDS_3_SELECT bool a, T b, T c
#define TG_FIRST_SAME T
#define TG_FIRST_BOOL T
#define TG_FIRST_SELECT bool
#define TG_RESULT_SAME T
#define TG_RESULT_BOOL bool
#define TG_RESULT_SELECT T
#define TG_FUNCTION(inputs, result, name, dtypes, params, expression)                            \
  template <class T>                                                                             \
  struct name##_functor {                                                                        \
    using Type = T;                                                                              \
    using First = TG_FIRST_##result;                                                             \
    using Result = TG_RESULT_##result;                                                           \
    static constexpr int kInputs = inputs, kParams = TG_COUNT params;                            \
    TG_MEMBERS params TG_FUNCTOR_CALL Result operator()(TG_OPERANDS_##inputs##_##result) const { \
      return static_cast<Result>(expression);                                                    \
    }                                                                                            \
  };
#include "ops/elementwise/functors.h"
#undef TG_FUNCTION
