// Twins of mbarrier and TMA loads. TMA jobs run at a random later step under a TSan fiber of their own: acquired from the
// issuer, released into the barrier.
#include <algorithm>
#include <cstdio>

#include "core/cuda/emulator/scheduler.h"
#include "core/cuda/emulator/tensor_map.h"
#include "core/cuda/emulator/twins.h"

namespace tilegrad::emulator {
namespace {

constexpr uint64_t kMbarrierWord =
    0x6d62617272696572;  // what an initialised barrier holds in shared memory

TILEGRAD_NO_TSAN Mbarrier* find(Block& block, const uint64_t* address) {
  for (int i = 0; i < block.mbarrier_count; i++) {
    if (block.mbarriers[i].address == address) return &block.mbarriers[i];
  }
  return nullptr;
}

TILEGRAD_NO_TSAN uint64_t peek(const uint64_t* address) { return *address; }
TILEGRAD_NO_TSAN void poke(uint64_t* address, uint64_t value) { *address = value; }

TILEGRAD_NO_TSAN Mbarrier& valid_in(Block& block, uint64_t* address) {
  Mbarrier* m = find(block, address);
  if (!m || peek(address) != kMbarrierWord)
    fail("an mbarrier is used before its init, or was overwritten");
  return *m;
}

TILEGRAD_NO_TSAN Mbarrier& valid(uint64_t* address) {
  shared_offset(address);
  return valid_in(*current()->block, address);
}

TILEGRAD_NO_TSAN void complete_if_done(Mbarrier& m) {
  if (m.pending == 0 && m.bytes == 0) {
    m.phase ^= 1;
    m.pending = m.expected;
  }
  note_progress();
}

struct TmaLoad {
  TensorMap map;
  char* shared;
  uint32_t to;
  BoxPlace place;
  Mbarrier* barrier;
};
static_assert(sizeof(TmaLoad) <= sizeof(AsyncJob::payload));

TILEGRAD_NO_TSAN void run_tma_load(AsyncJob& job) {
  TmaLoad load;
  std::memcpy(&load, job.payload, sizeof(load));
  copy_box_to_shared(load.map, load.shared, load.to, load.place);
  Mbarrier& m = *load.barrier;
  release(&m.sync[m.phase]);
  m.bytes -= static_cast<long>(box_bytes(load.map));
  complete_if_done(m);
}

TILEGRAD_NO_TSAN void enqueue_load(Block& target, void* to, const TensorMap& map, uint64_t* barrier,
                                   const BoxPlace& place, const Site& site) {
  TmaLoad load;
  load.map = map;
  check_place(map, place, site);
  load.to = static_cast<uint32_t>(static_cast<char*>(to) - target.arena);
  if (load.to & (load.map.swizzle_128b ? 1023 : 127))
    fail("%s:%d: TMA destination is not aligned", site.file_name(), static_cast<int>(site.line()));
  load.shared = target.arena;
  load.place = place;
  load.barrier = &valid_in(target, barrier);
  fill_poison(to, box_bytes(map));
  AsyncJob& job = enqueue_async();
  job.run = run_tma_load;
  job.late = false;
  std::memcpy(job.payload, &load, sizeof(load));
}

TILEGRAD_NO_TSAN void arrive(Mbarrier& m, int expected_bytes) {
  release(&m.sync[m.phase]);
  m.bytes += expected_bytes;
  if (--m.pending < 0) fail("an mbarrier is arrived at too often");
  complete_if_done(m);
}

}  // namespace

TILEGRAD_NO_TSAN void mbarrier_init(uint64_t* barrier, int arrivals) {
  Block& block = *current()->block;
  shared_offset(barrier);
  if (reinterpret_cast<uintptr_t>(barrier) & 7) fail("an mbarrier is not 8-byte aligned");
  Mbarrier* m = find(block, barrier);
  if (!m) {
    if (block.mbarrier_count == 64) fail("more than 64 mbarriers in a block");
    m = &block.mbarriers[block.mbarrier_count++];
  }
  *m = Mbarrier{barrier, arrivals, arrivals, 0, 0, {0, 0}};
  poke(barrier, kMbarrierWord);
}

TILEGRAD_NO_TSAN void mbarrier_arrive(uint64_t* barrier, int expected_bytes) {
  arrive(valid(barrier), expected_bytes);
  yield_point();
}

TILEGRAD_NO_TSAN void mbarrier_wait(uint64_t* barrier, int parity, const Site& site) {
  Mbarrier& m = valid(barrier);
  while (m.phase == parity) poll("mbarrier wait", site);
  acquire(&m.sync[parity]);
  yield_point();
}

TILEGRAD_NO_TSAN void tma_load(void* to, const CUtensorMap* map, uint64_t* barrier,
                               std::initializer_list<int> at, const Site& site) {
  BoxPlace place;
  std::copy(at.begin(), at.end(), place.at);
  const TensorMap fields = read_tensor_map(map, static_cast<int>(at.size()), false, site);
  enqueue_load(*current()->block, to, fields, barrier, place, site);
  yield_point();
}

TILEGRAD_NO_TSAN void tma_load_im2col(void* to, const CUtensorMap* map, uint64_t* barrier,
                                      std::initializer_list<int> at,
                                      std::initializer_list<uint16_t> tap, const Site& site) {
  BoxPlace place;
  std::copy(at.begin(), at.end(), place.at);
  std::copy(tap.begin(), tap.end(), place.tap);
  const TensorMap fields = read_tensor_map(map, static_cast<int>(at.size()), true, site);
  enqueue_load(*current()->block, to, fields, barrier, place, site);
  yield_point();
}

TILEGRAD_NO_TSAN void tma_load_2d_multicast(void* to, const CUtensorMap* map, uint64_t* barrier,
                                            int x, int y, unsigned ranks, const Site& site) {
  const Cluster& cluster = *current()->block->cluster;
  if (ranks == 0 || ranks >> cluster.size)
    fail("%s:%d: multicast to blocks 0x%x of a cluster of %d", site.file_name(),
         static_cast<int>(site.line()), ranks, cluster.size);
  const TensorMap fields = read_tensor_map(map, 2, false, site);
  const BoxPlace place{{x, y}, {}};
  for (int rank = 0; rank < cluster.size; rank++) {
    if (!(ranks >> rank & 1)) continue;
    // Each block gets a copy of its own, which completes on its own barrier.
    void* target = cluster_address(to, rank, site);
    auto* remote = reinterpret_cast<uint64_t*>(cluster_address(barrier, rank, site));
    enqueue_load(*cluster.blocks[rank], target, fields, remote, place, site);
  }
  yield_point();
}

TILEGRAD_NO_TSAN void mbarrier_arrive_remote(uint64_t* barrier, int rank, const Site& site) {
  auto* address = reinterpret_cast<uint64_t*>(cluster_address(barrier, rank, site));
  arrive(valid_in(*current()->block->cluster->blocks[rank], address), 0);
  yield_point();
}

TILEGRAD_NO_TSAN void set_registers(int count) {
  const Thread& t = *current();
  if (count < 24 || count > 256 || count % 8)
    fail("setmaxnreg %d is not a multiple of 8 from 24 to 256", count);
  t.block->registers[t.linear / 128] = count;
}

}  // namespace tilegrad::emulator
