#include "core/math_activations.h"

#define TG_SPECIAL_ROWS "ops/elementwise/gelu_rows.h"
#define TG_FAMILY "ops/elementwise/functors_activations.h"
#include "ops/elementwise/elementwise_rows.h"
