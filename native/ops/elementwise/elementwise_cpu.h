// The walk of elementwise functions on the CPU: rows of the collapsed, broadcast operands over all threads.
#pragma once

#include <algorithm>

#include "core/op.h"
#include "core/row_walk.h"
#include "core/sweep.h"
#include "ops/elementwise/elementwise_simd.h"

namespace tilegrad {

constexpr int kMaxOperands = 3;
constexpr int kMaxRowLayouts = kMaxOperands + 1;
constexpr int64_t kRowGrain = 32768;  // elements per parallel chunk

// Walks the rows of the collapsed output; `row(offsets, n)` gets the element offset of each layout.
template <class Body>
void for_rows(Layout* layouts, int count, Body&& row) {
  collapse_dims(layouts, count);
  const Shape& shape = layouts[0].shape;
  int last = shape.rank - 1;
  int64_t n = shape[last], rows = shape.numel() / n;
  const int64_t bytes = rows * n * count * 4;
  if (rows == 1) {
    sweep_for(n, kRowGrain, bytes, [&](int64_t begin, int64_t end) {
      int64_t offsets[kMaxRowLayouts];
      for (int k = 0; k < count; ++k)
        offsets[k] = layouts[k].offset + begin * layouts[k].strides[last];
      row(offsets, end - begin);
    });
  } else {
    sweep_for(rows, std::max<int64_t>(1, kRowGrain / n), bytes, [&](int64_t begin, int64_t end) {
      RowWalk<kMaxRowLayouts> walk(layouts, count, 1, begin);
      for (int64_t r = begin; r < end; ++r, walk.next()) row(walk.offsets, n);
    });
  }
}

inline char* element(const View& v, int64_t offset) {
  return static_cast<char*>(v.data) + offset * static_cast<int64_t>(dtype_size(v.dtype));
}

/// Runs a function over args: `row_of` gives its rows, f16 and bf16 go through the f32 row where it gives none.
void elementwise_cpu(KernelArgs& args, int inputs, Row (*row_of)(DType));

}  // namespace tilegrad
