// Runs the kernels of this folder against plain references: kernel_tests [--bug NAME] [--filter TEXT]
// [--small]. Prints a line per case and "N passed, N failed". --bug runs only the case that carries the
// bug, with it: the exit code is then 1 for a wrong result and 3 for the emulator's own diagnosis.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "cases.h"
#include "gemm_mma.cuh"
#include "gemm_tiled.cuh"
#include "gemm_wgmma.cuh"
#include "harness.h"
#include "reduce_sum.cuh"

namespace tilegrad::kernel_tests {

template <Bug bug, int Pad = 4>
void test_gemm_tiled(int m, int n, int k) {
  Vector<float> a = random_values(size_t(m) * k), b = random_values(size_t(k) * n), c;
  Device<float> da(a), db(b), dc(size_t(m) * n);
  check(launch(gemm_tiled<bug, Pad>, dim3(ceil_div(n, 64), ceil_div(m, 64)), dim3(256), 0, stream(),
               da.p, db.p, dc.p, m, n, k));
  dc.read(c, bug == Bug::stream_sync);
  expect_product(m, n, k, c, 1e-4, [&](int i, int j, int s) {
    return double(a[size_t(i) * k + s]) * b[size_t(s) * n + j];
  });
}

template <Bug bug>
void test_reduce_atomic(int n) {
  Vector<float> x = random_values(n), out;
  double sum = 0;
  for (float v : x) sum += v;
  Device<float> dx(x), dout(1);
  check(cudaMemsetAsync(dout.p, 0, 4, stream()));
  check(launch(reduce_atomic<bug>, dim3(6), dim3(256), 0, stream(), dx.p, dout.p, n));
  dout.read(out);
  expect_close(out[0], sum, 1e-3);
}

template <Bug bug>
void test_reduce_last_block(int n) {
  Vector<float> x = random_values(n), out;
  double sum = 0;
  for (float v : x) sum += v;
  Device<float> dx(x), partial(6), dout(1);
  Device<unsigned> ticket(1);
  check(cudaMemsetAsync(ticket.p, 0, 4, stream()));
  for (int round = 0; round < 2; round++) {  // the ticket must come back to zero
    check(launch(reduce_last_block<bug>, dim3(6), dim3(256), 0, stream(), dx.p, partial.p, dout.p,
                 ticket.p, n));
  }
  dout.read(out);
  expect_close(out[0], sum, 1e-3);
}

template <Bug bug>
void test_gemm_mma_bf16(int m, int n, int k) {
  Vector<uint16_t> a = random_bf16(size_t(m) * k), b = random_bf16(size_t(n) * k);
  Vector<float> c;
  Device<uint16_t> da(a), db(b);
  Device<float> dc(size_t(m) * n);
  const size_t shared = kMmaSharedBytes - (bug == Bug::dynamic_shared_too_small ? 64 : 0);
  auto* kernel = gemm_mma<2, bug>;
  check(cudaFuncSetAttribute((const void*)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             int(shared)));
  check(launch(kernel, dim3(ceil_div(n, 128), ceil_div(m, 128)), dim3(256), shared, stream(),
               (const unsigned char*)da.p, (const unsigned char*)db.p, dc.p, m, n, k * 2));
  dc.read(c);
  expect_product(m, n, k, c, 1e-4, [&](int i, int j, int s) {
    return double(bf16_value(a[size_t(i) * k + s])) * bf16_value(b[size_t(j) * k + s]);
  });
}

void test_gemm_mma_s8(int m, int n, int k) {
  Vector<int8_t> a = random_s8(size_t(m) * k), b = random_s8(size_t(n) * k);
  Vector<int> c;
  Device<int8_t> da(a), db(b);
  Device<int> dc(size_t(m) * n);
  check(launch(gemm_mma<1, Bug::none>, dim3(ceil_div(n, 128), ceil_div(m, 128)), dim3(256),
               kMmaSharedBytes, stream(), (const unsigned char*)da.p, (const unsigned char*)db.p,
               dc.p, m, n, k));
  dc.read(c);
  expect_product(m, n, k, c, 0, [&](int i, int j, int s) {
    return double(a[size_t(i) * k + s]) * b[size_t(j) * k + s];
  });
}

template <Bug bug>
void test_gemm_wgmma(int m, int n, int k) {
  Vector<uint16_t> a = random_bf16(size_t(m) * k), b = random_bf16(size_t(n) * k);
  Vector<float> c;
  Device<uint16_t> da(a), db(b);
  Device<float> dc(size_t(m) * n);
  const CUtensorMap map_a = tensor_map_bf16(da.p, k, m, 64, 128),
                    map_b = tensor_map_bf16(db.p, k, n, 64, 128);
  auto* kernel = gemm_wgmma<bug>;
  check(cudaFuncSetAttribute((const void*)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             sizeof(RingStorage)));
  check(launch(kernel, dim3(ceil_div(n, 128), ceil_div(m, 128)), dim3(384), sizeof(RingStorage),
               stream(), map_a, map_b, dc.p, m, n, k));
  dc.read(c);
  expect_product(m, n, k, c, 1e-4, [&](int i, int j, int s) {
    return double(bf16_value(a[size_t(i) * k + s])) * bf16_value(b[size_t(j) * k + s]);
  });
}

// A recorded graph gives the same result as the launches, at every replay.
void test_graph_replay(int n) {
  Vector<float> x = random_values(n), out;
  double sum = 0;
  for (float v : x) sum += v;
  Device<float> dx(x), dout(1);
  check(cudaStreamSynchronize(stream()));
  cudaGraph_t graph;
  cudaGraphExec_t replay;
  check(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeThreadLocal));
  check(cudaMemsetAsync(dout.p, 0, 4, stream()));
  check(launch(reduce_atomic<Bug::none>, dim3(6), dim3(256), 0, stream(), dx.p, dout.p, n));
  check(cudaStreamEndCapture(stream(), &graph));
  check(cudaGraphInstantiate(&replay, graph, 0));
  for (int round = 0; round < 3; round++) {
    check(cudaMemsetAsync(dout.p, 0xff, 4, stream()));
    check(cudaGraphLaunch(replay, stream()));
    dout.read(out);
    expect_close(out[0], sum, 1e-3);
  }
  check(cudaGraphExecDestroy(replay));
  check(cudaGraphDestroy(graph));
}

