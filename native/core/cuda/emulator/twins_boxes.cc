// Boxes of tensor maps, between global and shared memory. Compiled with the sanitizer flags of the kernels; TSan looks at
// the copied bytes alone, not at the emulator's own scratch.
#include "core/cuda/emulator/tensor_map.h"

namespace tilegrad::emulator {
namespace {

// The places of the box's rows, one after the other: dimensions 1 and up of its elements.
class Rows {
 public:
  TILEGRAD_NO_TSAN Rows(const TensorMap& map, const BoxPlace& place) : m_(map) {
    for (int d = 1; d < m_.rank; d++) at_[d] = place.at[d];
    for (int d = 1; d < m_.rank; d++) first_[d] = m_.im2col ? m_.lower[d - 1] : at_[d];
    for (int d = 1; m_.im2col && d < m_.rank - 1; d++) tap_[d] = place.tap[d - 1];
  }

  TILEGRAD_NO_TSAN static uint32_t count(const TensorMap& m) {
    uint32_t rows = 1;
    for (int d = 1; d < (m.im2col ? 2 : m.rank); d++) rows *= m.box[d];
    return rows;
  }

  // Null where the row lies outside of the tensor.
  TILEGRAD_NO_TSAN const char* row() const {
    const char* row = m_.base;
    for (int d = 1; d < m_.rank; d++) {
      const long at = at_[d] + tap_[d];
      if (at < 0 || static_cast<uint64_t>(at) >= m_.size[d]) return nullptr;
      row += static_cast<uint64_t>(at) * m_.stride[d];
    }
    return row;
  }

  // im2col: the next pixel of the bounding box, then of the next image, which has no end here.
  TILEGRAD_NO_TSAN void advance() {
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

// Alone instrumented.
__attribute__((noinline)) void copy_bytes(char* to, const char* from, int first, int end) {
  for (int b = first; b < end; b++) to[b] = from[b];
}
__attribute__((noinline)) void clear_bytes(char* to, int first, int end) {
  for (int b = first; b < end; b++) to[b] = 0;
}

TILEGRAD_NO_TSAN int within_chunk(long byte) {
  return static_cast<int>(byte < 0 ? 0 : byte > 16 ? 16 : byte);
}

// Chunks of 16 bytes, which the swizzle moves whole: those from `first` to `end` lie inside of the tensor.
TILEGRAD_NO_TSAN void copy_box(const TensorMap& m, char* shared, uint32_t offset,
                               const BoxPlace& place, bool to_shared) {
  const auto bytes = static_cast<long>(m.stride[0]);
  const long row_bytes = m.box[0] * bytes, row_end = static_cast<long>(m.size[0]) * bytes;
  const uint32_t count = Rows::count(m);
  Rows rows(m, place);
  for (uint32_t r = 0; r < count; r++, rows.advance()) {
    const char* row = rows.row();
    for (long column = 0; column < row_bytes; column += 16) {
      const uint32_t at = offset + static_cast<uint32_t>(r * row_bytes + column);
      const long from = place.at[0] * bytes + column;
      const int end = row == nullptr ? 0 : within_chunk(row_end - from);
      const int first = row == nullptr ? 0 : within_chunk(-from);
      const char* global = row == nullptr ? m.base : row + from;
      char* chunk = shared + (m.swizzle_128b ? swizzled(at) : at);
      if (to_shared) {
        clear_bytes(chunk, 0, first);
        copy_bytes(chunk, global, first, end);
        clear_bytes(chunk, end, 16);
      } else {
        copy_bytes(const_cast<char*>(global), chunk, first, end);
      }
    }
  }
}

int line(const Site& site) { return static_cast<int>(site.line()); }

}  // namespace

TILEGRAD_NO_TSAN void copy_box_to_shared(const TensorMap& map, char* shared, uint32_t offset,
                                         const BoxPlace& place) {
  copy_box(map, shared, offset, place, true);
}

TILEGRAD_NO_TSAN void copy_box_to_global(const TensorMap& map, const char* shared, uint32_t offset,
                                         const BoxPlace& place) {
  copy_box(map, const_cast<char*>(shared), offset, place, false);
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
