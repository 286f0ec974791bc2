#include "core/cpu/avx_vnni.h"

#include <cstdlib>
#include <cstring>

#include "core/cpu/isa.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tilegrad {

bool processor_has_avx_vnni() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kAvxVnni = 1u << 4;
  const Isa best = detected_isa();
  const bool saved = best == Isa::avx2 || best == Isa::avx512;  // the registers, by the system
  return saved && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & kAvxVnni) != 0;
#else
  return false;
#endif
}

bool has_avx_vnni() {
  static const bool had = [] {
    if (isa() != Isa::avx2) return false;
    const char* name = std::getenv("TILEGRAD_ISA");
    const bool wanted = name == nullptr || *name == '\0' || std::strcmp(name, "avx2_vnni") == 0;
    return wanted && processor_has_avx_vnni();
  }();
  return had;
}

}  // namespace tilegrad
