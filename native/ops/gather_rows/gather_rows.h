// What the kernels of gather_rows share.
#pragma once

#include "core/op.h"

namespace tilegrad {

enum GatherRowsInput { kRowsSource, kRowsIndex, kRowsScale, kRowsShift, kRowsOffset };

/// How one row of the source is walked: `channels` blocks of height x width elements.
struct RowGeometry {
  int64_t rows, batch, channels, height, width;

  explicit RowGeometry(const KernelArgs& args)
      : rows(args.inputs[kRowsSource].shape()[0]),
        batch(args.outputs[0].shape()[0]),
        channels(1),
        height(1),
        width(1) {
    const Shape& source = args.inputs[kRowsSource].shape();
    if (source.rank > 1) channels = source[1];
    if (args.has(kRowsOffset)) {
      height = source[2];
      width = source[3];
    } else {
      for (int i = 2; i < source.rank; ++i) width *= source[i];
    }
  }
  int64_t plane() const { return height * width; }
  int64_t row() const { return channels * plane(); }
};

void gather_rows_cuda(KernelArgs& args);

}  // namespace tilegrad
