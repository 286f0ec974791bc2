// One pool per process. A region is published by raising the epoch in `gate_`; helpers enter by
// counting themselves into the same word, so the caller waits only for helpers that are really inside
// (none exist in a forked child, say). Each thread begins with a share of the chunks of its own, the
// same in every region, so that what one kernel wrote is in the cache of the thread that reads it next;
// then it takes what others have left. More running threads than cores are worse than one fewer: who is
// preempted within a chunk is waited for, for milliseconds. So while the asking thread runs the last
// helper sleeps, and its place is held for the asking thread, which takes it when it waits for results.
#include "core/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "core/contention.h"
#include "core/region_guest.h"

namespace tilegrad {
namespace {

constexpr int kMaxThreads = 1024;            // that num_threads() gives
constexpr int kSpin = 200, kSpinAlone = 40;  // microseconds

thread_local bool t_in_region = false;

struct RegionMark {
  RegionMark() { t_in_region = true; }
  ~RegionMark() { t_in_region = false; }
};

inline void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

using Clock = std::chrono::steady_clock;

// Polls `ready` for longer than kernels that run on one thread lie between two regions of a step. Where
// other programs want the core they get it before that.
template <class Ready>
bool spin_until(Ready ready) {
  const auto begin = Clock::now();
  for (;;) {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      cpu_relax();
    }
    const auto spun = Clock::now() - begin;
    if (spun > std::chrono::microseconds(kSpin)) return ready();
    if (spun > std::chrono::microseconds(kSpinAlone)) std::this_thread::yield();
  }
}

// Timed, on the system clock: the untimed and the steady-clock waits need newer libstdc++ and glibc
// than Node does.
template <class Ready>
void sleep_until(std::mutex& mutex, std::condition_variable& condition, Ready ready) {
  std::unique_lock<std::mutex> lock(mutex);
  while (!ready()) {
    condition.wait_until(lock, std::chrono::system_clock::now() + std::chrono::seconds(10));
  }
}

std::atomic<Clock::rep> g_asker_until{0};
std::atomic<const void*> g_asker{nullptr};  // the address of its t_in_region
std::atomic<int> g_waiters{0};

bool asker_busy() {
  return Clock::now().time_since_epoch().count() < g_asker_until.load(std::memory_order_relaxed);
}

// True where so many threads and the one that asks for work are more than there are cores.
bool crowded(int64_t threads) {
  return threads >= available_cores() &&
         (g_waiters.load(std::memory_order_relaxed) > 0 || asker_busy());
}

struct Job {
  detail::RangeFunction function = nullptr;
  void* context = nullptr;
  int64_t n = 0;
  int64_t grain = 1;
  int64_t chunks = 0;
};

// The chunks that one thread begins with.
struct alignas(64) Share {
  std::atomic<int64_t> next{0};
  int64_t end = 0;
};

class Pool {
 public:
  // False, with nothing run, where another thread has a region open.
  bool try_run(const Job& job, int64_t threads);
  // A thread that waits enters the open region, unless it is `*seen`, and leaves it early when `done`.
  bool try_help(uint64_t* seen, bool (*done)(void*), void* context);

 private:
  // gate_: epoch (32 bits), open (1), whether one place is held for a thread that waits (1), places of
  // helpers (14), helpers inside (16).
  static constexpr uint64_t kInside = (uint64_t{1} << 16) - 1;
  static constexpr uint64_t kHeld = uint64_t{1} << 30;
  static constexpr uint64_t kOpen = uint64_t{1} << 31;
  static uint64_t epoch(uint64_t gate) { return gate >> 32; }
  static uint64_t inside(uint64_t gate) { return gate & kInside; }
  static uint64_t places(uint64_t gate) { return (gate >> 16) & 0x3fff; }
  static uint64_t held(uint64_t gate) { return (gate & kHeld) != 0 ? 1 : 0; }

  void start_helpers(int64_t wanted);
  void share_out(int64_t shares);
  void publish(int64_t helpers, bool hold);
  void wake(int64_t helpers);
  void stop_holding();
  void close();
  template <class After>
  void take_chunks(int64_t thread, After after);
  template <class Admits>
  bool enter(uint64_t taken, Admits admits, uint64_t* seen);
  void run_chunk(int64_t chunk);
  void helper_loop(int64_t thread);
  void leave();

