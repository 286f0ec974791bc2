#define TG_FAMILY "ops/elementwise/functors_losses.h"
#include "ops/elementwise/elementwise_rows.h"
