#include "core/cuda/tensor_map.h"
#include "core/cuda/wgmma_operand.h"

namespace tilegrad::cuda {

namespace {

// Whether TMA can read the operand where it lies; `row` is the stride of what is not the innermost dimension.
bool reads_in_place(const OperandLines& x, int64_t inner_stride, int64_t inner, int64_t row,
                    int element_bytes) {
  const int64_t per = 16 / element_bytes;
  bool good = inner_stride == 1 && row >= inner && row % per == 0 &&
              reinterpret_cast<uintptr_t>(x.data) % 16 == 0;
  for (int d = 0; d < x.rank; d++) good = good && x.stride[d] % row == 0;
  return good;
}

// How far each batch dimension moves, in rows; returns how far all of them do.
int64_t batch_steps(const OperandLines& x, int64_t row, int64_t (&steps)[8]) {
  int64_t all = 0;
  for (int d = 0; d < x.rank; d++) {
    steps[d] = x.stride[d] / row;
    all += (x.size[d] - 1) * steps[d];
  }
  return all;
}

}  // namespace

// A depth that ends within a stage is padded by TMA only at the end of the map, so a batch of transposed ones is packed then.
MappedOperand map_operand(CudaStream& stream, OperandLines x, CUtensorMapDataType type,
                          int element_bytes, int box_lines) {
  const int step_elements = kWgmmaStepBytes / element_bytes;
  MappedOperand out;
  bool batched = false;
  for (int d = 0; d < x.rank; d++) batched = batched || x.stride[d] != 0;
  if (element_bytes == 2 && !reads_in_place(x, x.k_stride, x.k, x.line_stride, element_bytes))
    out.transposed = (!batched || x.k % step_elements == 0) &&
                     reads_in_place(x, x.line_stride, x.lines, x.k_stride, element_bytes);
  if (!out.transposed && !reads_in_place(x, x.k_stride, x.k, x.line_stride, element_bytes))
    x = packed(stream, x, element_bytes, &out.kept);
  const int64_t row = out.transposed ? x.k_stride : x.line_stride;
  const int64_t outer = (out.transposed ? x.k : x.lines) +
                        batch_steps(x, row, out.transposed ? out.steps.k : out.steps.line);
  out.fits = outer < INT32_MAX - 512;
  if (out.fits)
    out.map = swizzled_map(type, x.data, out.transposed ? x.lines : x.k, outer, row, element_bytes,
                           out.transposed ? step_elements : box_lines);
  return out;
}

MappedOperand map_result(const OperandLines& x, CUtensorMapDataType type, int element_bytes) {
  MappedOperand out;
  const int64_t outer = x.lines + batch_steps(x, x.line_stride, out.steps.line);
  out.fits =
      reads_in_place(x, x.k_stride, x.k, x.line_stride, element_bytes) && outer < INT32_MAX - 512;
  if (out.fits) out.map = swizzled_map(type, x.data, x.k, outer, x.line_stride, element_bytes, 64);
  return out;
}

int wgmma_cluster(const WgmmaPlan& plan, int columns) {
  const int64_t pairs = ceil_div<int64_t>(plan.m, 2 * kWgmmaRows) *
                        ceil_div<int64_t>(plan.n, columns) * plan.batches * plan.split.ranges;
  return plan.m > kWgmmaRows && 2 * pairs >= kWgmmaWave ? 2 : 1;
}

bool has_wgmma_code(const void* kernel) {
  cudaFuncAttributes attributes;
  if (cudaFuncGetAttributes(&attributes, kernel) != cudaSuccess) {
    cudaGetLastError();
    return false;
  }
  return attributes.binaryVersion == 90 && attributes.ptxVersion == 90;
}

}  // namespace tilegrad::cuda
