// The barrier of cooperative grids. On a GPU a thread that never comes makes the others wait for ever; here it is an error
// as soon as it ends, or as soon as another one arrives that it can no longer meet.
#include "core/cuda/emulator/scheduler.h"

namespace tilegrad::emulator {
namespace {

GridBarrier& barrier = *new GridBarrier();

int line(const Site& site) { return static_cast<int>(site.line()); }

void complete() {
  barrier.arrived = 0;
  barrier.generation++;
  for (int i = 0; i < barrier.waiting_count; i++) make_ready(barrier.waiting[i]);
  barrier.waiting_count = 0;
}

}  // namespace

void begin_grid_barrier(bool cooperative, int threads) {
  barrier.cooperative = cooperative;
  barrier.threads = barrier.alive = threads;
  barrier.arrived = barrier.waiting_count = 0;
}

void leave_grid() {
  if (!barrier.cooperative) return;
  barrier.alive--;
  if (barrier.arrived > 0)
    fail("a thread ends while %d of its grid's threads wait at the grid's barrier at %s:%d",
         barrier.arrived, barrier.site.file_name(), line(barrier.site));
}

void grid_sync(const Site& site) {
  if (!barrier.cooperative)
    fail("%s:%d: the grid's barrier in a kernel that was not launched cooperatively",
         site.file_name(), line(site));
  if (barrier.alive < barrier.threads)
    fail("%s:%d: %d threads of the grid have ended and never reach its barrier", site.file_name(),
         line(site), barrier.threads - barrier.alive);
  const unsigned parity = barrier.generation & 1;
  barrier.site = site;
  release(&barrier.sync[parity]);
  note_progress();
  if (++barrier.arrived == barrier.threads) {
    complete();
    if (shuffled()) yield_current();  // the last to arrive is not first to leave by right
  } else {
    barrier.waiting[barrier.waiting_count++] = current();
    block_current("the grid's barrier", site);
  }
  acquire(&barrier.sync[parity]);
}

}  // namespace tilegrad::emulator
