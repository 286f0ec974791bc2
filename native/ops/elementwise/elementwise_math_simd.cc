#include "core/math_f64.h"

#define TG_FAMILY "ops/elementwise/functors_math.h"
#define TG_SPECIAL_ROWS "ops/elementwise/math_rows.h"
#include "ops/elementwise/elementwise_rows.h"