  // Held by the thread whose region is open; guards what follows it, which helpers read only inside.
  std::mutex region_;
  int64_t started_ = 0;
  Job job_;
  int64_t share_count_ = 0;
  std::unique_ptr<Share[]> shares_{new Share[kMaxThreads]};

  alignas(64) std::atomic<uint64_t> gate_{0};
  alignas(64) std::atomic<int64_t> sleeping_{0};
  std::mutex sleep_mutex_;
  std::condition_variable wake_;

  std::atomic<bool> caller_sleeps_{false};
  std::mutex caller_mutex_;
  std::condition_variable caller_wake_;

  std::mutex error_mutex_;
  std::exception_ptr error_;
};

Pool& pool() {
  static Pool* leaked = new Pool;  // the helpers outlive every static destructor
  return *leaked;
}

void Pool::run_chunk(int64_t chunk) {
  const int64_t begin = chunk * job_.grain;
  const int64_t end = job_.n - begin < job_.grain ? job_.n : begin + job_.grain;
  try {
    job_.function(job_.context, begin, end);
  } catch (...) {
    std::lock_guard<std::mutex> lock(error_mutex_);
    if (!error_) error_ = std::current_exception();
    for (int64_t i = 0; i < share_count_; ++i) {
      shares_[i].next.store(shares_[i].end, std::memory_order_relaxed);
    }
  }
}

// Calls `after` behind each chunk, which returns whether to go on.
template <class After>
void Pool::take_chunks(int64_t thread, After after) {
  RegionMark mark;
  for (int64_t i = 0; i < share_count_; ++i) {
    Share& share = shares_[(thread + i) % share_count_];
    for (;;) {
      const int64_t chunk = share.next.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= share.end) break;
      run_chunk(chunk);
      if (!after()) return;
    }
  }
}

// Who enters takes the bits `taken` away; `seen` becomes the epoch of the region.
template <class Admits>
bool Pool::enter(uint64_t taken, Admits admits, uint64_t* seen) {
  uint64_t gate = gate_.load(std::memory_order_acquire);
  while (admits(gate)) {
    if (!gate_.compare_exchange_weak(gate, (gate + 1) & ~taken, std::memory_order_acq_rel))
      continue;
    *seen = epoch(gate);
    return true;
  }
  return false;
}

void Pool::helper_loop(int64_t thread) {
  uint64_t seen = 0;
  const auto admits = [&](uint64_t gate) {
    return (gate & kOpen) != 0 && epoch(gate) != seen && inside(gate) + held(gate) < places(gate);
  };
  const auto admitted = [&] { return admits(gate_.load(std::memory_order_seq_cst)); };
  for (;;) {
    spin_until([&] { return admitted() || crowded(thread + 1); });
    if (!admitted()) {
      sleeping_.fetch_add(1, std::memory_order_seq_cst);
      sleep_until(sleep_mutex_, wake_, admitted);
      sleeping_.fetch_sub(1, std::memory_order_seq_cst);
    }
    if (!enter(0, admits, &seen)) continue;
    take_chunks(thread, [] { return true; });
    leave();
  }
}

// The share to begin with is that of the last helper, which sleeps meanwhile.
bool Pool::try_help(uint64_t* seen, bool (*done)(void*), void* context) {
  const auto admits = [&](uint64_t gate) {
    return (gate & kOpen) != 0 && epoch(gate) != *seen && inside(gate) < places(gate);
  };
  if (!enter(kHeld, admits, seen)) return false;
  take_chunks(share_count_ - 1, [&] { return !done(context); });
  leave();
  return true;
}

void Pool::leave() {
  const uint64_t before = gate_.fetch_sub(1, std::memory_order_seq_cst);
  if (inside(before) == 1 && caller_sleeps_.load(std::memory_order_seq_cst)) {
    std::lock_guard<std::mutex> lock(caller_mutex_);
    caller_wake_.notify_one();
  }
}

// Where the system gives no more threads the region runs on those that there are: the result is the
// same.
void Pool::start_helpers(int64_t wanted) {
  try {
    for (; started_ < wanted; ++started_) {
      std::thread([this, thread = started_ + 1] { helper_loop(thread); }).detach();
    }
  } catch (const std::system_error&) {
  }
}

