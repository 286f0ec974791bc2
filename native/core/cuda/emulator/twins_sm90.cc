// Twins of mbarrier, TMA loads and wgmma. TMA jobs run at a random later step, wgmma jobs at their wait, each
// under a TSan fiber of its own: acquired from the issuer, released into the barrier or the wait.
#include <bit>
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
  int x, y;
  Mbarrier* barrier;
};
static_assert(sizeof(TmaLoad) <= sizeof(AsyncJob::payload));

TILEGRAD_NO_TSAN void run_tma_load(AsyncJob& job) {
  TmaLoad load;
  std::memcpy(&load, job.payload, sizeof(load));
  copy_box_to_shared(load.map, load.shared, load.to, load.x, load.y);
  Mbarrier& m = *load.barrier;
  release(&m.sync[m.phase]);
  m.bytes -= static_cast<long>(load.map.box[0]) * load.map.element_bytes * load.map.box[1];
  complete_if_done(m);
}

TILEGRAD_NO_TSAN void enqueue_load(Block& target, void* to, const CUtensorMap* map,
                                   uint64_t* barrier, int x, int y, const Site& site) {
  TmaLoad load;
  load.map = read_tensor_map(map, site);
  load.to = static_cast<uint32_t>(static_cast<char*>(to) - target.arena);
  if (load.to & (load.map.swizzle_128b ? 1023 : 127))
    fail("%s:%d: TMA destination is not aligned", site.file_name(), static_cast<int>(site.line()));
  load.shared = target.arena;
  load.x = x;
  load.y = y;
  load.barrier = &valid_in(target, barrier);
  fill_poison(to, size_t{load.map.box[0]} * load.map.element_bytes * load.map.box[1]);
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

// Alone instrumented: the sanitizers look at the shared memory, not at the emulator's own scratch.
template <class Raw>
__attribute__((noinline)) Raw load(const char* address) {
  return *reinterpret_cast<const Raw*>(address);
}

// Reads one operand tile of a wgmma through its descriptor: rows of 128 bytes along K, or, transposed, along 64 rows of
// the operand, whose blocks are `block_stride` apart.
template <class Raw, int K>
TILEGRAD_NO_TSAN void read_tile(const WgmmaJob& job, uint64_t descriptor, bool transposed, int rows,
                                Raw (*out)[K]) {
  const auto block_stride = static_cast<uint32_t>(descriptor >> 16 & 0x3fff) << 4;
  const auto start = static_cast<uint32_t>(descriptor & 0x3fff) << 4;
  const auto group_stride = static_cast<uint32_t>(descriptor >> 32 & 0x3fff) << 4;
  if (descriptor >> 62 != 1) fail("wgmma descriptor: only the 128-byte swizzle is emulated");
  for (int row = 0; row < rows; row++) {
    for (int k = 0; k < K; k++) {
      const auto line = static_cast<uint32_t>(transposed ? k : row);
      const auto place = static_cast<uint32_t>(transposed ? row % 64 : k);
      const uint32_t block = transposed ? static_cast<uint32_t>(row / 64) * block_stride : 0;
      const uint32_t offset = start + block + line / 8 * group_stride + line % 8 * 128 +
                              place * static_cast<uint32_t>(sizeof(Raw));
      out[row][k] = load<Raw>(job.shared + swizzled(offset));
    }
  }
}

template <class Acc, class Raw, int K>
TILEGRAD_NO_TSAN void accumulate(const WgmmaJob& job, const Raw (*a)[K], const Raw (*b)[K],
                                 Acc (*value_a)(Raw), Acc (*value_b)(Raw)) {
  static Acc left[64][K], right[256][K];
  for (int i = 0; i < 64 * K; i++) left[i / K][i % K] = value_a(a[i / K][i % K]);
  for (int i = 0; i < job.n * K; i++) right[i / K][i % K] = value_b(b[i / K][i % K]);
  for (int thread = 0; thread < 128; thread++) {
    auto* d = static_cast<Acc*>(job.accumulators[thread]);
    const int warp = thread / 32, lane = thread % 32;
    for (int i = 0; i < job.n / 2; i++) {
      const int row = warp * 16 + lane / 4 + 8 * (i % 4 / 2),
                column = i / 4 * 8 + lane % 4 * 2 + i % 2;
      Acc sum = 0;
      for (int k = 0; k < K; k++) sum += left[row][k] * right[column][k];
      d[i] = (job.scale_d ? d[i] : Acc{0}) + sum;
    }
  }
}

template <class Acc, class Raw, int K, Acc (*ValueA)(Raw), Acc (*ValueB)(Raw) = ValueA>
void run_wgmma(const WgmmaJob& job) {
  static Raw a[64][K], b[256][K];
  read_tile<Raw, K>(job, job.a, job.a_transposed, 64, a);
  read_tile<Raw, K>(job, job.b, job.b_transposed, job.n, b);
  accumulate<Acc, Raw, K>(job, a, b, ValueA, ValueB);
}

TILEGRAD_NO_TSAN float bf16_value(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}
TILEGRAD_NO_TSAN float f16_value(uint16_t bits) { return __half2float(__half(__half_raw{bits})); }
TILEGRAD_NO_TSAN float tf32_value(uint32_t bits) { return std::bit_cast<float>(bits & ~0x1fffu); }
TILEGRAD_NO_TSAN int s8_value(uint8_t x) { return static_cast<int8_t>(x); }
TILEGRAD_NO_TSAN int u8_value(uint8_t x) { return x; }

struct WgmmaOperand {
  void* d;
  int n;
  uint64_t a, b;
  int scale_d;
  bool a_transposed, b_transposed;
  void (*run)(const WgmmaJob&);
};

WgmmaQueue& queue_of(const Thread& t) { return t.block->wgmma[t.linear / 128]; }

TILEGRAD_NO_TSAN void issue(void** operands, unsigned) {
  const auto& first = *static_cast<WgmmaOperand*>(operands[0]);
  WgmmaQueue& queue = queue_of(*current());
  if (queue.count == 64) fail("more than 64 wgmma of one warpgroup in flight");
  WgmmaJob& job = queue.jobs[queue.count++];
  for (int i = 0; i < 128; i++) {
    const auto& x = *static_cast<WgmmaOperand*>(operands[i]);
    if (x.a != first.a || x.b != first.b || x.scale_d != first.scale_d) {
      fail("the operands of wgmma differ across the warpgroup");
    }
    job.accumulators[i] = x.d;
  }
  job.run = first.run;
  job.a = first.a;
  job.b = first.b;
  job.n = first.n;
  job.scale_d = first.scale_d;
  job.a_transposed = first.a_transposed;
  job.b_transposed = first.b_transposed;
  job.shared = shared_base();
  job.group = current()->wgmma_groups;
}

TILEGRAD_NO_TSAN void enqueue_wgmma(WgmmaOperand operand, const Site& site) {
  release(&queue_of(*current()).sync);
  warpgroup_collective(&operand, issue, site);
}

TILEGRAD_NO_TSAN void run_finished(WgmmaQueue& queue, unsigned groups) {
  if (kTsan && !queue.tsan) queue.tsan = tsan_fiber();
  void* back = tsan_current();
  int done = 0;
  while (done < queue.count && static_cast<int>(queue.jobs[done].group - groups) < 0) {
    tsan_switch(queue.tsan);
    acquire(&queue.sync);
    queue.jobs[done].run(queue.jobs[done]);
    release(&queue.sync);
    tsan_switch(back);
    done++;
  }
  for (int i = done; i < queue.count; i++) queue.jobs[i - done] = queue.jobs[i];
  queue.count -= done;
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

TILEGRAD_NO_TSAN void tma_load_2d(void* to, const CUtensorMap* map, uint64_t* barrier, int x, int y,
                                  const Site& site) {
  enqueue_load(*current()->block, to, map, barrier, x, y, site);
  yield_point();
}

TILEGRAD_NO_TSAN void tma_load_2d_multicast(void* to, const CUtensorMap* map, uint64_t* barrier,
                                            int x, int y, unsigned ranks, const Site& site) {
  const Cluster& cluster = *current()->block->cluster;
  if (ranks == 0 || ranks >> cluster.size)
    fail("%s:%d: multicast to blocks 0x%x of a cluster of %d", site.file_name(),
         static_cast<int>(site.line()), ranks, cluster.size);
  for (int rank = 0; rank < cluster.size; rank++) {
    if (!(ranks >> rank & 1)) continue;
    // Each block gets a copy of its own, which completes on its own barrier.
    void* target = cluster_address(to, rank, site);
    auto* remote = reinterpret_cast<uint64_t*>(cluster_address(barrier, rank, site));
    enqueue_load(*cluster.blocks[rank], target, map, remote, x, y, site);
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

TILEGRAD_NO_TSAN void wgmma_commit() { current()->wgmma_groups++; }

TILEGRAD_NO_TSAN void wgmma_wait(int groups, const Site& site) {
  WgmmaQueue& queue = queue_of(*current());
  run_finished(queue, current()->wgmma_groups - static_cast<unsigned>(groups));
  warp_collective(~0u, nullptr, nullptr, site);
  acquire(&queue.sync);
}

void wgmma_bf16(float* d, int n, uint64_t a, uint64_t b, int scale_d, bool a_transposed,
                bool b_transposed, const Site& site) {
  auto* run = run_wgmma<float, uint16_t, 16, bf16_value>;
  enqueue_wgmma({d, n, a, b, scale_d, a_transposed, b_transposed, run}, site);
}
void wgmma_f16(float* d, int n, uint64_t a, uint64_t b, int scale_d, bool a_transposed,
               bool b_transposed, const Site& site) {
  auto* run = run_wgmma<float, uint16_t, 16, f16_value>;
  enqueue_wgmma({d, n, a, b, scale_d, a_transposed, b_transposed, run}, site);
}
void wgmma_tf32(float* d, int n, uint64_t a, uint64_t b, int scale_d, const Site& site) {
  auto* run = run_wgmma<float, uint32_t, 8, tf32_value>;
  enqueue_wgmma({d, n, a, b, scale_d, false, false, run}, site);
}
void wgmma_8bit(int* d, int n, uint64_t a, uint64_t b, int scale_d, bool a_signed, bool b_signed,
                const Site& site) {
  auto* run = a_signed ? (b_signed ? run_wgmma<int, uint8_t, 32, s8_value>
                                   : run_wgmma<int, uint8_t, 32, s8_value, u8_value>)
                       : (b_signed ? run_wgmma<int, uint8_t, 32, u8_value, s8_value>
                                   : run_wgmma<int, uint8_t, 32, u8_value>);
  enqueue_wgmma({d, n, a, b, scale_d, false, false, run}, site);
}

}  // namespace tilegrad::emulator
