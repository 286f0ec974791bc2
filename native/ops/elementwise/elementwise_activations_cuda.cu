#include "core/math_activations.h"

#define TG_FAMILY "ops/elementwise/functors_activations.h"
#include "ops/elementwise/elementwise_kernels.cuh"
