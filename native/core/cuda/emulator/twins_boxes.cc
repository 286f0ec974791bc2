// Boxes of tensor maps, between global and shared memory. Compiled with the sanitizer flags of the kernels.
#include "core/cuda/emulator/tensor_map.h"

namespace tilegrad::emulator {
namespace {

// Calls copy(global, shared offset, inside) for each element of the box.
template <class F>
void each_element(const TensorMap& m, uint32_t offset, int x0, int y0, F&& copy) {
  const uint32_t row_bytes = m.box[0] * m.element_bytes;
  for (uint32_t row = 0; row < m.box[1]; row++) {
    for (uint32_t column = 0; column < m.box[0]; column++) {
      const uint32_t at = offset + row * row_bytes + column * m.element_bytes;
      const long x = long{x0} + column, y = long{y0} + row;
      const bool inside = x >= 0 && y >= 0 && static_cast<uint64_t>(x) < m.size[0] &&
                          static_cast<uint64_t>(y) < m.size[1];
      const char* global =
          m.base + y * static_cast<long>(m.row_stride) + x * static_cast<long>(m.element_bytes);
      copy(const_cast<char*>(global), m.swizzle_128b ? swizzled(at) : at, inside);
    }
  }
}

}  // namespace

__attribute__((noinline)) void copy_box_to_shared(const TensorMap& map, char* shared,
                                                  uint32_t offset, int x, int y) {
  const uint32_t bytes = map.element_bytes;
  each_element(map, offset, x, y, [&](const char* global, uint32_t at, bool inside) {
    for (uint32_t b = 0; b < bytes; b++) shared[at + b] = inside ? global[b] : 0;
  });
}

__attribute__((noinline)) void copy_box_to_global(const TensorMap& map, const char* shared,
                                                  uint32_t offset, int x, int y) {
  const uint32_t bytes = map.element_bytes;
  each_element(map, offset, x, y, [&](char* global, uint32_t at, bool inside) {
    for (uint32_t b = 0; b < bytes && inside; b++) global[b] = shared[at + b];
  });
}

TILEGRAD_NO_TSAN TensorMap read_tensor_map(const CUtensorMap* map, const Site& site) {
  TensorMap fields;
  std::memcpy(&fields, map, sizeof(fields));
  if (fields.word != kTensorMapWord)
    fail("%s:%d: not a tensor map", site.file_name(), static_cast<int>(site.line()));
  return fields;
}

}  // namespace tilegrad::emulator
