// Operands of the products of wgmma_tile.cuh, as the host prepares them.
#pragma once

#include <cuda.h>

#include "core/cuda/pack_operand.h"
#include "core/cuda/wgmma_tile.cuh"

namespace tilegrad::cuda {

struct MappedOperand {
  CUtensorMap map;
  WgmmaOperand steps;
  bool transposed = false;  // lies along its rows; only 16-bit elements
  bool fits = true;         // false: the coordinates are beyond 32 bits, and there is no map
  BufferRef kept;
};

/// The map of an operand, which is packed first where TMA cannot read it as it lies. `box_lines`: those of a tile.
MappedOperand map_operand(CudaStream& stream, OperandLines x, CUtensorMapDataType type,
                          int element_bytes, int box_lines);

/// Whether this build has code for sm_90a, not just PTX of an older architecture, of which the kernel's body is empty.
bool has_wgmma_code(const void* kernel);

}  // namespace tilegrad::cuda
