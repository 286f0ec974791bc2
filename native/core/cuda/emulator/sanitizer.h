// What the scheduler tells AddressSanitizer and ThreadSanitizer; empty in plain builds.
// Under TSan the kernels are instrumented and the scheduler is not (TILEGRAD_EMULATOR_TSAN is set then).
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(TILEGRAD_EMULATOR_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace tilegrad::emulator {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kAsan = true;
inline void start_switch(void** fake, const void* bottom, size_t size) {
  __sanitizer_start_switch_fiber(fake, bottom, size);
}
inline void finish_switch(void* fake, const void** bottom, size_t* size) {
  __sanitizer_finish_switch_fiber(fake, bottom, size);
}
inline void poison(const void* p, size_t n) { __asan_poison_memory_region(p, n); }
inline void unpoison(const void* p, size_t n) { __asan_unpoison_memory_region(p, n); }
#else
constexpr bool kAsan = false;
inline void start_switch(void**, const void*, size_t) {}
inline void finish_switch(void*, const void**, size_t*) {}
inline void poison(const void*, size_t) {}
inline void unpoison(const void*, size_t) {}
#endif

// Plain stores: gcc's TSan does not instrument an inlined memset, and volatile keeps it from becoming one.
// static: the copies of instrumented and plain files must not be merged.
static inline void fill_poison(void* p, size_t n) {
  auto* bytes = static_cast<volatile char*>(p);
  size_t i = 0;
  for (; i < n && (reinterpret_cast<size_t>(bytes + i) & 7); i++)
    bytes[i] = static_cast<char>(0xff);
  for (; i + 8 <= n; i += 8) *reinterpret_cast<volatile unsigned long long*>(bytes + i) = ~0ull;
  for (; i < n; i++) bytes[i] = static_cast<char>(0xff);
}

#if defined(TILEGRAD_EMULATOR_TSAN)
constexpr bool kTsan = true;
inline void* tsan_fiber() { return __tsan_create_fiber(0); }
inline void* tsan_current() { return __tsan_get_current_fiber(); }
inline void tsan_switch(void* fiber) {
  __tsan_switch_to_fiber(fiber, __tsan_switch_to_fiber_no_sync);
}
inline void acquire(void* sync) { __tsan_acquire(sync); }
inline void release(void* sync) { __tsan_release(sync); }
#else
constexpr bool kTsan = false;
inline void* tsan_fiber() { return nullptr; }
inline void* tsan_current() { return nullptr; }
inline void tsan_switch(void*) {}
inline void acquire(void*) {}
inline void release(void*) {}
#endif

}  // namespace tilegrad::emulator
