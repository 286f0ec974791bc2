#include "core/cpu/amx.h"

#include <cstdlib>
#include <cstring>

#include "core/cpu/isa.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace tilegrad {
namespace {

#if defined(__x86_64__) && defined(__linux__)

bool processor_has_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  constexpr unsigned kTile = 1u << 24, kInt8 = 1u << 25, kBf16 = 1u << 22;
  constexpr unsigned kVbmi = 1u << 1;  // packing shuffles bytes
  if ((d & kTile) == 0 || (d & kInt8) == 0 || (d & kBf16) == 0 || (c & kVbmi) == 0) return false;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & bit_OSXSAVE) == 0) return false;
  unsigned low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  constexpr unsigned kTileState = 3u << 17;  // configuration and data
  return (low & kTileState) == kTileState;
}

// Linux saves the 8 KB of tile data only for processes that asked.
bool system_grants_tiles() {
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

#else

bool processor_has_tiles() { return false; }
bool system_grants_tiles() { return false; }

#endif

}  // namespace

bool processor_has_amx() {
  static const bool granted =
      detected_isa() == Isa::avx512 && processor_has_tiles() && system_grants_tiles();
  return granted;
}

bool has_amx() {
  static const bool wanted = [] {
    if (isa() != Isa::avx512) return false;
    const char* name = std::getenv("TILEGRAD_ISA");
    return name == nullptr || *name == '\0' || std::strcmp(name, "amx") == 0;
  }();
  return wanted && processor_has_amx();
}

}  // namespace tilegrad
