// Switching between fibers: saves the callee-saved registers on the stack and swaps stack pointers.
#pragma once

#include <cstddef>
#include <cstdint>

#if !defined(__x86_64__)
#error \
    "the CUDA emulator has a fiber switch for x86-64 only; build it there, or write context.cc for this processor"
#endif

extern "C" void tilegrad_emulator_switch(void** save_sp, void* to_sp);

namespace tilegrad::emulator {

// The stack pointer with which the first switch to a fresh stack enters `entry`, which never returns.
inline void* fresh_context(char* stack_top, void (*entry)()) {
  auto* sp = reinterpret_cast<uint64_t*>(stack_top);
  *--sp = 0;  // keeps the stack 16-byte aligned at entry, and ends back-traces
  *--sp = reinterpret_cast<uint64_t>(entry);
  for (int i = 0; i < 6; i++) *--sp = 0;
  return sp;
}

}  // namespace tilegrad::emulator
