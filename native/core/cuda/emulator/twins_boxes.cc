// Boxes of tensor maps, between global and shared memory. Compiled with the sanitizer flags of the kernels.
#include "core/cuda/emulator/tensor_map.h"

namespace tilegrad::emulator {
namespace {

// The places of the box's rows, one after the other: dimensions 1 and up of its elements.
class Rows {
 public:
  Rows(const TensorMap& map, const BoxPlace& place) : m_(map) {
    for (int d = 1; d < m_.rank; d++) at_[d] = place.at[d];
    for (int d = 1; d < m_.rank; d++) first_[d] = m_.im2col ? m_.lower[d - 1] : at_[d];
    for (int d = 1; m_.im2col && d < m_.rank - 1; d++) tap_[d] = place.tap[d - 1];
  }

  static uint32_t count(const TensorMap& m) {
    uint32_t rows = 1;
    for (int d = 1; d < (m.im2col ? 2 : m.rank); d++) rows *= m.box[d];
    return rows;
  }

  // Null where the row lies outside of the tensor.
  const char* row() const {
    const char* row = m_.base;
    for (int d = 1; d < m_.rank; d++) {
      const long at = at_[d] + tap_[d];
      if (at < 0 || static_cast<uint64_t>(at) >= m_.size[d]) return nullptr;
      row += static_cast<uint64_t>(at) * m_.stride[d];
    }
    return row;
  }

  // im2col: the next pixel of the bounding box, then of the next image, which has no end here.
  void advance() {
    for (int d = 1; d < m_.rank; d++) {
      at_[d] += m_.step[d];
      const bool last = m_.im2col && d == m_.rank - 1;
      const long end = m_.im2col ? static_cast<long>(m_.size[d]) + m_.upper[last ? 0 : d - 1]
                                 : first_[d] + long{m_.box[d]} * m_.step[d];
      if (last || at_[d] < end) return;
      at_[d] = first_[d];
    }
  }

 private:
  const TensorMap& m_;
  long at_[kMostDimensions] = {}, first_[kMostDimensions] = {}, tap_[kMostDimensions] = {};
};

// Calls copy(global, shared offset, inside) for each element of the box.
template <class F>
void each_element(const TensorMap& m, uint32_t offset, const BoxPlace& place, F&& copy) {
  const auto bytes = static_cast<uint32_t>(m.stride[0]);
  const uint32_t count = Rows::count(m);
  Rows rows(m, place);
  for (uint32_t r = 0; r < count; r++, rows.advance()) {
    const char* row = rows.row();
    for (uint32_t column = 0; column < m.box[0]; column++) {
      const uint32_t at = offset + (r * m.box[0] + column) * bytes;
      const long x = long{place.at[0]} + column;
      const bool inside = row != nullptr && x >= 0 && static_cast<uint64_t>(x) < m.size[0];
      const char* global = inside ? row + x * static_cast<long>(bytes) : m.base;
      copy(const_cast<char*>(global), m.swizzle_128b ? swizzled(at) : at, inside);
    }
  }
}

int line(const Site& site) { return static_cast<int>(site.line()); }

}  // namespace

__attribute__((noinline)) void copy_box_to_shared(const TensorMap& map, char* shared,
                                                  uint32_t offset, const BoxPlace& place) {
  const auto bytes = static_cast<uint32_t>(map.stride[0]);
  each_element(map, offset, place, [&](const char* global, uint32_t at, bool inside) {
    for (uint32_t b = 0; b < bytes; b++) shared[at + b] = inside ? global[b] : 0;
  });
}

__attribute__((noinline)) void copy_box_to_global(const TensorMap& map, const char* shared,
                                                  uint32_t offset, const BoxPlace& place) {
  const auto bytes = static_cast<uint32_t>(map.stride[0]);
  each_element(map, offset, place, [&](char* global, uint32_t at, bool inside) {
    for (uint32_t b = 0; b < bytes && inside; b++) global[b] = shared[at + b];
  });
}

TILEGRAD_NO_TSAN uint32_t box_bytes(const TensorMap& map) {
  return Rows::count(map) * map.box[0] * static_cast<uint32_t>(map.stride[0]);
}

TILEGRAD_NO_TSAN TensorMap read_tensor_map(const CUtensorMap* map, int rank, bool im2col,
                                           const Site& site) {
  TensorMap fields;
  std::memcpy(&fields, map, sizeof(fields));
  if (fields.word != kTensorMapWord) fail("%s:%d: not a tensor map", site.file_name(), line(site));
  if (fields.rank != rank || fields.im2col != im2col)
    fail("%s:%d: a %dD%s copy by a tensor map of %d dimensions%s", site.file_name(), line(site),
         rank, im2col ? " im2col" : "", fields.rank, fields.im2col ? " for im2col" : "");
  return fields;
}

TILEGRAD_NO_TSAN void check_place(const TensorMap& map, const BoxPlace& place, const Site& site) {
  if (!map.im2col) return;
  for (int d = 1; d < map.rank - 1; d++) {
    const long from = long{place.at[d]} - map.lower[d - 1];
    const long end = static_cast<long>(map.size[d]) + map.upper[d - 1];
    if (from < 0 || place.at[d] >= end || from % map.step[d] != 0)
      fail(
          "%s:%d: im2col starts at %d of dimension %d, outside of the bounding box's %d to %ld or "
          "between its steps of %d",
          site.file_name(), line(site), place.at[d], d, map.lower[d - 1], end - 1, map.step[d]);
    // The tap has 16, 8 and 5 bits in three, four and five dimensions.
    if (place.tap[d - 1] >> (map.rank == 3 ? 16 : map.rank == 4 ? 8 : 5))
      fail("%s:%d: im2col tap %d is too far", site.file_name(), line(site), place.tap[d - 1]);
  }
}

}  // namespace tilegrad::emulator
