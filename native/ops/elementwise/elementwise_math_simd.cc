#define TG_FAMILY "ops/elementwise/functors_math.h"
#include "ops/elementwise/elementwise_rows.h"
