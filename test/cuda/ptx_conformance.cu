// What every wrapper of ptx.cuh and ptx_sm90.cuh computes, on seeded operands: one line per case, "NAME exact|float WORDS...".
// Built with nvcc it asks the GPU, with g++ the emulated twins; scripts/compare-conformance.mjs compares the two.
// Cases of a higher compute capability than the device's are left out, with a line that says so.
#include <cstdio>
#include <string>
#include <vector>

#include "ptx_cases.cuh"
#include "ptx_cases_sm90.cuh"

namespace tilegrad::kernel_tests {

int capability() {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, 0));
  return properties.major * 10 + properties.minor;
}

// Finite values of about one in every format that reads the words; integers take the bytes as they come.
Vector<uint32_t> operands(const std::string& name) {
  Vector<uint32_t> words(kThreads * kIn);
  for (size_t i = 0; i < words.size(); i++) {
    const float x = next_value();
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    const uint32_t noise = uint32_t(int(next_value() * 32768) & 0xffff) | bits << 20;
    // In 16-bit halves both are of the same format: an f16 of exponent 2^-2 or so, a bf16 by its upper bits.
    const uint32_t half = (noise & 0x83ff83ffu) | 0x34003400u;
    const bool f16 =
        name.find("f16") != std::string::npos && name.find("bf16") == std::string::npos;
    words[i] = f16                                      ? half
               : name.find("bf16") != std::string::npos ? (noise & 0x807f807fu) | 0x3f003f00u
               : name.find("tf32") != std::string::npos ? bits
                                                        : noise * 2654435761u;
  }
  if (name == "round_tf32") {
    const uint32_t special[] = {0,          0x80000000, 1,          0x00000fff, 0x00001000,
                                0x3f801000, 0x3f803000, 0x7f7fffff, 0x7f800000, 0xff800000};
    for (size_t i = 0; i < sizeof special / 4; i++) words[i] = special[i];
  }
  return words;
}

template <class Case>
void ask(const char* name, bool exact) {
  if (std::string(name).find(filter()) == std::string::npos) return;
  if (capability() < Case::kTarget || (Case::kTarget == 90 && capability() != 90)) {
    std::printf("# %s needs compute capability %d.%d\n", name, Case::kTarget / 10,
                Case::kTarget % 10);
    return;
  }
  Vector<uint32_t> out(size_t(kThreads) * kOut, 0);
  Device<uint32_t> in(operands(name)), result(out);
  Device<uint16_t> matrix(random_bf16(72 * 20));
  CUtensorMap map{};
  if (Case::kTarget == 90) map = Case::map(matrix.p);
  auto* kernel = run_wrapper<Case>;
  check(cudaFuncSetAttribute((const void*)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             kShared));
  check(launch(kernel, dim3(1), dim3(kThreads), kShared, stream(), in.p, result.p, map, matrix.p));
  result.read(out);
  std::printf("%s %s", name, exact ? "exact" : "float");
  for (uint32_t word : out) std::printf(" %x", word);
  std::printf("\n");
}

void ask_all() {
#define ASK(name, exact) ask<name>(#name, exact);
  ASK(ldmatrix_x4, true)
  ASK(ldmatrix_x4_trans, true)
  ASK(mma_m16n8k16_bf16, false)
  ASK(mma_m16n8k16_f16, false)
  ASK(mma_m16n8k8_tf32, false)
  ASK(mma_m16n8k32_s8, true)
  ASK(mma_m16n8k32_u8s8, true)
  ASK(mma_m16n8k32_s8u8, true)
  ASK(mma_m16n8k32_u8, true)
  ASK(mma_sp_m16n8k32_bf16, false)
  ASK(mma_sp_m16n8k32_f16, false)
  ASK(round_tf32, true)
  ASK(cp_async_16, true)
  ASK(cp_async_4, true)
  ASK(barrier_sync_and_arrive, true)
  ASK(release_and_acquire, true)
  ASK(mbarrier, true)
  ASK(tma_load_2d, true)
  ASK(tma_load_3d, true)
  ASK(tma_load_4d, true)
  ASK(tma_load_5d, true)
  ASK(tma_load_im2col_4d, true)
  ASK(im2col_stride_2, true)
  ASK(wgmma_m64n128k16_bf16, false)
  ASK(wgmma_m64n128k16_f16, false)
  ASK(wgmma_m64n128k8_tf32, false)
  ASK(wgmma_m64n128k8_tf32_registers, false)
  ASK(wgmma_sp_m64n128k32_bf16, false)
  ASK(wgmma_sp_m64n128k32_f16, false)
  ASK(wgmma_m64n128k32_s8, true)
  ASK(wgmma_m64n256k16_bf16, false)
  ASK(wgmma_m64n256k16_f16, false)
  ASK(wgmma_m64n256k8_tf32, false)
  ASK(wgmma_m64n256k32_s8, true)
  ASK(wgmma_m64n256k32_u8s8, true)
  ASK(wgmma_m64n256k32_s8u8, true)
  ASK(wgmma_m64n256k32_u8, true)
  ASK(wgmma_bf16_rows, false)
  ASK(wgmma_f16_second_rows, false)
  ASK(stmatrix_x4, true)
  ASK(stmatrix_x4_trans, true)
  ASK(tma_store_2d, true)
  ASK(cluster_of_one, true)
  ASK(side_effects, true)
}

}  // namespace tilegrad::kernel_tests

int main(int argc, char** argv) {
  using namespace tilegrad::kernel_tests;
  if (argc > 1) filter() = argv[1];
  ask_all();
  check(cudaDeviceSynchronize());
  return 0;
}