// An event orders two streams.
void test_event_order(int n) {
  Vector<float> x = random_values(n), out;
  double sum = 0;
  for (float v : x) sum += v;
  cudaStream_t side;
  cudaEvent_t ready;
  check(cudaStreamCreateWithFlags(&side, cudaStreamNonBlocking));
  check(cudaEventCreateWithFlags(&ready, cudaEventDisableTiming));
  Device<float> dx(x), dout(1);
  check(cudaMemsetAsync(dout.p, 0, 4, stream()));
  check(cudaEventRecord(ready, stream()));
  check(cudaStreamWaitEvent(side, ready, 0));
  check(launch(reduce_atomic<Bug::none>, dim3(6), dim3(256), 0, side, dx.p, dout.p, n));
  check(cudaEventRecord(ready, side));
  check(cudaStreamWaitEvent(stream(), ready, 0));
  dout.read(out);
  expect_close(out[0], sum, 1e-3);
  check(cudaStreamDestroy(side));
  check(cudaEventDestroy(ready));
}

#define PLANTED(bug, call) \
  case Bug::bug:           \
    return run_case(kBugNames[int(Bug::bug)], [] { call; });

void run_planted(Bug bug) {
  switch (bug) {
    PLANTED(barrier_before_reads, test_gemm_tiled<Bug::barrier_before_reads>(130, 133, 70))
    PLANTED(barrier_after_reads, test_gemm_tiled<Bug::barrier_after_reads>(130, 133, 70))
    PLANTED(store_out_of_bounds, test_gemm_tiled<Bug::store_out_of_bounds>(130, 133, 70))
    PLANTED(load_out_of_bounds, test_gemm_tiled<Bug::load_out_of_bounds>(64, 64, 70))
    PLANTED(tile_not_written, test_gemm_tiled<Bug::tile_not_written>(130, 133, 70))
    PLANTED(stream_sync, test_gemm_tiled<Bug::stream_sync>(130, 133, 70))
    PLANTED(barrier_in_branch, test_reduce_atomic<Bug::barrier_in_branch>(10017))
    PLANTED(shuffle_in_branch, test_reduce_atomic<Bug::shuffle_in_branch>(10017))
    PLANTED(threadfence, test_reduce_last_block<Bug::threadfence>(10017))
    PLANTED(barrier_before_reuse, test_gemm_mma_bf16<Bug::barrier_before_reuse>(130, 133, 248))
    PLANTED(cp_async_wait, test_gemm_mma_bf16<Bug::cp_async_wait>(130, 133, 248))
    PLANTED(dynamic_shared_too_small,
            test_gemm_mma_bf16<Bug::dynamic_shared_too_small>(130, 133, 248))
    PLANTED(empty_slot_wait, test_gemm_wgmma<Bug::empty_slot_wait>(130, 133, 632))
    PLANTED(wgmma_wait, test_gemm_wgmma<Bug::wgmma_wait>(130, 133, 632))
    PLANTED(registers_sum, test_gemm_wgmma<Bug::registers_sum>(130, 133, 72))
    default:
      return run_planted_cluster(bug);
  }
}

