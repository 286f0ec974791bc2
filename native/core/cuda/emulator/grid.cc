// The blocks of a grid: which ones are resident, what a block starts with and what must hold when it ends. The blocks of
// a cluster start together and keep their slots until the last of them has ended.
#include <cstdlib>
#include <utility>
#include <vector>

#include "core/cuda/emulator/scheduler.h"

namespace tilegrad::emulator {
namespace {

void reset_arena(Block& b, size_t dynamic_bytes) {
  if (kTsan && b.arena) {  // fresh shadow for the next block's shared memory
    std::free(b.arena);
    b.arena = nullptr;
  }
  if (!b.arena) b.arena = static_cast<char*>(std::aligned_alloc(1024, kArenaBytes));
  poison(b.arena, kArenaBytes);
  // The dynamic part starts one alignment unit in, so that offset 0 is never a valid address.
  unpoison(b.arena + 1024, dynamic_bytes);
  fill_poison(b.arena + 1024, dynamic_bytes);
  b.dynamic_bytes = dynamic_bytes;
  b.arena_used = 1024 + dynamic_bytes + kRedzone;
  b.static_count = 0;
}

void reset_thread(Thread& t, Block& b, int i) {
  t.waits_for = nullptr;
  const auto n = static_cast<unsigned>(i);
  t.index = uint3{n % blockDim.x, n / blockDim.x % blockDim.y, n / (blockDim.x * blockDim.y)};
  t.linear = n;
  t.warp = n / 32;
  t.lane = n % 32;
  t.block = &b;
  t.started = false;
  t.state = State::ready;
  t.barriers_passed = t.copy_count = t.group_count = 0;
  t.wgmma_groups = t.store_groups = 0;
  t.cluster_arrived = false;
}

void start_block(Block& b, uint3 index, size_t dynamic_bytes) {
  b.index = index;
  for (bool& fenced : b.proxy_fenced) fenced = false;
  b.thread_count = b.alive = static_cast<int>(blockDim.x * blockDim.y * blockDim.z);
  b.barriers_at_exit = -1;
  b.mbarrier_count = 0;
  for (int& registers : b.registers) registers = 0;
  for (Barrier& barrier : b.barriers) barrier.arrived = barrier.waiting_count = 0;
  while (static_cast<int>(b.threads.size()) < b.thread_count) b.threads.push_back(new Thread());
  reset_arena(b, dynamic_bytes);
  release(&b.edge);
  for (int i = 0; i < b.thread_count; i++) reset_thread(*b.threads[i], b, i);
}

// setmaxnreg: the block owns what it got at launch; an increase beyond that waits for ever on a GPU.
void check_registers(const Block& b) {
  const int at_launch = 65536 / b.thread_count / 8 * 8;
  int sum = 0;
  bool used = false;
  for (int g = 0; g < b.thread_count / 128; g++) {
    used |= b.registers[g] > 0;
    sum += (b.registers[g] > 0 ? b.registers[g] : at_launch) * 128;
  }
  if (used && sum > at_launch * b.thread_count) {
    fail("setmaxnreg asks for %d registers in all, the block owns %d", sum,
         at_launch * b.thread_count);
  }
}

void check_block_end(Block& b) {
  for (const Barrier& barrier : b.barriers) {
    if (barrier.arrived > 0)
      fail("a block ends with %d threads arrived at a barrier", barrier.arrived);
  }
  for (const WgmmaQueue& queue : b.wgmma) {
    if (queue.count > 0) fail("a block ends with %d wgmma in flight", queue.count);
  }
  check_registers(b);
}

// What is left in the shared memory of a block that has ended is no longer its peers' to read.
void end_block(Block& b) {
  acquire(&b.edge);
  check_block_end(b);
  if (b.cluster->size > 1) {
    unpoison(b.arena, kArenaBytes);
    fill_poison(b.arena + 1024, b.arena_used - 1024 - kRedzone);
    poison(b.arena, kArenaBytes);
  }
}

// Numbers of clusters, in a shuffled order unless the schedule is FIFO (or the grid is huge).
struct Order {
  std::vector<uint64_t> shuffled_numbers;
  uint64_t total, taken = 0;

  explicit Order(uint64_t total) : total(total) {
    if (!shuffled() || total > 1 << 20) return;
    for (uint64_t i = 0; i < total; i++) shuffled_numbers.push_back(i);
    for (uint64_t i = total; i > 1; i--)
      std::swap(shuffled_numbers[i - 1], shuffled_numbers[next_random() % i]);
  }
  uint64_t take() {
    const uint64_t i = taken++;
    return shuffled_numbers.empty() ? i : shuffled_numbers[i];
  }
};

unsigned part(uint64_t number, unsigned of) { return static_cast<unsigned>(number % of); }

void start_cluster(Cluster& cluster, const LaunchShape& shape, uint64_t number) {
  const dim3 size = shape.cluster, clusters{gridDim.x / size.x, gridDim.y / size.y, 1};
  const uint64_t rows = number / clusters.x;
  const uint3 first{part(number, clusters.x) * size.x, part(rows, clusters.y) * size.y,
                    static_cast<unsigned>(rows / clusters.y) * size.z};
  cluster.running = cluster.size;
  cluster.arrived = cluster.waiting_count = 0;
  cluster.alive = cluster.size * static_cast<int>(blockDim.x * blockDim.y * blockDim.z);
  for (int rank = 0; rank < cluster.size; rank++) {
    Block& b = *cluster.blocks[rank];
    const auto r = static_cast<unsigned>(rank);
    b.cluster = &cluster;
    b.rank = rank;
    start_block(
        b,
        uint3{first.x + r % size.x, first.y + r / size.x % size.y, first.z + r / (size.x * size.y)},
        shape.shared_bytes);
  }
  for (int rank = 0; rank < cluster.size; rank++) add_threads(*cluster.blocks[rank]);
}

Cluster& resident_cluster(int number, int size) {
  static auto* clusters = new Cluster[kMaxSlots]();
  Cluster& cluster = clusters[number];
  cluster.size = size;
  for (int rank = 0; rank < size; rank++) {
    make_slot(number * size + rank);
    cluster.blocks[rank] = block_of_slot(number * size + rank);
  }
  return cluster;
}

}  // namespace

void run_grid(const LaunchShape& shape, const std::function<void()>& body) {
  blockDim = shape.block;
  gridDim = shape.grid;
  begin_grid(body);
  const int size = static_cast<int>(shape.cluster.x * shape.cluster.y * shape.cluster.z);
  Order order(uint64_t{shape.grid.x} * shape.grid.y * shape.grid.z / static_cast<uint64_t>(size));
  int resident = options().resident_blocks / size > 1 ? options().resident_blocks / size : 1;
  if (shape.cooperative) resident = static_cast<int>(order.total);
  begin_grid_barrier(shape.cooperative,
                     resident * static_cast<int>(blockDim.x * blockDim.y * blockDim.z));
  for (int i = 0; i < resident && order.taken < order.total; i++)
    start_cluster(resident_cluster(i, size), shape, order.take());
  while (Block* b = run_until_block_ends()) {
    end_block(*b);
    if (--b->cluster->running == 0 && order.taken < order.total)
      start_cluster(*b->cluster, shape, order.take());
  }
  finish_async();
}

}  // namespace tilegrad::emulator
