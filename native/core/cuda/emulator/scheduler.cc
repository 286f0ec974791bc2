// Fibers and their schedulers. A thread gets a stack when it first runs; a thread that ends hands its
// stack straight to the next unstarted one, so a kernel that meets no barrier runs without a switch.
// Under TSan every thread keeps a stack and a TSan fiber of its own: sharing one would hide races.
#include "core/cuda/emulator/scheduler.h"

#include <sys/mman.h>

#include <cstdlib>

#include "core/cuda/emulator/context.h"

namespace tilegrad::emulator {
namespace {

constexpr int kMaxReady = kMaxSlots * kMaxThreads;
constexpr size_t kStackBytes = (kAsan || kTsan) ? 256 * 1024 : 64 * 1024;

constexpr uint32_t kDrawn =
    1u << 31;  // drawn priorities are this or higher, those of polling warps lower

// Bounded containers: nothing may allocate while fibers run under TSan.
template <class T, int N>
struct Bag {
  T items[N];
  int count = 0;
  void add(T item) { items[count++] = item; }
  T take(int i) {
    T item = items[i];
    items[i] = items[--count];
    return item;
  }
};

struct WarpQueue {
  Bag<Thread*, 32> ready;
  uint32_t priority = 0;
  bool listed = false;
};

struct Scheduler {
  Thread* running = nullptr;
  void* main_sp = nullptr;
  void* main_tsan = nullptr;
  const void* main_stack = nullptr;  // for ASan
  size_t main_stack_bytes = 0;
  bool from_main = false;
  const std::function<void()>* body = nullptr;
  int live = 0;
  unsigned long polls = 0;
  uint32_t lowest = kDrawn;  // the priority of the warp that last polled
  Block* ended = nullptr;    // the block whose last thread has just ended
  Block* slots[kMaxSlots] = {};
  Thread* fifo[kMaxReady];
  unsigned fifo_head = 0, fifo_tail = 0;
  Bag<Thread*, kMaxReady> random;
  WarpQueue warps[kMaxSlots][kMaxWarps];
  Bag<WarpQueue*, kMaxSlots * kMaxWarps> active;
  Bag<Stack*, kMaxReady> stacks;
  AsyncJob async[256];
  int async_count = 0;
  void* async_tsan = nullptr;
  char async_edge = 0;
  char fence = 0;
};
Scheduler& scheduler = *new Scheduler();

uint32_t draw_priority() { return next_random() | kDrawn; }

Thread* pick() {
  Scheduler& s = scheduler;
  switch (options().schedule) {
    case Schedule::fifo:
      return s.fifo_head == s.fifo_tail ? nullptr : s.fifo[s.fifo_head++ % kMaxReady];
    case Schedule::random:
      if (s.random.count == 0) return nullptr;
      return s.random.take(static_cast<int>(next_random() % static_cast<uint32_t>(s.random.count)));
    case Schedule::priority:
      break;
  }
  if (s.active.count == 0) return nullptr;
  const auto active = static_cast<uint32_t>(s.active.count);
  if (next_random() % 128 == 0) s.active.items[next_random() % active]->priority = draw_priority();
  int best = 0;
  for (int i = 1; i < s.active.count; i++) {
    if (s.active.items[i]->priority > s.active.items[best]->priority) best = i;
  }
  WarpQueue& queue = *s.active.items[best];
  Thread* t =
      queue.ready.take(static_cast<int>(next_random() % static_cast<uint32_t>(queue.ready.count)));
  if (queue.ready.count == 0) {
    queue.listed = false;
    s.active.take(best);
  }
  return t;
}

Thread* next_ready() {
  if (scheduler.async_count > 0 && (!shuffled() || next_random() % 4 == 0)) run_one_async(false);
  for (;;) {
    if (Thread* t = pick()) return t;
    if (run_one_async(true)) continue;
    if (scheduler.live == 0) return nullptr;
    fail_with_waiters("deadlock: every thread waits (a divergent barrier or a missing arrival)");
  }
}

Stack* take_stack() {
  if (scheduler.stacks.count > 0) return scheduler.stacks.take(scheduler.stacks.count - 1);
  void* map = mmap(nullptr, kStackBytes + 4096, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) fail("no memory for the stack of a thread");
  mprotect(map, 4096, PROT_NONE);  // an overflow faults
  return new Stack{static_cast<char*>(map) + 4096, kStackBytes};
}

void thread_main();

void prepare(Thread* t) {
  if (!t->stack) t->stack = take_stack();
  if (kTsan && !t->tsan) t->tsan = tsan_fiber();
  unpoison(t->stack->base, t->stack->bytes);  // frames that ended by a switch left their redzones
  // Staggered tops keep the hot words of many stacks out of one cache set.
  char* top = t->stack->base + t->stack->bytes - 64 - (t->linear % 32) * 128;
  t->sp = fresh_context(top, thread_main);
  t->started = true;
}

void set_running(Thread* t) {
  scheduler.running = t;
  threadIdx = t->index;
  blockIdx = t->block->index;
}

void landed(void* fake) {
  const void* bottom = nullptr;
  size_t bytes = 0;
  finish_switch(fake, &bottom, &bytes);
  if (scheduler.from_main) {
    scheduler.main_stack = bottom;
    scheduler.main_stack_bytes = bytes;
    scheduler.from_main = false;
  }
}

void switch_to(void** save, Thread* t, bool leaving) {
  if (!t->started) prepare(t);
  set_running(t);
  tsan_switch(t->tsan);
  void* fake = nullptr;
  start_switch(leaving ? nullptr : &fake, t->stack->base, t->stack->bytes);
  tilegrad_emulator_switch(save, t->sp);
  landed(fake);
}

void switch_to_main(void** save) {
  scheduler.running = nullptr;
  tsan_switch(scheduler.main_tsan);
  start_switch(nullptr, scheduler.main_stack, scheduler.main_stack_bytes);
  tilegrad_emulator_switch(save, scheduler.main_sp);
}

void end_thread(Thread* t) {
  Block& b = *t->block;
  if (t->copy_count > 0) fail("a thread ends with %d cp.async in flight", t->copy_count);
  for (const int jobs : t->store_jobs) {
    if (jobs > 0) fail("a thread ends with %d TMA stores in flight", jobs);
  }
  leave_cluster(*t);
  leave_grid();
  if (b.barriers_at_exit >= 0 && b.barriers_at_exit != t->barriers_passed) {
    fail("a thread ends after %d __syncthreads, another of its block after %d", t->barriers_passed,
         b.barriers_at_exit);
  }
  b.barriers_at_exit = t->barriers_passed;
  release(&b.edge);
  t->state = State::done;
  b.alive--;
  scheduler.live--;
  note_progress();
  Barrier& barrier = b.barriers[0];
  if (barrier.arrived > 0 && barrier.arrived == b.alive) release_barrier(b, barrier);
}

void thread_main() {
  landed(nullptr);
  for (;;) {
    Thread* t = scheduler.running;
    acquire(&t->block->edge);
    (*scheduler.body)();
    end_thread(t);
    void* dead_sp;
    if (t->block->alive == 0) {
      scheduler.ended = t->block;
      if (!kTsan) scheduler.stacks.add(std::exchange(t->stack, nullptr));
      switch_to_main(&dead_sp);
    }
    Thread* next = next_ready();
    if (!kTsan && !next->started) {  // carry on upon this stack
      next->stack = std::exchange(t->stack, nullptr);
      next->started = true;
      set_running(next);
      continue;
    }
    if (!kTsan) scheduler.stacks.add(std::exchange(t->stack, nullptr));
    switch_to(&dead_sp, next, true);
  }
}

}  // namespace

Thread* current() { return scheduler.running; }
Block* block_of_slot(int slot) { return scheduler.slots[slot]; }
unsigned lane_index() { return scheduler.running->lane; }
void note_progress() { scheduler.polls = 0; }

void memory_fence() {
  acquire(&scheduler.fence);
  release(&scheduler.fence);
}

AsyncJob& enqueue_async() {
  if (scheduler.async_count == 256) run_one_async(true);
  release(&scheduler.async_edge);
  return scheduler.async[scheduler.async_count++];
}

bool run_one_async(bool late_ones) {
  Scheduler& s = scheduler;
  if (s.async_count == 0) return false;
  int i = shuffled() ? static_cast<int>(next_random() % static_cast<uint32_t>(s.async_count)) : 0;
  for (int tried = 0; s.async[i].late && !late_ones; tried++) {
    if (tried == s.async_count) return false;
    i = (i + 1) % s.async_count;
  }
  AsyncJob job = s.async[i];
  for (int k = i; k + 1 < s.async_count; k++) s.async[k] = s.async[k + 1];
  s.async_count--;
  void* back = tsan_current();
  if (kTsan && !s.async_tsan) s.async_tsan = tsan_fiber();
  tsan_switch(s.async_tsan);
  acquire(&s.async_edge);
  job.run(job);
  tsan_switch(back);
  return true;
}

void make_ready(Thread* t) {
  Scheduler& s = scheduler;
  t->state = State::ready;
  if (options().schedule == Schedule::fifo) {
    s.fifo[s.fifo_tail++ % kMaxReady] = t;
  } else if (options().schedule == Schedule::random) {
    s.random.add(t);
  } else {
    WarpQueue& queue = s.warps[t->block->slot][t->warp];
    queue.ready.add(t);
    if (!queue.listed) s.active.add(&queue);
    queue.listed = true;
  }
}

void block_current(const char* what, const Site& site) {
  Thread* self = scheduler.running;
  self->state = State::blocked;
  self->waits_for = what;
  self->site = site;
  Thread* next = next_ready();
  if (next != self) switch_to(&self->sp, next, false);
}

void yield_current() {
  Thread* self = scheduler.running;
  make_ready(self);
  Thread* next = next_ready();
  if (next != self) switch_to(&self->sp, next, false);
}

void yield_point() {
  if (shuffled() && next_random() % 8 == 0) yield_current();
}

// A warp that polls goes behind all others, so that what it waits for can happen: priorities may keep a warp from running
// as long as others work, not as long as others spin.
void poll(const char* what, const Site& site) {
  Thread* self = scheduler.running;
  self->waits_for = what;
  self->site = site;
  scheduler.lowest = scheduler.lowest > 0 ? scheduler.lowest - 1 : kDrawn - 1;
  scheduler.warps[self->block->slot][self->warp].priority = scheduler.lowest;
  if (++scheduler.polls > 4096ul + 64ul * static_cast<unsigned long>(scheduler.live)) {
    if (!run_one_async(true)) fail_with_waiters("livelock: every thread spins");
    scheduler.polls = 0;
  }
  yield_current();
}

void begin_grid(const std::function<void()>& body) {
  scheduler.body = &body;
  scheduler.live = 0;
  scheduler.polls = 0;
  scheduler.main_tsan = tsan_current();
}

void make_slot(int slot) {
  if (scheduler.slots[slot]) return;
  scheduler.slots[slot] = new Block();
  scheduler.slots[slot]->slot = slot;
}

void add_threads(Block& b) {
  for (int w = 0; w < kMaxWarps; w++) scheduler.warps[b.slot][w].priority = draw_priority();
  scheduler.live += b.thread_count;
  for (int i = 0; i < b.thread_count; i++) make_ready(b.threads[i]);
}

Block* run_until_block_ends() {
  Scheduler& s = scheduler;
  while (s.live > 0) {
    Thread* t = next_ready();
    s.from_main = true;
    switch_to(&s.main_sp, t, false);
    if (Block* b = std::exchange(s.ended, nullptr)) return b;
  }
  return nullptr;
}

void finish_async() {
  while (run_one_async(true)) {
  }
}

}  // namespace tilegrad::emulator
