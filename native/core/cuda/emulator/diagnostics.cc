// How the emulator reports a fault of the kernel under test: in words, with the seed, then exit code 3.
#include <unistd.h>

#include <cstdarg>
#include <cstdio>

#include "core/cuda/emulator/scheduler.h"

namespace tilegrad::emulator {
namespace {

void describe_waiters() {
  int shown = 0;
  for (int slot = 0; slot < kMaxSlots; slot++) {
    const Block* b = block_of_slot(slot);
    if (!b) continue;
    for (int i = 0; i < b->thread_count; i++) {
      const Thread& t = *b->threads[i];
      if (t.state == State::done || !t.started || !t.waits_for || shown++ >= 12) continue;
      std::fprintf(stderr, "  block (%u,%u,%u) thread %u: %s at %s:%u\n", b->index.x, b->index.y,
                   b->index.z, t.linear, t.waits_for, t.site.file_name(),
                   static_cast<unsigned>(t.site.line()));
    }
  }
  if (shown > 12) std::fprintf(stderr, "  ... %d threads in all\n", shown);
}

[[noreturn]] void leave() {
  std::fprintf(stderr, "  (schedule seed %llu)\n", static_cast<unsigned long long>(options().seed));
  std::fflush(nullptr);
  _exit(3);
}

}  // namespace

void fail(const char* format, ...) {
  va_list list;
  va_start(list, format);
  std::fprintf(stderr, "CUDA emulator: ");
  std::vfprintf(stderr, format, list);
  va_end(list);
  std::fprintf(stderr, "\n");
  if (const Thread* t = current()) {
    std::fprintf(stderr, "  in block (%u,%u,%u) thread (%u,%u,%u)\n", t->block->index.x,
                 t->block->index.y, t->block->index.z, t->index.x, t->index.y, t->index.z);
  }
  leave();
}

void fail_with_waiters(const char* message) {
  std::fprintf(stderr, "CUDA emulator: %s\n", message);
  describe_waiters();
  leave();
}

}  // namespace tilegrad::emulator
