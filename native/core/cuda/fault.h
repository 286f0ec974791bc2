// What a kernel found wrong in the values that it was given: the first thread that finds a fault writes it into
// page-locked host memory, and the stream rejects the next wait with it. Costs nothing where nothing is wrong.
#pragma once

#include <cstdint>

namespace tilegrad::cuda {

// Of a zero point, `position` and `limit` are the ends of its range; x_zero_point is that of int8_conv2d. Of compressed rows,
// `limit` is the number of values, or of columns.
enum class FaultKind : int32_t {
  target,
  chance,
  quantize_zero_point,
  fake_quantize_zero_point,
  fake_quantize_grad_zero_point,
  x_zero_point,
  csr_count,
  csr_rows,
  csr_column
};

struct Fault {
  int32_t claimed, ready;
  FaultKind kind;
  int64_t position, value, limit;
};

}  // namespace tilegrad::cuda
