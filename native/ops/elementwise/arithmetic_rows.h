// Rows that the arithmetic family writes itself. Part of elementwise_arithmetic_simd.cc.
#include "ops/elementwise/power_rows.h"
#include "ops/elementwise/remainder_rows.h"
