// The tiles of 4 x 4 positions that Winograd's algorithm takes, cut into units: whole rows of tiles, or parts of
// long ones.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/ceil_div.h"

namespace tilegrad {

// Neighbouring rows of tiles of one image, or a part of one row.
struct WinogradRun {
  int64_t image, row, rows, col, cols;  // in tiles
  int64_t first;                        // of the tiles that were asked for
  int64_t tiles() const { return rows * cols; }
};

class WinogradTiles {
 public:
  // Of units of at most `most_cols` tiles.
  WinogradTiles(int64_t images, int64_t height, int64_t width, int64_t most_cols)
      : images_(images), rows_((height + 3) / 4), cols_((width + 3) / 4) {
    const int64_t parts = ceil_div(cols_, most_cols);
    unit_cols_ = ceil_div(cols_, parts);
    parts_ = ceil_div(cols_, unit_cols_);
  }

  int64_t count() const { return images_ * rows_ * cols_; }
  int64_t units() const { return images_ * rows_ * parts_; }
  int64_t unit_cols() const { return unit_cols_; }
  bool whole_rows() const { return parts_ == 1; }  // units are

  // The tiles of units [begin, end).
  std::vector<WinogradRun> runs(int64_t begin, int64_t end) const {
    std::vector<WinogradRun> found;
    int64_t first = 0;
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t part = unit % parts_, row = unit / parts_ % rows_;
      const int64_t image = unit / parts_ / rows_;
      const int64_t cols = std::min(unit_cols_, cols_ - part * unit_cols_);
      if (parts_ == 1 && !found.empty() && found.back().image == image) {
        ++found.back().rows;
      } else {
        found.push_back({image, row, 1, part * unit_cols_, cols, first});
      }
      first += cols;
    }
    return found;
  }

 private:
  int64_t images_, rows_, cols_, parts_, unit_cols_;
};

}  // namespace tilegrad
