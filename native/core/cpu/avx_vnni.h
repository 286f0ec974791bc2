// AVX-VNNI: products of bytes summed in 32 bits, in the registers of AVX2 (Intel since Alder Lake, AMD since Zen 5).
#pragma once

namespace tilegrad {

// True where the kernels are those of AVX2, the processor has AVX-VNNI, and TILEGRAD_ISA is unset or "avx2_vnni".
bool has_avx_vnni();
// The same whatever TILEGRAD_ISA says.
bool processor_has_avx_vnni();

}  // namespace tilegrad
