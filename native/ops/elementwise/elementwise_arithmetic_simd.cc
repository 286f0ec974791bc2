#define TG_FAMILY "ops/elementwise/functors_arithmetic.h"
#include "ops/elementwise/elementwise_rows.h"