void run_all(bool small) {
  run_case("gemm_tiled 64x64x16", [] { test_gemm_tiled<Bug::none>(64, 64, 16); });
  run_case("gemm_tiled 70x67x37", [] { test_gemm_tiled<Bug::none>(70, 67, 37); });
  run_case("gemm_tiled conflicting rows", [] { test_gemm_tiled<Bug::none, 0>(64, 64, 16); });
  run_case("gemm_tiled spread rows", [] { test_gemm_tiled<Bug::none, 2>(64, 64, 16); });
  run_case("gemm_tiled 1x1x1", [] { test_gemm_tiled<Bug::none>(1, 1, 1); });
  run_case("reduce_atomic 10017", [] { test_reduce_atomic<Bug::none>(10017); });
  run_case("reduce_last_block 10017", [] { test_reduce_last_block<Bug::none>(10017); });
  run_case("graph_replay", [] { test_graph_replay(5000); });
  run_case("event_order", [] { test_event_order(5000); });
  run_case("gemm_mma bf16 20x24x72", [] { test_gemm_mma_bf16<Bug::none>(20, 24, 72); });
  run_case("gemm_mma s8 33x40x80", [] { test_gemm_mma_s8(33, 40, 80); });
  run_case("gemm_wgmma 65x70x328", [] { test_gemm_wgmma<Bug::none>(65, 70, 328); });
  if (small) return;
  run_case("gemm_tiled 200x203x193", [] { test_gemm_tiled<Bug::none>(200, 203, 193); });
  run_case("reduce_atomic 100017", [] { test_reduce_atomic<Bug::none>(100017); });
  run_case("gemm_mma bf16 130x133x248", [] { test_gemm_mma_bf16<Bug::none>(130, 133, 248); });
  run_case("gemm_mma s8 130x133x272", [] { test_gemm_mma_s8(130, 133, 272); });
  run_case("gemm_wgmma 130x133x632", [] { test_gemm_wgmma<Bug::none>(130, 133, 632); });
}

}  // namespace tilegrad::kernel_tests

int main(int argc, char** argv) {
  using namespace tilegrad::kernel_tests;
  bool small = false;
  Bug bug = Bug::none;
  for (int i = 1; i < argc; i++) {
    const std::string word = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (word == "--small") {
      small = true;
    } else if (word == "--bug" && (bug = bug_of(value)) != Bug::none) {
      i++;
    } else if (word == "--filter" && *value) {
      filter() = value;
      i++;
    } else {
      std::printf("usage: kernel_tests [--small] [--filter TEXT] [--bug NAME]; %s is not known\n",
                  argv[i]);
      return 2;
    }
  }
  if (bug != Bug::none) {
    run_planted(bug);
  } else {
    run_all(small);
    run_library_kernels(small);
    run_wgmma_kernels(small);
    run_op_kernels(small);
    run_cluster_kernels(small);
    run_tensor_maps(small);
    run_cooperative(small);
    run_conv_kernels(small);
  }
  check(cudaDeviceSynchronize());
  std::printf("%d passed, %d failed\n", counts().passed, counts().failed);
  return counts().failed > 0 ? 1 : 0;
}
