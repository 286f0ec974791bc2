// Tiles of distances, by dtype.
#pragma once

#include <cstdint>

#include "core/cpu/isa.h"
#include "core/dtype.h"

namespace tilegrad {

enum class CdistNorm { sum, euclid, most };

// Rows of a and of b, m long, and where their distances go.
struct CdistTile {
  const void *a, *b;
  void* out;
  int64_t rows, columns, m, pitch;  // pitch: of a row of out
  CdistNorm norm;
};

// Rows of the gradient of a, from those of the distances' gradients and, but for CdistNorm::sum, the distances y
// (rows, columns).
struct CdistSlopes {
  const void *dout, *a, *b, *y;
  void* out;
  int64_t rows, columns, m;
  CdistNorm norm;
};

// Of a row that a tile takes at once.
constexpr int64_t kCdistPlaces = 8192;

struct CdistKernels {
  int64_t columns;  // the most of a tile
  // `work`: (columns + rows) m values of the compute type, of m at most kCdistPlaces, and rows columns more of a larger m.
  void (*tile)(const CdistTile& tile, void* work);
  void (*slopes)(const CdistSlopes& rows);
};

TILEGRAD_SIMD_DECLARE(CdistKernels, cdist_kernels, (DType dtype))

}  // namespace tilegrad