void Pool::share_out(int64_t shares) {
  share_count_ = shares;
  for (int64_t i = 0; i < shares; ++i) {
    shares_[i].next.store(job_.chunks * i / shares, std::memory_order_relaxed);
    shares_[i].end = job_.chunks * (i + 1) / shares;
  }
}

void Pool::publish(int64_t helpers, bool hold) {
  const uint64_t next_epoch = epoch(gate_.load(std::memory_order_relaxed)) + 1;
  gate_.store(next_epoch << 32 | kOpen | (hold ? kHeld : 0) | static_cast<uint64_t>(helpers) << 16,
              std::memory_order_seq_cst);
  // Waking costs 5 to 20 us of the caller's time: only as many as the helpers that still spin
  // cannot make up for.
  const int64_t asleep = sleeping_.load(std::memory_order_seq_cst);
  wake(std::min(asleep, helpers - (hold ? 1 : 0) - (started_ - asleep)));
}

void Pool::wake(int64_t helpers) {
  if (helpers <= 0) return;
  { std::lock_guard<std::mutex> lock(sleep_mutex_); }  // who saw the old gate is now waiting
  for (int64_t i = 0; i < helpers; ++i) wake_.notify_one();
}

void Pool::stop_holding() {
  const uint64_t before = gate_.fetch_and(~kHeld, std::memory_order_seq_cst);
  if (held(before) == 0) return;  // a thread that waits has come in
  wake(std::min<int64_t>(sleeping_.load(std::memory_order_seq_cst), 1));
}

void Pool::close() {
  gate_.fetch_and(~kOpen, std::memory_order_seq_cst);
  const auto empty = [&] { return inside(gate_.load(std::memory_order_seq_cst)) == 0; };
  if (spin_until(empty)) return;
  const auto since = Clock::now();
  caller_sleeps_.store(true, std::memory_order_seq_cst);
  sleep_until(caller_mutex_, caller_wake_, empty);
  note_sleep(Clock::now() - since);
  caller_sleeps_.store(false, std::memory_order_relaxed);
}

bool Pool::try_run(const Job& job, int64_t threads) {
  std::unique_lock<std::mutex> lock(region_, std::try_to_lock);
  if (!lock.owns_lock()) return false;
  start_helpers(threads - 1);
  job_ = job;
  const int64_t shares = std::min(threads, job.chunks);
  share_out(shares);
  bool holding = crowded(shares);
  publish(shares - 1, holding);
  take_chunks(0, [&] {
    if (holding && !crowded(shares)) {
      holding = false;
      stop_holding();
    }
    return true;
  });
  close();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  return true;
}

}  // namespace

void set_asker_busy(int microseconds) {
  const std::chrono::microseconds time(microseconds);
  const auto until = microseconds == 0 ? Clock::time_point{} : Clock::now() + time;
  g_asker_until.store(until.time_since_epoch().count(), std::memory_order_relaxed);
  g_asker.store(&t_in_region, std::memory_order_relaxed);
}

RegionGuest::RegionGuest() : before_(g_waiters.fetch_add(1, std::memory_order_relaxed)) {}
RegionGuest::~RegionGuest() { g_waiters.fetch_sub(1, std::memory_order_relaxed); }

bool RegionGuest::unwanted() const {
  if (num_threads() + before_ < available_cores()) return false;
  return before_ > 0 || (g_asker.load(std::memory_order_relaxed) != &t_in_region && asker_busy());
}

bool RegionGuest::help(bool (*done)(void*), void* context) {
  return pool().try_help(&seen_, done, context);
}

bool in_parallel_region() { return t_in_region; }

namespace detail {

void parallel_for(int64_t n, int64_t grain, RangeFunction function, void* context) {
  const int64_t chunks = n / grain + (n % grain != 0);
  const int64_t threads = t_in_region ? 1 : num_threads();
  if (threads > 1 && pool().try_run({function, context, n, grain, chunks}, threads)) return;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t begin = chunk * grain;
    function(context, begin, n - begin < grain ? n : begin + grain);
  }
}

}  // namespace detail
}  // namespace tilegrad
