// Cooperative grids: sums over all blocks, made between two barriers of the grid, three times over the same memory.
#include "cases.h"
#include "core/cuda/cooperative.cuh"
#include "harness.h"

namespace tilegrad::kernel_tests {
namespace {

constexpr int kThreads = 96;

// partial (blocks); out (rounds, blocks): every block adds up what all have written.
template <Bug bug>
__global__ void __launch_bounds__(kThreads)
    sum_grid(const float* x, float* partial, float* out, int rounds) {
  SHARED_ARRAY(sums, float[kThreads]);
  const int block = blockIdx.x, blocks = gridDim.x, t = threadIdx.x;
  for (int round = 0; round < rounds; round++) {
    sums[t] = x[(round * blocks + block) * kThreads + t];
    __syncthreads();
    if (t == 0) {
      float sum = 0;
      for (float value : sums) sum += value;
      partial[block] = sum;
    }
    if (bug != Bug::grid_barrier_in_branch || block != 1) {
      if (bug != Bug::grid_barrier_before_reads) grid_sync();
    }
    if (t == 0) {
      float sum = 0;
      for (int i = 0; i < blocks; i++) sum += partial[i];
      out[round * blocks + block] = sum;
    }
    if (bug != Bug::grid_barrier_before_reuse) grid_sync();
  }
}

template <Bug bug>
void test_sum_grid(int most, int rounds) {
  int held = 0;
  check(cooperative_blocks(sum_grid<bug>, kThreads, 0, &held));
  const int blocks = held < most ? held : most;
  Vector<float> x = random_values(size_t(rounds) * blocks * kThreads), out;
  Device<float> dx(x), partial(blocks), dout(size_t(rounds) * blocks);
  check(launch_cooperative(sum_grid<bug>, dim3(blocks), dim3(kThreads), 0, stream(), dx.p,
                           partial.p, dout.p, rounds));
  dout.read(out);
  for (int round = 0; round < rounds; round++) {
    double sum = 0;
    for (int i = 0; i < blocks * kThreads; i++) sum += x[size_t(round) * blocks * kThreads + i];
    for (int block = 0; block < blocks; block++)
      expect_close(out[size_t(round) * blocks + block], sum, 1e-4);
  }
}

// One block more than the device holds at once is refused, and the next launch works.
void test_too_large() {
  int held = 0;
  check(cooperative_blocks(sum_grid<Bug::none>, kThreads, 0, &held));
  Device<float> x(kThreads), partial(1), out(1);
  const cudaError_t error = launch_cooperative(sum_grid<Bug::none>, dim3(held + 1), dim3(kThreads),
                                               0, stream(), x.p, partial.p, out.p, 1);
  cudaGetLastError();
  test_sum_grid<Bug::none>(2, 1);
  if (error != cudaErrorCooperativeLaunchTooLarge) counts().current_ok = false;
}

}  // namespace

#define PLANTED(bug, call) \
  case Bug::bug:           \
    return run_case(kBugNames[int(Bug::bug)], [] { call; });

void run_planted_cooperative(Bug bug) {
  switch (bug) {
    PLANTED(grid_barrier_in_branch, test_sum_grid<Bug::grid_barrier_in_branch>(4, 1))
    PLANTED(grid_barrier_before_reads, test_sum_grid<Bug::grid_barrier_before_reads>(4, 1))
    PLANTED(grid_barrier_before_reuse, test_sum_grid<Bug::grid_barrier_before_reuse>(4, 3))
    default:
      std::printf("there is no case that carries this bug\n");
      std::exit(2);
  }
}

void run_cooperative(bool small) {
  run_case("sum_grid of 4 blocks", [] { test_sum_grid<Bug::none>(4, 3); });
  run_case("cooperative grid too large", [] { test_too_large(); });
  if (small) return;
  run_case("sum_grid of 8 blocks", [] { test_sum_grid<Bug::none>(8, 3); });
}

}  // namespace tilegrad::kernel_tests
