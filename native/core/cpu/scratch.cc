#include "core/cpu/scratch.h"

#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace tilegrad {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kKeep = size_t{64} << 20;

// From half a huge page on a buffer takes whole ones: packed panels are read through few TLB entries.
std::align_val_t alignment(size_t bytes) {
  return std::align_val_t{bytes >= kHugePage ? kHugePage : 64};
}

size_t rounded(size_t wanted) {
  const size_t roomy = wanted + (wanted >> 2);
  const size_t unit = roomy >= kHugePage / 2 ? kHugePage : 4096;
  return (roomy + unit - 1) / unit * unit;
}

struct Buffer {
  void* data = nullptr;
  size_t bytes = 0;

  ~Buffer() { release(); }

  void release() {
    ::operator delete(data, alignment(bytes));
    data = nullptr;
    bytes = 0;
  }

  // Grows, and shrinks where one huge request would otherwise hold its memory for good.
  void* reserve(size_t wanted) {
    const bool wasteful = bytes > kKeep && wanted < bytes / 8;
    if (wanted <= bytes && !wasteful) return data;
    release();
    const size_t size = rounded(wanted);
    data = ::operator new(size, alignment(size));
    bytes = size;
#if defined(__linux__)
    if (size >= kHugePage) madvise(data, size, MADV_HUGEPAGE);
#endif
    return data;
  }
};

thread_local Buffer t_buffers[4];

}  // namespace

void* scratch(ScratchSlot slot, size_t bytes) {
  return t_buffers[static_cast<int>(slot)].reserve(bytes);
}

}  // namespace tilegrad
