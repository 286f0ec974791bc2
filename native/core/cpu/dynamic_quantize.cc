#include "core/cpu/dynamic_quantize.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/ceil_div.h"
#include "core/cpu/quantize_rows_simd.h"
#include "core/parallel.h"

namespace tilegrad {
namespace {

constexpr int64_t kGrain = 16384;  // elements per chunk

Range range_of(DType dtype, const char* x, int64_t n) {
  const RangeKernel kernel = TILEGRAD_SIMD(range_row)(dtype);
  if (n <= kGrain) return kernel(x, n);
  const int64_t size = static_cast<int64_t>(dtype_size(dtype));
  std::vector<Range> parts(static_cast<size_t>(ceil_div(n, kGrain)));
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    parts[static_cast<size_t>(begin / kGrain)] = kernel(x + begin * size, end - begin);
  });
  Range range = {0, 0};
  for (const Range& part : parts) {
    range.least = std::min(range.least, part.least);
    range.most = std::max(range.most, part.most);
  }
  return range;
}

}  // namespace

DynamicScale dynamic_quantize(DType dtype, const void* x_data, int64_t n, uint8_t* out) {
  const auto* x = static_cast<const char*>(x_data);
  const Range range = range_of(dtype, x, n);
  const float scale = range.least == range.most ? 1.0f : (range.most - range.least) / 255.0f;
  const float level = std::nearbyint(-range.least / scale);
  const int32_t zero = level > 0 ? static_cast<int32_t>(std::min(level, 255.0f)) : 0;  // of NaN 0
  const int64_t size = static_cast<int64_t>(dtype_size(dtype));
  const QuantizeKernel kernel = TILEGRAD_SIMD(quantize_row)(dtype, DType::u8);
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    kernel({x + begin * size, nullptr, out + begin, &scale, &zero, 0, end - begin, 0, 255});
  });
  return {scale, zero};
}

}  // namespace tilegrad
