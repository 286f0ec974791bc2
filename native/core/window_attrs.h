// Attributes of windows that slide over images: sizes, strides, padding, dilation.
#pragma once

#include "core/op.h"

namespace tilegrad {

// The `count` numbers of the attribute `name`. Throws ERR_ARGUMENT unless each is from `least` to `limit` - 1.
inline void read_window(const Attrs& attrs, const char* name, int count, int64_t least,
                        int64_t limit, int64_t* out) {
  const Shape values = attrs.integers(name);
  if (values.rank != count)
    fail(ErrorCode::argument, attrs.op->name, ": ", name, " needs ", count, " numbers");
  for (int i = 0; i < count; ++i) {
    if (values[i] < least || values[i] >= limit)
      fail(ErrorCode::argument, attrs.op->name, ": ", name, " must be from ", least, " to ",
           limit - 1, " but is ", values[i]);
    out[i] = values[i];
  }
}

}  // namespace tilegrad
