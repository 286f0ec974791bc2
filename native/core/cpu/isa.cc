#include "core/cpu/isa.h"

#include <cstdlib>
#include <cstring>

#include "core/cpu/amx.h"
#include "core/cpu/avx_vnni.h"
#include "core/error.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tilegrad {
namespace {

constexpr const char* kNames[] = {"portable", "avx2", "avx512", "neon"};
constexpr const char* kAmx = "amx";            // avx512 with tiles
constexpr const char* kAvxVnni = "avx2_vnni";  // avx2 with products of bytes

#if defined(__x86_64__)
// Clang's __builtin_cpu_supports does not know it.
bool has_f16c() {
  unsigned a, b, c = 0, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

bool has(Isa which) {
  switch (which) {
    case Isa::portable:
      return true;
#if defined(__x86_64__)
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    case Isa::avx512:
      return has(Isa::avx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
#elif defined(__aarch64__)
    case Isa::neon:
      return true;
#endif
    default:
      return false;
  }
}

Isa choose() {
  const char* wanted = std::getenv("TILEGRAD_ISA");
  if (wanted == nullptr || *wanted == '\0') return detected_isa();
  for (const Isa which : {Isa::portable, Isa::avx2, Isa::avx512, Isa::neon}) {
    if (std::strcmp(wanted, kNames[static_cast<int>(which)]) != 0) continue;
    if (has(which)) return which;
    fail(ErrorCode::argument, "TILEGRAD_ISA=", wanted,
         ": this processor does not have it; the best is ",
         kNames[static_cast<int>(detected_isa())]);
  }
  if (std::strcmp(wanted, kAmx) == 0) {
    if (processor_has_amx()) return Isa::avx512;
    fail(ErrorCode::argument,
         "TILEGRAD_ISA=amx: this processor does not have it, or the system does not grant it");
  }
  if (std::strcmp(wanted, kAvxVnni) == 0) {
    if (processor_has_avx_vnni()) return Isa::avx2;
    fail(ErrorCode::argument, "TILEGRAD_ISA=avx2_vnni: this processor does not have it");
  }
  fail(ErrorCode::argument,
       "TILEGRAD_ISA must be portable, avx2, avx2_vnni, avx512, amx or neon but is '", wanted, "'");
}

}  // namespace

Isa detected_isa() {
  for (const Isa which : {Isa::neon, Isa::avx512, Isa::avx2}) {
    if (has(which)) return which;
  }
  return Isa::portable;
}

Isa isa() {
  static const Isa chosen =
      choose();  // an exception leaves it unset, so every later call says the same
  return chosen;
}

const char* isa_name() {
  if (has_avx_vnni()) return kAvxVnni;
  return has_amx() ? kAmx : kNames[static_cast<int>(isa())];
}

}  // namespace tilegrad
