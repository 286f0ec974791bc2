#include "core/cpu/scratch.h"

#include <new>

namespace tilegrad {
namespace {

constexpr std::align_val_t kAlign{64};

struct Buffer {
  void* data = nullptr;
  size_t bytes = 0;

  ~Buffer() { ::operator delete(data, kAlign); }

  void* reserve(size_t wanted) {
    if (wanted <= bytes) return data;
    ::operator delete(data, kAlign);
    data = nullptr;
    bytes = 0;
    const size_t rounded = (wanted + (wanted >> 2) + 4095) & ~size_t{4095};
    data = ::operator new(rounded, kAlign);
    bytes = rounded;
    return data;
  }
};

thread_local Buffer t_buffers[2];

}  // namespace

void* scratch(ScratchSlot slot, size_t bytes) {
  return t_buffers[static_cast<int>(slot)].reserve(bytes);
}

}  // namespace tilegrad
