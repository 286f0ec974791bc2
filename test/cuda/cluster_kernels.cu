// Clusters, multicast and TMA stores: the kernels of gemm_cluster.cuh against references in f64.
#include "cases.h"
#include "gemm_cluster.cuh"
#include "harness.h"

namespace tilegrad::kernel_tests {

template <Bug bug>
void test_gemm_cluster(int m, int n, int k) {
  Vector<uint16_t> a = random_bf16(size_t(m) * k), b = random_bf16(size_t(n) * k), c;
  Device<uint16_t> da(a), db(b), dc(size_t(m) * n);
  const CUtensorMap map_a = tensor_map_bf16(da.p, k, m, 64, 128),
                    map_b = tensor_map_bf16(db.p, k, n, 64, 64),
                    map_c = tensor_map_bf16(dc.p, n, m, 64, 128);
  auto* kernel = gemm_cluster<bug>;
  check(cudaFuncSetAttribute((const void*)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             sizeof(ClusterStorage)));
  const dim3 grid(ceil_div(n, 128 * kClusterTiles), ceil_div(m, 256) * 2);
  check(launch_cluster(kernel, grid, dim3(256), dim3(1, 2), sizeof(ClusterStorage), stream(), map_a,
                       map_b, map_c, k));
  dc.read(c);
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < n; j++) {
      double sum = 0;
      for (int s = 0; s < k; s++)
        sum += double(bf16_value(a[size_t(i) * k + s])) * bf16_value(b[size_t(j) * k + s]);
      expect_close(bf16_value(c[size_t(i) * n + j]), sum, 4e-3 * (1 + std::abs(sum)));
    }
  }
}

template <Bug bug>
void test_sum_cluster(int clusters) {
  const size_t n = size_t(clusters) * 4 * 128;
  Vector<float> x = random_values(n), out;
  Device<float> dx(x), dout(n);
  check(launch_cluster(sum_cluster<bug>, dim3(clusters * 4), dim3(128), dim3(4), 0, stream(), dx.p,
                       dout.p));
  dout.read(out);
  for (size_t i = 0; i < n; i++) {
    double sum = 0;
    for (size_t rank = 0; rank < 4; rank++) sum += x[i / 512 * 512 + rank * 128 + i % 128];
    expect_close(out[i], sum, 1e-5);
  }
}

// A grid that no whole number of clusters makes is refused.
void test_ragged_clusters() {
  Device<float> x(512), out(512);
  const cudaError_t error =
      launch_cluster(sum_cluster<Bug::none>, dim3(3), dim3(128), dim3(4), 0, stream(), x.p, out.p);
  if (error == cudaSuccess) counts().current_ok = false;
  cudaGetLastError();
}

#define PLANTED(bug, call) \
  case Bug::bug:           \
    return run_case(kBugNames[int(Bug::bug)], [] { call; });

void run_planted_cluster(Bug bug) {
  switch (bug) {
    PLANTED(multicast_empty_wait, test_gemm_cluster<Bug::multicast_empty_wait>(260, 136, 520))
    PLANTED(store_wait_read, test_gemm_cluster<Bug::store_wait_read>(260, 264, 72))
    PLANTED(proxy_fence, test_gemm_cluster<Bug::proxy_fence>(130, 136, 72))
    PLANTED(cluster_exit, test_sum_cluster<Bug::cluster_exit>(3))
    default:
      return run_planted_tensor_map(bug);
  }
}

void run_cluster_kernels(bool small) {
  if (!on_hopper()) return;
  run_case("sum_cluster 3", [] { test_sum_cluster<Bug::none>(3); });
  run_case("clusters that do not divide the grid", [] { test_ragged_clusters(); });
  run_case("gemm_cluster 65x72x200", [] { test_gemm_cluster<Bug::none>(65, 72, 200); });
  if (small) return;
  run_case("gemm_cluster 260x264x520", [] { test_gemm_cluster<Bug::none>(260, 264, 520); });
}

}  // namespace tilegrad::kernel_tests
