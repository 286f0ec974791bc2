// What a release build for Linux needs of glibc after 2.28 and of libstdc++ after GCC 8, made of what those have. Empty in
// other builds: cmake sets TILEGRAD_LINUX_FLOOR with TILEGRAD_SYSROOT. scripts/check-prebuilds.mjs reads the result.
//
// Each definition takes the assembler name of the function that it stands for, and is hidden: no other library sees it.
#if defined(TILEGRAD_LINUX_FLOOR)

#include <pthread.h>
#include <time.h>

#include <new>
#include <sstream>
#include <string>

#if defined(__x86_64__)
#define FIRST_GLIBC "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define FIRST_GLIBC "GLIBC_2.17"
#endif

// glibc 2.29 made versions of these that set errno by themselves; the results are the same.
#define FIRST_VERSION_1(name)                                 \
  __asm__(".symver first_" #name ", " #name "@" FIRST_GLIBC); \
  extern "C" double first_##name(double);                     \
  extern "C" double floor_##name(double x) __asm__(#name);    \
  extern "C" double floor_##name(double x) { return first_##name(x); }
#define FIRST_VERSION_2(name)                                        \
  __asm__(".symver first_" #name ", " #name "@" FIRST_GLIBC);        \
  extern "C" double first_##name(double, double);                    \
  extern "C" double floor_##name(double x, double y) __asm__(#name); \
  extern "C" double floor_##name(double x, double y) { return first_##name(x, y); }

FIRST_VERSION_1(exp)
FIRST_VERSION_1(exp2)
FIRST_VERSION_1(log)
FIRST_VERSION_1(log2)
FIRST_VERSION_2(pow)

// glibc 2.32: whether atomic operations can be left out. 0 says that they cannot.
extern "C" {
extern char floor_single_threaded __asm__("__libc_single_threaded");
char floor_single_threaded = 0;
}

// glibc 2.30: a wait until a time of any clock. Here it waits for as long on the system clock; a caller that woke too early,
// because somebody set that clock, waits again.
extern "C" int floor_cond_clockwait(pthread_cond_t*, pthread_mutex_t*, clockid_t,
                                    const timespec*) __asm__("pthread_cond_clockwait");
extern "C" int floor_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                    clockid_t clock, const timespec* until) {
  constexpr long kSecond = 1000000000;
  timespec now, system;
  clock_gettime(clock, &now);
  clock_gettime(CLOCK_REALTIME, &system);
  system.tv_sec += until->tv_sec - now.tv_sec;
  system.tv_nsec += until->tv_nsec - now.tv_nsec;
  if (system.tv_nsec < 0) {
    system.tv_nsec += kSecond;
    --system.tv_sec;
  } else if (system.tv_nsec >= kSecond) {
    system.tv_nsec -= kSecond;
    ++system.tv_sec;
  }
  return pthread_cond_timedwait(condition, mutex, &system);
}

// GLIBCXX_3.4.26: the constructor without arguments.
extern "C" void floor_ostringstream(void* self) __asm__(
    "_ZNSt7__cxx1119basic_ostringstreamIcSt11char_traitsIcESaIcEEC1Ev");
extern "C" void floor_ostringstream(void* self) {
  new (self) std::ostringstream(std::ios_base::out);
}

// GLIBCXX_3.4.29: str() const&, which until then was str() const.
std::string first_str(const std::stringbuf*) __asm__(
    "_ZNKSt7__cxx1115basic_stringbufIcSt11char_traitsIcESaIcEE3strEv");
std::string floor_str(const std::stringbuf*) __asm__(
    "_ZNKRSt7__cxx1115basic_stringbufIcSt11char_traitsIcESaIcEE3strEv");
std::string floor_str(const std::stringbuf* self) { return first_str(self); }

// GLIBCXX_3.4.29.
[[noreturn]] void floor_throw_bad_array_new_length() __asm__("_ZSt28__throw_bad_array_new_lengthv");
[[noreturn]] void floor_throw_bad_array_new_length() { throw std::bad_array_new_length(); }

// CXXABI_1.3.13, for the destructor that newer headers have inline; the older destructor does it, too.
extern "C" void first_exception_ptr_end(void*) __asm__("_ZNSt15__exception_ptr13exception_ptrD1Ev");
extern "C" void floor_exception_ptr_release(void*) __asm__(
    "_ZNSt15__exception_ptr13exception_ptr10_M_releaseEv");
extern "C" void floor_exception_ptr_release(void* self) { first_exception_ptr_end(self); }

#endif
