// The attribute `dims` as a set: bit d stands for dimension d.
#pragma once

#include "core/op.h"

namespace tilegrad {

inline unsigned dim_mask(const Attrs& attrs, int rank) {
  int count;
  const int64_t* dims = attrs.integers("dims", &count);
  unsigned mask = 0;
  for (int i = 0; i < count; ++i) mask |= 1u << (dims[i] < 0 ? dims[i] + rank : dims[i]);
  return mask;
}

// The same of the first input, for `infer`: throws ERR_ARGUMENT where a dimension is out of range or, as the caller calls
// them, appears twice in `dims_name`.
inline unsigned checked_dim_mask(const InferContext& ctx, const char* dims_name) {
  int count;
  const int64_t* dims = ctx.attrs.integers("dims", &count);
  unsigned mask = 0;
  for (int i = 0; i < count; ++i) {
    const unsigned bit = 1u << ctx.dim(dims[i], ctx.shape(0).rank);
    if (mask & bit)
      ctx.fail(ErrorCode::argument, "dimension ", dims[i], " appears twice in ", dims_name);
    mask |= bit;
  }
  return mask;
}

}  // namespace tilegrad
