#include "core/contention.h"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <utility>

namespace tilegrad {
namespace {

using Clock = std::chrono::steady_clock;

// Far longer than an interrupt, shorter than what a scheduler gives another program.
constexpr std::chrono::microseconds kStopped{500};
// Remembered for so long, and twice as long as before where it was so again right after.
constexpr std::chrono::milliseconds kLeast{5}, kMost{100}, kSoon{8};

std::atomic<Clock::rep> g_contended_until{0};
std::atomic<Clock::rep> g_remembered{0};
thread_local Clock::duration t_slept{0};

void remember(Clock::time_point now) {
  const Clock::time_point until{Clock::duration(g_contended_until.load(std::memory_order_relaxed))};
  if (now < until) return;
  const Clock::duration before{g_remembered.load(std::memory_order_relaxed)};
  const Clock::duration least = kLeast, most = kMost;
  const Clock::duration length = now - until < kSoon ? std::min(2 * before, most) : least;
  g_remembered.store(length.count(), std::memory_order_relaxed);
  g_contended_until.store((now + length).time_since_epoch().count(), std::memory_order_relaxed);
}

// Processor time of this thread; 0 where the system does not tell.
std::chrono::nanoseconds thread_time() {
#if defined(CLOCK_THREAD_CPUTIME_ID)
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
#else
  return std::chrono::nanoseconds(0);
#endif
}

}  // namespace

bool cores_contended() {
  const auto until = g_contended_until.load(std::memory_order_relaxed);
  return until != 0 && Clock::now().time_since_epoch().count() < until;
}

void note_sleep(Clock::duration time) { t_slept += time; }

RunningThread::RunningThread() : since_(Clock::now()), ran_(thread_time()) { t_slept = {}; }

void RunningThread::check() {
  const auto now = Clock::now();
  const auto passed = now - since_;
  if (passed < kStopped) return;
  const auto before = std::exchange(ran_, thread_time());
  const auto slept = std::exchange(t_slept, {});
  since_ = now;
  if (ran_ == before || passed - (ran_ - before) - slept < kStopped) return;
  remember(now);
}

}  // namespace tilegrad
