#define TG_FAMILY "ops/elementwise/functors_comparisons.h"
#include "ops/elementwise/elementwise_kernels.cuh"
