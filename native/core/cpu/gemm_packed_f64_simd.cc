#include "core/cpu/gemm_packed.h"

namespace tilegrad::TILEGRAD_ISA {

GemmGeometry gemm_geometry_f64() { return gemm_geometry<double>(); }

void gemm_packed_f64(const PackedGemm<double>& g) { gemm_packed(g); }

}  // namespace tilegrad::TILEGRAD_ISA
