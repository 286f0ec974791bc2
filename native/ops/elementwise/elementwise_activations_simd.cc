#include "ops/elementwise/activations.h"

#define TG_FAMILY "ops/elementwise/functors_activations.h"
#include "ops/elementwise/elementwise_rows.h"
