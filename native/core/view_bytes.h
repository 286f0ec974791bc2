// Where the elements of a view begin, whatever their dtype.
#pragma once

#include "core/tensor.h"

namespace tilegrad {

inline char* bytes_of(const View& view) {
  return static_cast<char*>(view.data) +
         view.layout.offset * static_cast<int64_t>(dtype_size(view.dtype));
}

}  // namespace tilegrad
