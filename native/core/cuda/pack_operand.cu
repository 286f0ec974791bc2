// Copies an operand to lines along K: a block of 32x8 threads moves tiles of 32 lines x 32 K through shared memory, reading
// along the dimension that lies closer in memory and writing along K. Bytes moved: one read, one write per element.
#include "core/cuda/copy.h"
#include "core/cuda/launch.cuh"
#include "core/cuda/pack_operand.h"

namespace tilegrad::cuda {

namespace {

constexpr int kTile = 32, kRows = 8;

template <class E>
__global__ void __launch_bounds__(kTile* kRows)
    pack_lines(const OperandLines from, E* __restrict__ to, int64_t width, int64_t matrices) {
  SHARED_ARRAY(tile, E[kTile][kTile + 4 / sizeof(E)]);  // (line, K)
  const int x = threadIdx.x % kTile, y = threadIdx.x / kTile;
  const bool k_first = from.k_stride <= from.line_stride;
  const int64_t across = ceil_div<int64_t>(width, kTile);
  const int64_t line0 = blockIdx.x / across * kTile, k0 = blockIdx.x % across * kTile;
  for (int64_t matrix = blockIdx.y; matrix < matrices; matrix += gridDim.y) {
    const E* source = static_cast<const E*>(from.data);
    int64_t rest = matrix;
    for (int d = from.rank - 1; d >= 0; d--) {
      source += rest % from.size[d] * from.stride[d];
      rest /= from.size[d];
    }
    for (int i = y; i < kTile; i += kRows) {
      const int line = k_first ? i : x, k = k_first ? x : i;
      const bool inside = line0 + line < from.lines && k0 + k < from.k;
      tile[line][k] =
          inside ? source[(line0 + line) * from.line_stride + (k0 + k) * from.k_stride] : E{};
    }
    __syncthreads();
    for (int i = y; i < kTile; i += kRows)
      if (line0 + i < from.lines && k0 + x < width)
        to[(matrix * from.lines + line0 + i) * width + k0 + x] = tile[i][x];
    __syncthreads();
  }
}

template <class E>
void launch_pack(CudaStream& stream, const OperandLines& from, void* to, int64_t width,
                 int64_t matrices) {
  const int64_t tiles = ceil_div<int64_t>(from.lines, kTile) * ceil_div<int64_t>(width, kTile);
  const dim3 grid(static_cast<unsigned>(tiles),
                  static_cast<unsigned>(matrices < 65535 ? matrices : 65535));
  check(launch(pack_lines<E>, grid, dim3(kTile * kRows), 0, stream.handle(), from,
               static_cast<E*>(to), width, matrices),
        "pack_lines");
}

}  // namespace

bool OperandLines::is_packed(int element_bytes) const {
  const int64_t per = 16 / element_bytes;
  bool good = k_stride == 1 && k % per == 0 && line_stride >= k && line_stride % per == 0 &&
              reinterpret_cast<uintptr_t>(data) % 16 == 0;
  for (int d = 0; d < rank; d++) good = good && k > 0 && stride[d] % line_stride == 0;
  return good;
}

OperandLines packed(CudaStream& stream, const OperandLines& operand, int element_bytes,
                    BufferRef* kept) {
  if (operand.is_packed(element_bytes)) return operand;
  const int64_t per = 16 / element_bytes;
  OperandLines from = operand, to = operand;
  const int64_t width = round_up(operand.k, per);
  from.rank = 0;
  int64_t matrices = 1;
  for (int d = 0; d < operand.rank; d++) {
    if (operand.stride[d] == 0) continue;
    from.size[from.rank] = operand.size[d];
    from.stride[from.rank++] = operand.stride[d];
    matrices *= operand.size[d];
  }
  int64_t step = operand.lines * width;
  for (int d = operand.rank - 1; d >= 0; d--) {
    if (operand.stride[d] == 0) continue;
    to.stride[d] = step;
    step *= operand.size[d];
  }
  *kept = workspace(stream, static_cast<size_t>(matrices * operand.lines * width) *
                                static_cast<size_t>(element_bytes));
  to.data = (*kept)->data, to.k = width, to.line_stride = width, to.k_stride = 1;
  if (matrices == 0 || operand.lines == 0 || width == 0) return to;
  switch (element_bytes) {
    case 1:
      launch_pack<uint8_t>(stream, from, (*kept)->data, width, matrices);
      break;
    case 2:
      launch_pack<uint16_t>(stream, from, (*kept)->data, width, matrices);
      break;
    default:
      launch_pack<uint32_t>(stream, from, (*kept)->data, width, matrices);
      break;
  }
  return to;
}

}  // namespace tilegrad::cuda
