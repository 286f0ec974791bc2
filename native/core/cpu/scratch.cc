#include "core/cpu/scratch.h"

#include <new>

namespace tilegrad {
namespace {

constexpr std::align_val_t kAlign{64};
constexpr size_t kKeep = size_t{64} << 20;

struct Buffer {
  void* data = nullptr;
  size_t bytes = 0;

  ~Buffer() { ::operator delete(data, kAlign); }

  // Grows, and shrinks where one huge request would otherwise hold its memory for good.
  void* reserve(size_t wanted) {
    const bool wasteful = bytes > kKeep && wanted < bytes / 8;
    if (wanted <= bytes && !wasteful) return data;
    ::operator delete(data, kAlign);
    data = nullptr;
    bytes = 0;
    const size_t rounded = (wanted + (wanted >> 2) + 4095) & ~size_t{4095};
    data = ::operator new(rounded, kAlign);
    bytes = rounded;
    return data;
  }
};

thread_local Buffer t_buffers[3];

}  // namespace

void* scratch(ScratchSlot slot, size_t bytes) {
  return t_buffers[static_cast<int>(slot)].reserve(bytes);
}

}  // namespace tilegrad
