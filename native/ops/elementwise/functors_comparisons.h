// Comparisons, and the choice between two values.

TG_COMPARE(eq, ALL, a == b)
TG_COMPARE(ne, ALL, a != b)
TG_COMPARE(lt, ALL, a < b)
TG_COMPARE(le, ALL, a <= b)
TG_COMPARE(gt, ALL, a > b)
TG_COMPARE(ge, ALL, a >= b)

TG_TERNARY_SELECT(where, a ? b : c)
