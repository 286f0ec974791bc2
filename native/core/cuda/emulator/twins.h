// The emulated twins of the instructions in ptx.cuh and ptx_sm90.cuh.
#pragma once

#include <cuda.h>

#include <initializer_list>

#include "core/cuda/emulator/emulator.h"

namespace tilegrad::emulator {

void ldmatrix(uint32_t (&r)[4], const void* row, bool transposed, const Site& site);
void mma_16bit(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], bool bf16,
               const Site& site);
void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const Site& site);
void mma_8bit(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], bool a_signed,
              bool b_signed, const Site& site);
void mma_sparse_16bit(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[4],
                      uint32_t indices, bool bf16, const Site& site);
uint32_t round_tf32(float x);

// Truly asynchronous: the destination is poison from the issue until the wait.
void cp_async(void* to, const void* from, int bytes, int valid, const Site& site);
void cp_async_commit();
void cp_async_wait(int groups);

unsigned load_acquire(const unsigned* address);
void store_release(unsigned* address, unsigned value);

void mbarrier_init(uint64_t* barrier, int arrivals);
void mbarrier_arrive(uint64_t* barrier, int expected_bytes);
void mbarrier_wait(uint64_t* barrier, int parity, const Site& site);
// As many dimensions as coordinates.
void tma_load(void* to, const CUtensorMap* map, uint64_t* barrier, std::initializer_list<int> at,
              const Site& site);
void tma_load_im2col(void* to, const CUtensorMap* map, uint64_t* barrier,
                     std::initializer_list<int> at, std::initializer_list<uint16_t> tap,
                     const Site& site);
void tma_load_2d_multicast(void* to, const CUtensorMap* map, uint64_t* barrier, int x, int y,
                           unsigned ranks, const Site& site);
void mbarrier_arrive_remote(uint64_t* barrier, int rank, const Site& site);
void set_registers(int count);

void stmatrix(void* row, const uint32_t (&r)[4], bool transposed, const Site& site);
void proxy_fence();
void tma_store_2d(const CUtensorMap* map, int x, int y, const void* from, const Site& site);
void tma_store_commit();
void tma_store_wait(int groups);

void wgmma_commit();
void wgmma_wait(int groups, const Site& site);
void wgmma_bf16(float* d, int n, uint64_t a, uint64_t b, int scale_d, bool a_transposed,
                bool b_transposed, const Site& site);
void wgmma_f16(float* d, int n, uint64_t a, uint64_t b, int scale_d, bool a_transposed,
               bool b_transposed, const Site& site);
void wgmma_tf32(float* d, int n, uint64_t a, uint64_t b, int scale_d, const Site& site);
void wgmma_tf32_registers(float* d, int n, const uint32_t* a, uint64_t b, int scale_d,
                          const Site& site);
void wgmma_sparse_16bit(float* d, int n, uint64_t a, uint64_t b, uint32_t indices, int scale_d,
                        bool bf16, const Site& site);
void wgmma_8bit(int* d, int n, uint64_t a, uint64_t b, int scale_d, bool a_signed, bool b_signed,
                const Site& site);

}  // namespace tilegrad::emulator
