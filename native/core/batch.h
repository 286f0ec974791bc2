// The leading dimensions of operands that are multiplied matrix by matrix.
#pragma once

#include "core/layout.h"

namespace tilegrad {

// The batch dimensions of `layout` (all but the last two) as strides over those of the output; 0 where it is broadcast.
inline void batch_strides(const Layout& layout, const Shape& out, int64_t* strides) {
  for (int d = 0; d < out.rank - 2; ++d) {
    const int own = d - (out.rank - layout.rank());
    strides[d] = own < 0 || layout.shape[own] == 1 ? 0 : layout.strides[own];
  }
}

}  // namespace tilegrad
