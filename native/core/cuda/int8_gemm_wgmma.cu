#include <algorithm>

#include "core/cuda/copy.h"
#include "core/cuda/int8_gemm_wgmma.cuh"
#include "core/cuda/int8_gemm_wgmma.h"
#include "core/cuda/wgmma_operand.h"

namespace tilegrad::cuda {

namespace {

auto* kernel_of(bool a_signed, bool b_signed) {
  if (a_signed)
    return b_signed ? int8_gemm_wgmma<WgmmaBytes<true, true>>
                    : int8_gemm_wgmma<WgmmaBytes<true, false>>;
  return b_signed ? int8_gemm_wgmma<WgmmaBytes<false, true>>
                  : int8_gemm_wgmma<WgmmaBytes<false, false>>;
}

bool has_code() {
  static const bool found = has_wgmma_code(reinterpret_cast<const void*>(kernel_of(true, true)));
  return found;
}

// Where the sums of an operand's lines lie, from one matrix to the next.
void sum_steps(const OperandLines& x, int64_t (&steps)[8]) {
  for (int d = 0; d < 8; d++) steps[d] = d < x.rank ? x.stride[d] / x.line_stride : 0;
}

// The lines that a matrix of the batch reaches, counted through the gaps between matrices.
int64_t all_lines(const OperandLines& x) {
  int64_t lines = x.lines;
  for (int d = 0; d < x.rank; d++) lines += (x.size[d] - 1) * (x.stride[d] / x.line_stride);
  return lines;
}

const int32_t* line_sums(CudaStream& stream, const OperandLines& x, bool is_signed,
                         BufferRef* kept) {
  const int64_t lines = all_lines(x);
  *kept = workspace(stream, static_cast<size_t>(lines) * sizeof(int32_t));
  auto* sums = static_cast<int32_t*>((*kept)->data);
  const dim3 grid(static_cast<unsigned>(grid_size(stream, lines, 8)));
  check(launch(is_signed ? sum_lines<true> : sum_lines<false>, grid, dim3(256), 0, stream.handle(),
               static_cast<const uint8_t*>(x.data), x.line_stride, x.k, lines, sums),
        "sum_lines");
  return sums;
}

}  // namespace

bool try_int8_gemm_wgmma(CudaStream& stream, const OperandLines& a, const OperandLines& b,
                         const Int8Epilogue& epilogue, int64_t matrix_bytes) {
  // Below a third of a wave of tiles the small tiles of mma.sync are ahead.
  constexpr int64_t kFewestTiles = 48;
  constexpr int kColumns = 256;
  int64_t batches = 1;
  for (int d = 0; d < a.rank; d++) batches *= a.size[d];
  const int64_t tiles =
      ceil_div<int64_t>(a.lines, kWgmmaRows) * ceil_div<int64_t>(b.lines, kColumns) * batches;
  const bool deep = a.k >= 128 && a.k <= INT32_MAX - 512;
  if (stream.traits().capability != 90 || !deep || tiles < kFewestTiles || !has_code())
    return false;
  BufferRef kept[4];
  const OperandLines lines_a = packed(stream, a, 1, &kept[0]);
  const OperandLines lines_b = packed(stream, b, 1, &kept[1]);
  const MappedOperand map_a =
      map_operand(stream, lines_a, CU_TENSOR_MAP_DATA_TYPE_UINT8, 1, kWgmmaRows);
  const MappedOperand map_b =
      map_operand(stream, lines_b, CU_TENSOR_MAP_DATA_TYPE_UINT8, 1, kColumns / 2);
  if (!map_a.fits || !map_b.fits) return false;
  Int8Wgmma p = {a.lines, b.lines, epilogue, matrix_bytes, nullptr, nullptr, {}, {}};
  p.e.a_signed = p.e.b_signed = true;  // the products are those of the bytes as they are
  sum_steps(lines_a, p.a_sum_step);
  sum_steps(lines_b, p.b_sum_step);
  if (epilogue.b_zero.data != nullptr)
    p.a_sums = line_sums(stream, lines_a, epilogue.a_signed, &kept[2]);
  if (epilogue.a_zero.data != nullptr)
    p.b_sums = line_sums(stream, lines_b, epilogue.b_signed, &kept[3]);
  GemmBatch batch;
  batch.rank = a.rank;
  for (int d = 0; d < a.rank; d++) batch.size[d] = a.size[d];
  WgmmaPlan plan{a.lines, b.lines, static_cast<int>(lines_a.k), batches, map_a.steps, map_b.steps};
  plan.cluster = wgmma_cluster(plan, kColumns);
  launch_wgmma(stream, "int8_gemm_wgmma", kernel_of(epilogue.a_signed, epilogue.b_signed), plan,
               kColumns, sizeof(WgmmaShared<WgmmaRing<kColumns>>), map_a.map, map_b.map, p, batch,
               plan);
  return true;
}

}  // namespace tilegrad::cuda
