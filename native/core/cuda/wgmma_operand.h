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

/// The map by which 64 rows of a result are stored (wgmma_store.cuh); `fits` is false where TMA cannot write it as it lies.
/// Its lines are rows, its K columns.
MappedOperand map_result(const OperandLines& x, CUtensorMapDataType type, int element_bytes);

/// How many blocks a Hopper GPU runs at once, of these kernels. Tiles and ranges of the depth are chosen by it on every
/// device, since bits depend on the ranges.
constexpr int64_t kWgmmaWave = 132;

/// Blocks of a cluster: two share B where that leaves work for every multiprocessor.
int wgmma_cluster(const WgmmaPlan& plan, int columns);

/// Enqueues a persistent kernel of wgmma_tile.cuh for a plan with its cluster; `columns`: those of a tile.
template <class... P, class... A>
void launch_wgmma(CudaStream& stream, const char* name, void (*kernel)(P...), const WgmmaPlan& plan,
                  int columns, int shared_bytes, const A&... args) {
  check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                             cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes),
        "cudaFuncSetAttribute");
  const int64_t units = ceil_div<int64_t>(plan.m, kWgmmaRows * plan.cluster) *
                        ceil_div<int64_t>(plan.n, columns) * plan.batches * plan.split.ranges;
  const int64_t most = stream.traits().multiprocessors / plan.cluster;
  const int64_t clusters = units < most || most == 0 ? units : most;
  const dim3 grid(static_cast<unsigned>(clusters * plan.cluster)), block(kWgmmaThreads);
  const auto bytes = static_cast<size_t>(shared_bytes);
  check(plan.cluster == 1
            ? launch(kernel, grid, block, bytes, stream.handle(), args...)
            : launch_cluster(kernel, grid, block, dim3(static_cast<unsigned>(plan.cluster)), bytes,
                             stream.handle(), args...),
        name);
}

/// Whether this build has code for sm_90a, not just PTX of an older architecture, of which the kernel's body is empty.
bool has_wgmma_code(const void* kernel);

}  // namespace tilegrad::cuda
