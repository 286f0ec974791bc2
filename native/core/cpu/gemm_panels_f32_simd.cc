#include "core/cpu/gemm_panels.h"

namespace tilegrad::TILEGRAD_ISA {

GemmGeometry gemm_geometry_f32() { return gemm_geometry<float>(); }

void gemm_panels_f32(const GemmPanels<float>& g) { gemm_panels(g); }

}  // namespace tilegrad::TILEGRAD_ISA
