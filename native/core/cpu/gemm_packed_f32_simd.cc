#include "core/cpu/gemm_packed.h"

namespace tilegrad::TILEGRAD_ISA {

GemmGeometry gemm_geometry_f32() { return gemm_geometry<float>(); }

void gemm_packed_f32(const PackedGemm<float>& g) { gemm_packed(g); }

}  // namespace tilegrad::TILEGRAD_ISA
