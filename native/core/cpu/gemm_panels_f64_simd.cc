#include "core/cpu/gemm_panels.h"

namespace tilegrad::TILEGRAD_ISA {

GemmGeometry gemm_geometry_f64() { return gemm_geometry<double>(); }

void gemm_panels_f64(const GemmPanels<double>& g) { gemm_panels(g); }

}  // namespace tilegrad::TILEGRAD_ISA
