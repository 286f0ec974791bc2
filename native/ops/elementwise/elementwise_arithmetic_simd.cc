#include <type_traits>

#define TG_FAMILY "ops/elementwise/functors_arithmetic.h"
#define TG_SPECIAL_ROWS "ops/elementwise/arithmetic_rows.h"
#include "ops/elementwise/elementwise_rows.h"
