// Intel AMX: whether this process may use the tile registers.
#pragma once

namespace tilegrad {

// True where the processor has AMX tiles for bytes and bf16, the system grants their state (asked for once, on the first call), and
// TILEGRAD_ISA is unset or "amx". Kernels then take them beside AVX-512.
bool has_amx();
// The same whatever TILEGRAD_ISA says.
bool processor_has_amx();

}  // namespace tilegrad
