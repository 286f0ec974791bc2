// The bugs that the kernels of this folder carry on request, to prove that the emulator finds each kind.
#pragma once

#include <cstring>

enum class Bug {
  none,
  barrier_before_reads,
  barrier_after_reads,
  barrier_before_reuse,
  store_out_of_bounds,
  load_out_of_bounds,
  barrier_in_branch,
  shuffle_in_branch,
  threadfence,
  cp_async_wait,
  tile_not_written,
  dynamic_shared_too_small,
  stream_sync,
  empty_slot_wait,
  wgmma_wait,
  registers_sum,
  multicast_empty_wait,
  store_wait_read,
  proxy_fence,
  cluster_exit,
  box_bytes,
  map_rank,
  im2col_corner,
  grid_barrier_in_branch,
  grid_barrier_before_reads,
  grid_barrier_before_reuse,
};

constexpr const char* kBugNames[] = {
    "none",
    "barrier_before_reads",
    "barrier_after_reads",
    "barrier_before_reuse",
    "store_out_of_bounds",
    "load_out_of_bounds",
    "barrier_in_branch",
    "shuffle_in_branch",
    "threadfence",
    "cp_async_wait",
    "tile_not_written",
    "dynamic_shared_too_small",
    "stream_sync",
    "empty_slot_wait",
    "wgmma_wait",
    "registers_sum",
    "multicast_empty_wait",
    "store_wait_read",
    "proxy_fence",
    "cluster_exit",
    "box_bytes",
    "map_rank",
    "im2col_corner",
    "grid_barrier_in_branch",
    "grid_barrier_before_reads",
    "grid_barrier_before_reuse",
};
constexpr int kBugCount = sizeof(kBugNames) / sizeof(kBugNames[0]);

inline Bug bug_of(const char* name) {
  for (int i = 0; i < kBugCount; i++) {
    if (std::strcmp(kBugNames[i], name) == 0) return static_cast<Bug>(i);
  }
  return Bug::none;
}
