// Threads, blocks and the scheduler's inner interface, shared by the emulator's own files.
#pragma once

#include <vector>

#include "core/cuda/emulator/emulator.h"
#include "core/cuda/emulator/options.h"
#include "core/cuda/emulator/sanitizer.h"

namespace tilegrad::emulator {

constexpr size_t kArenaBytes = 256 * 1024;  // shared memory of one block slot, redzones included
constexpr size_t kRedzone = 128;
constexpr int kMaxSlots = 8;
constexpr int kMaxThreads = 1024;
constexpr int kMaxWarps = 32;
constexpr int kMaxWarpgroups = 8;

enum class State { ready, blocked, done };

struct Stack {
  char* base;
  size_t bytes;
};

struct CpAsync {
  void* to;
  const void* from;
  int bytes, valid;
};

struct Thread {
  uint3 index;
  unsigned linear, warp, lane;
  Block* block;
  Stack* stack;  // null before the first run and after the end (kept for good under TSan)
  void* sp;
  void* tsan;
  bool started;
  State state;
  const char* waits_for;
  Site site;
  int barriers_passed;
  CpAsync copies[128];  // cp.async in flight, oldest first
  int copy_count;
  int groups[32];  // committed groups: the number of copies up to the end of each
  int group_count;
  unsigned wgmma_groups;  // wgmma groups committed
  bool cluster_arrived;   // between the halves of the cluster's barrier
  unsigned cluster_generation;
  int store_jobs[16];     // TMA stores in flight, by group
  unsigned store_groups;  // groups committed; the next one is filling
  char store_sync;
};

struct Barrier {
  int arrived;
  unsigned generation;
  int votes[2];  // by generation parity
  Site site;
  Thread* waiting[kMaxThreads];
  int waiting_count;
  char sync[2];
};

struct WarpMeeting {
  unsigned mask, arrived;
  Site site;
  void* operands[32];
  Thread* lanes[32];
  char sync[2];
  unsigned generation;
};

struct WarpgroupMeeting {
  int arrived;
  Site site;
  void* operands[128];
  Thread* lanes[128];
  char sync[2];
  unsigned generation;
};

struct Mbarrier {
  uint64_t* address;
  int pending, expected;
  long bytes;
  int phase;
  char sync[2];
};

struct WgmmaJob {
  void (*run)(const WgmmaJob& job);
  void* accumulators[128];
  const uint32_t* a_words[128];  // where A comes from registers
  uint32_t indices[128];         // of a sparse A
  uint64_t a, b;                 // descriptors
  int n, scale_d;
  bool a_transposed, b_transposed;
  char* shared;
  unsigned group;
};

struct WgmmaQueue {
  WgmmaJob jobs[64];
  int count;
  char sync;
  void* tsan;
};

// Blocks that are resident together; every block is in one, of its own if need be.
struct Cluster {
  Block* blocks[kMaxSlots];
  int size, running;   // blocks; those that have not ended
  int alive, arrived;  // threads
  unsigned generation;
  char sync[2];
  Thread* waiting[kMaxSlots * kMaxThreads];
  int waiting_count;
};

// The barrier of a grid that was launched cooperatively.
struct GridBarrier {
  bool cooperative;
  int threads, alive, arrived;
  unsigned generation;
  char sync[2];
  Thread* waiting[kMaxSlots * kMaxThreads];
  int waiting_count;
  Site site;
};

struct Block {
  uint3 index;
  Cluster* cluster;
  int rank;                           // in its cluster
  bool proxy_fenced[kMaxWarpgroups];  // fence.proxy.async since its last group of TMA stores
  int slot;
  int thread_count, alive;
  std::vector<Thread*> threads;
  Barrier barriers[16];
  WarpMeeting warps[kMaxWarps][4];
  WarpgroupMeeting groups[kMaxWarpgroups];
  char* arena;
  size_t arena_used, dynamic_bytes;
  struct {
    const void* key;
    void* address;
  } statics[32];
  int static_count;
  char edge;  // orders one block of this slot after the one before
  int barriers_at_exit;
  Mbarrier mbarriers[64];
  int mbarrier_count;
  WgmmaQueue wgmma[kMaxWarpgroups];
  int registers[kMaxWarpgroups];  // by setmaxnreg; 0 where it was not called
};

Thread* current();
void make_ready(Thread* thread);
void block_current(const char* what, const Site& site);  // returns once made ready
void yield_current();
Block* block_of_slot(int slot);

// A job of the asynchronous copy engine: runs at some later scheduling step, under a TSan fiber of its own.
struct AsyncJob {
  void (*run)(AsyncJob& job);
  bool late;  // runs when it is waited for, or when nothing else can
  alignas(16) unsigned char payload[256];
  char* sync;
};
AsyncJob&
enqueue_async();  // released by the caller's TSan fiber; the caller fills it before yielding
bool run_one_async(bool late_ones);  // false if there is none

// grid.cc drives the scheduler through these.
void begin_grid(const std::function<void()>& body);
void add_threads(Block& block);  // makes them ready
void make_slot(int slot);
Block* run_until_block_ends();  // null when nothing is left
void finish_async();
void leave_cluster(Thread& thread);
void begin_grid_barrier(bool cooperative, int threads);
void leave_grid();

// Runs all blocks of the grid. The caller holds the execution lock.
void run_grid(const LaunchShape& shape, const std::function<void()>& body);
void check_shared_limit(size_t static_bytes,
                        size_t dynamic_bytes);  // device.cc: the device's limits
[[noreturn]] void fail_with_waiters(const char* message);
void release_barrier(Block& block, Barrier& barrier);

}  // namespace tilegrad::emulator
