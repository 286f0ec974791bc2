// Twins of stmatrix and of TMA stores. A store reads shared memory at a random later step, and counts against its thread's
// groups until then.
#include "core/cuda/emulator/scheduler.h"
#include "core/cuda/emulator/tensor_map.h"
#include "core/cuda/emulator/twins.h"

namespace tilegrad::emulator {
namespace {

struct StoreMatrixOperand {
  const uint32_t* r;
  uint32_t row[4];  // what this lane's row receives
};

TILEGRAD_NO_TSAN void run_stmatrix(void** operands, unsigned mask) {
  if (mask != ~0u) fail("stmatrix needs all 32 lanes of the warp");
  for (int j = 0; j < 4; j++) {
    for (int lane = 0; lane < 32; lane++) {
      auto* owner = static_cast<StoreMatrixOperand*>(operands[8 * j + lane / 4]);
      owner->row[lane % 4] = static_cast<StoreMatrixOperand*>(operands[lane])->r[j];
    }
  }
}

TILEGRAD_NO_TSAN void run_stmatrix_transposed(void** operands, unsigned mask) {
  if (mask != ~0u) fail("stmatrix needs all 32 lanes of the warp");
  for (int j = 0; j < 4; j++) {
    for (int lane = 0; lane < 32; lane++) {
      const uint32_t word = static_cast<StoreMatrixOperand*>(operands[lane])->r[j];
      for (int half = 0; half < 2; half++) {
        auto* owner = static_cast<StoreMatrixOperand*>(operands[8 * j + 2 * (lane % 4) + half]);
        const auto element = static_cast<uint16_t>(word >> (16 * half));
        std::memcpy(reinterpret_cast<char*>(owner->row) + 2 * (lane / 4), &element, 2);
      }
    }
  }
}

struct TmaStore {
  TensorMap map;
  const char* shared;
  uint32_t from;
  BoxPlace place;
  int* jobs;
  char* sync;
};
static_assert(sizeof(TmaStore) <= sizeof(AsyncJob::payload));

TILEGRAD_NO_TSAN void run_tma_store(AsyncJob& job) {
  TmaStore store;
  std::memcpy(&store, job.payload, sizeof(store));
  copy_box_to_global(store.map, store.shared, store.from, store.place);
  release(store.sync);
  --*store.jobs;
  note_progress();
}

int line(const Site& site) { return static_cast<int>(site.line()); }

}  // namespace

void stmatrix(void* row, const uint32_t (&r)[4], bool transposed, const Site& site) {
  shared_offset(row);
  if (reinterpret_cast<uintptr_t>(row) & 15)
    fail("%s:%d: stmatrix row is not 16-byte aligned", site.file_name(), line(site));
  StoreMatrixOperand operand{r, {}};
  warp_collective(~0u, &operand, transposed ? run_stmatrix_transposed : run_stmatrix, site);
  if (access_hook) access_hook(row, 16, true, __builtin_return_address(0));
  // Each lane writes its own row, where the sanitizers look; all have written before any goes on.
  auto* words = static_cast<uint64_t*>(row);
  words[0] = operand.row[0] | uint64_t{operand.row[1]} << 32;
  words[1] = operand.row[2] | uint64_t{operand.row[3]} << 32;
  warp_collective(~0u, nullptr, nullptr, site);
}

// A warpgroup's flag: those that write a tile are those that store it.
TILEGRAD_NO_TSAN bool& proxy_fenced(Thread& t) { return t.block->proxy_fenced[t.linear / 128]; }

TILEGRAD_NO_TSAN void proxy_fence() { proxy_fenced(*current()) = true; }

TILEGRAD_NO_TSAN void tma_store_2d(const CUtensorMap* map, int x, int y, const void* from,
                                   const Site& site) {
  Thread& t = *current();
  if (!proxy_fenced(t))
    fail("%s:%d: a TMA store of shared memory without fence.proxy.async since the last one",
         site.file_name(), line(site));
  TmaStore store;
  store.map = read_tensor_map(map, 2, false, site);
  store.from = shared_offset(from);
  if (store.from & (store.map.swizzle_128b ? 1023 : 127))
    fail("%s:%d: TMA source is not aligned", site.file_name(), line(site));
  store.shared = shared_base();
  store.place = {{x, y}, {}};
  store.jobs = &t.store_jobs[t.store_groups % 16];
  store.sync = &t.store_sync;
  ++*store.jobs;
  AsyncJob& job = enqueue_async();
  job.run = run_tma_store;
  job.late = shuffled() && next_random() % 2 == 0;
  std::memcpy(job.payload, &store, sizeof(store));
  yield_point();
}

TILEGRAD_NO_TSAN void tma_store_commit() {
  Thread& t = *current();
  t.store_groups++;
  proxy_fenced(t) = false;
  if (t.store_jobs[t.store_groups % 16] > 0) fail("more than 16 groups of TMA stores in flight");
}

TILEGRAD_NO_TSAN void tma_store_wait(int groups) {
  Thread& t = *current();
  for (int back = groups + 1; back < 16; back++) {
    while (t.store_jobs[(t.store_groups - static_cast<unsigned>(back)) % 16] > 0)
      run_one_async(true);
  }
  acquire(&t.store_sync);
}

}  // namespace tilegrad::emulator
