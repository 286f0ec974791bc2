// Barriers and the meetings of warps and warpgroups. Each has two TSan sync objects, by generation
// parity: a single one would order a fast thread's next arrival before a slow one's leaving.
#include <cstring>

#include "core/cuda/emulator/scheduler.h"

namespace tilegrad::emulator {
namespace {

bool same(const Site& a, const Site& b) {
  return a.line() == b.line() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

int line(const Site& site) { return static_cast<int>(site.line()); }

unsigned lanes_in_warp(const Block& block, unsigned warp) {
  const int lanes = block.thread_count - static_cast<int>(warp) * 32;
  return lanes >= 32 ? ~0u : (1u << lanes) - 1;
}

WarpMeeting& find_meeting(Block& block, unsigned mask, const Site& site) {
  auto& meetings = block.warps[current()->warp];
  const unsigned self = 1u << current()->lane;
  for (WarpMeeting& m : meetings) {
    if (m.arrived == 0 || m.mask != mask) continue;
    if (!same(m.site, site)) {
      fail("warp operation at %s:%d meets one at %s:%d: lanes of a warp diverged", site.file_name(),
           line(site), m.site.file_name(), line(m.site));
    }
    return m;
  }
  for (const WarpMeeting& m : meetings) {
    if (m.arrived != 0 && (m.mask & self)) {
      fail("%s:%d: warp operation with mask 0x%x while lanes wait at %s:%d with mask 0x%x",
           site.file_name(), line(site), mask, m.site.file_name(), line(m.site), m.mask);
    }
  }
  for (WarpMeeting& m : meetings) {
    if (m.arrived != 0) continue;
    m.mask = mask;
    m.site = site;
    return m;
  }
  fail("%s:%d: more than 4 warp operations of one warp in flight", site.file_name(), line(site));
}

void wake_others(Thread** threads, int count) {
  for (int i = 0; i < count; i++) {
    if (threads[i] && threads[i] != current()) make_ready(threads[i]);
  }
}

}  // namespace

void release_barrier(Block&, Barrier& barrier) {
  barrier.arrived = 0;
  barrier.generation++;
  barrier.votes[barrier.generation & 1] = 0;
  wake_others(barrier.waiting, barrier.waiting_count);
  barrier.waiting_count = 0;
}

int barrier_sync(int id, int threads, Vote vote, int predicate, const Site& site) {
  Thread* self = current();
  Block& block = *self->block;
  if (id < 0 || id > 15)
    fail("%s:%d: barrier id %d is not 0 to 15", site.file_name(), line(site), id);
  Barrier& barrier = block.barriers[id];
  if (id == 0 && barrier.arrived > 0 && !same(barrier.site, site)) {
    fail("divergent __syncthreads: this thread is at %s:%d while others of its block wait at %s:%d",
         site.file_name(), line(site), barrier.site.file_name(), line(barrier.site));
  }
  if (id == 0) self->barriers_passed++;
  barrier.site = site;
  barrier.arrived++;
  note_progress();
  const unsigned parity = barrier.generation & 1;
  barrier.votes[parity] +=
      vote == Vote::any || vote == Vote::count || vote == Vote::all ? predicate != 0 : 0;
  const int everyone = block.thread_count;
  release(&barrier.sync[parity]);
  const int wanted = threads == 0 ? block.alive : threads;
  if (barrier.arrived > wanted) {
    fail("%s:%d: %d threads arrived at barrier %d, which is for %d", site.file_name(), line(site),
         barrier.arrived, id, wanted);
  }
  if (barrier.arrived == wanted) {
    release_barrier(block, barrier);
    if (shuffled()) yield_current();  // the last to arrive is not first to leave by right
  } else {
    barrier.waiting[barrier.waiting_count++] = self;
    block_current(id == 0 ? "__syncthreads" : "named barrier", site);
  }
  acquire(&barrier.sync[parity]);
  const int votes = barrier.votes[parity];
  return vote == Vote::all ? votes == everyone : vote == Vote::any ? votes > 0 : votes;
}

void barrier_arrive(int id, int threads, const Site& site) {
  Block& block = *current()->block;
  if (id < 1 || id > 15)
    fail("%s:%d: barrier id %d is not 1 to 15", site.file_name(), line(site), id);
  Barrier& barrier = block.barriers[id];
  barrier.arrived++;
  note_progress();
  release(&barrier.sync[barrier.generation & 1]);
  if (barrier.arrived == threads) release_barrier(block, barrier);
}

void warp_collective(unsigned mask, void* operand, Collective run, const Site& site) {
  Thread* self = current();
  Block& block = *self->block;
  const unsigned bit = 1u << self->lane;
  mask &= lanes_in_warp(block, self->warp);
  if (!(mask & bit)) {
    fail("%s:%d: warp operation whose mask 0x%x does not name the calling lane %u",
         site.file_name(), line(site), mask, self->lane);
  }
  WarpMeeting& m = find_meeting(block, mask, site);
  m.operands[self->lane] = operand;
  m.lanes[self->lane] = self;
  m.arrived |= bit;
  note_progress();
  const unsigned parity = m.generation & 1;
  release(&m.sync[parity]);
  if (m.arrived == mask) {
    if (run) run(m.operands, mask);
    m.arrived = 0;
    m.generation++;
    for (int lane = 0; lane < 32; lane++) {
      if (!(mask >> lane & 1)) m.lanes[lane] = nullptr;
    }
    wake_others(m.lanes, 32);
  } else {
    block_current("warp operation", site);
  }
  acquire(&m.sync[parity]);
}

void warpgroup_collective(void* operand, Collective run, const Site& site) {
  Thread* self = current();
  Block& block = *self->block;
  if (static_cast<int>(self->linear / 128 * 128 + 128) > block.thread_count) {
    fail("%s:%d: warpgroup operation in a group of fewer than 128 threads", site.file_name(),
         line(site));
  }
  WarpgroupMeeting& m = block.groups[self->linear / 128];
  if (m.arrived > 0 && !same(m.site, site)) {
    fail("warpgroup operation at %s:%d meets one at %s:%d", site.file_name(), line(site),
         m.site.file_name(), line(m.site));
  }
  m.site = site;
  m.operands[self->linear % 128] = operand;
  m.lanes[self->linear % 128] = self;
  m.arrived++;
  note_progress();
  const unsigned parity = m.generation & 1;
  release(&m.sync[parity]);
  if (m.arrived == 128) {
    if (run) run(m.operands, ~0u);
    m.arrived = 0;
    m.generation++;
    wake_others(m.lanes, 128);
  } else {
    block_current("warpgroup operation", site);
  }
  acquire(&m.sync[parity]);
}

namespace {

void complete_cluster_barrier(Cluster& c) {
  c.arrived = 0;
  c.generation++;
  wake_others(c.waiting, c.waiting_count);
  c.waiting_count = 0;
  note_progress();
}

}  // namespace

int cluster_rank() { return current()->block->rank; }
int cluster_size() { return current()->block->cluster->size; }

void cluster_arrive(const Site& site) {
  Thread& t = *current();
  Cluster& c = *t.block->cluster;
  if (t.cluster_arrived)
    fail("%s:%d: a thread arrives twice at the barrier of its cluster", site.file_name(),
         line(site));
  t.cluster_arrived = true;
  t.cluster_generation = c.generation;
  release(&c.sync[c.generation & 1]);
  if (++c.arrived == c.alive) complete_cluster_barrier(c);
}

void cluster_wait(const Site& site) {
  Thread& t = *current();
  Cluster& c = *t.block->cluster;
  if (!t.cluster_arrived)
    fail("%s:%d: a thread waits at the barrier of its cluster without having arrived",
         site.file_name(), line(site));
  if (c.generation == t.cluster_generation) {
    c.waiting[c.waiting_count++] = &t;
    block_current("barrier of the cluster", site);
  }
  t.cluster_arrived = false;
  acquire(&c.sync[t.cluster_generation & 1]);
}

void leave_cluster(Thread& t) {
  Cluster& c = *t.block->cluster;
  if (t.cluster_arrived) fail("a thread ends between the halves of the barrier of its cluster");
  c.alive--;
  if (c.arrived > 0 && c.arrived == c.alive) complete_cluster_barrier(c);
}

char* cluster_address(const void* own, int rank, const Site& site) {
  const Cluster& c = *current()->block->cluster;
  if (rank < 0 || rank >= c.size)
    fail("%s:%d: there is no block %d in a cluster of %d", site.file_name(), line(site), rank,
         c.size);
  Block& peer = *c.blocks[rank];
  if (peer.alive == 0)
    fail("%s:%d: shared memory of a block of the cluster that has ended", site.file_name(),
         line(site));
  return peer.arena + shared_offset(own);
}

TILEGRAD_NO_TSAN void run_ballot(void** operands, unsigned mask) {
  unsigned ballot = 0;
  for (int lane = 0; lane < 32; lane++) {
    if ((mask >> lane & 1) && static_cast<VoteOperand*>(operands[lane])->predicate)
      ballot |= 1u << lane;
  }
  for (int lane = 0; lane < 32; lane++) {
    if (mask >> lane & 1) static_cast<VoteOperand*>(operands[lane])->ballot = ballot;
  }
}

TILEGRAD_NO_TSAN void run_match_any(void** operands, unsigned mask) {
  for (int lane = 0; lane < 32; lane++) {
    if (!(mask >> lane & 1)) continue;
    auto* self = static_cast<VoteOperand*>(operands[lane]);
    self->ballot = 0;
    for (int other = 0; other < 32; other++) {
      const bool equal = (mask >> other & 1) &&
                         static_cast<VoteOperand*>(operands[other])->predicate == self->predicate;
      if (equal) self->ballot |= 1u << other;
    }
  }
}

void* static_shared(const void* key, size_t bytes, const char* name) {
  Block& b = *current()->block;
  for (int i = 0; i < b.static_count; i++) {
    if (b.statics[i].key == key) return b.statics[i].address;
  }
  const size_t offset = (b.arena_used + 127) / 128 * 128;
  if (b.static_count == 32 || offset + bytes + kRedzone > kArenaBytes) {
    fail("shared memory of %s does not fit", name);
  }
  b.arena_used = offset + bytes + kRedzone;
  char* address = b.arena + offset;
  unpoison(address, bytes);
  fill_poison(address, bytes);
  b.statics[b.static_count++] = {key, address};
  const size_t redzones = kRedzone * static_cast<size_t>(b.static_count);
  check_shared_limit(offset + bytes - 1024 - b.dynamic_bytes - redzones, b.dynamic_bytes);
  return address;
}

void* dynamic_shared() { return current()->block->arena + 1024; }
char* shared_base() { return current()->block->arena; }

uint32_t shared_offset(const void* pointer) {
  const auto offset = static_cast<const char*>(pointer) - current()->block->arena;
  if (offset < 0 || static_cast<size_t>(offset) >= kArenaBytes) {
    fail("address %p is not in the shared memory of this block", pointer);
  }
  return static_cast<uint32_t>(offset);
}

}  // namespace tilegrad::emulator
