#include "core/math_activations.h"
#include "core/math_f64.h"

#define TG_SPECIAL_ROWS "ops/elementwise/activation_rows.h"
#define TG_FAMILY "ops/elementwise/functors_activations.h"
#include "ops/elementwise/elementwise_rows.h"
