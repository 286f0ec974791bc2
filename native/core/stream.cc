#include "core/stream.h"

#if defined(__linux__)
#include <sched.h>
#endif

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/asker.h"
#include "core/contention.h"
#include "core/parallel.h"
#include "core/region_guest.h"

namespace tilegrad {

namespace {

/// A number of the calling thread, from 1 on.
uint32_t thread_number() {
  static std::atomic<uint32_t> last{0};
  thread_local const uint32_t number = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return number;
}

/// The thread that asked for the task that this thread runs; 0 outside of tasks.
thread_local uint32_t t_asked_by = 0;

/// An error waits for the thread whose work failed: the others know nothing of it.
struct ParkedError final : Error {
  ParkedError(const Error& error, uint32_t asked_by) : Error(error), asked_by(asked_by) {}
  uint32_t asked_by;
  ParkedError* next = nullptr;
};

// Guards the lists that start at Stream::error_. Leaked: streams run until the process ends.
std::mutex& errors_mutex() {
  static auto* mutex = new std::mutex;
  return *mutex;
}

// A task failed and there was no memory for its error: whoever asks next is told.
std::atomic<bool> g_lost_error{false};

std::unique_ptr<Error> take_lost_error() {
  auto error = std::make_unique<Error>(ErrorCode::oom,
                                       "a kernel failed, and there was no memory for its error");
  return g_lost_error.exchange(false) ? std::move(error) : nullptr;
}

}  // namespace

std::unique_ptr<Error> Stream::take_error() {
  if (g_lost_error.load(std::memory_order_relaxed))
    if (auto error = take_lost_error()) return error;
  if (!error_.load(std::memory_order_acquire)) return nullptr;
  const uint32_t own = thread_number();
  std::lock_guard<std::mutex> lock(errors_mutex());
  ParkedError* before = nullptr;
  for (auto* error = static_cast<ParkedError*>(error_.load()); error; error = error->next) {
    if (error->asked_by == own) {
      auto taken = std::make_unique<Error>(*error);
      if (before)
        before->next = error->next;
      else
        error_.store(error->next, std::memory_order_release);
      delete error;
      return taken;
    }
    before = error;
  }
  return nullptr;
}

uint32_t asking_thread() { return t_asked_by ? t_asked_by : thread_number(); }

AskedBy::AskedBy(uint32_t asker) : before_(std::exchange(t_asked_by, asker)) {}
AskedBy::~AskedBy() { t_asked_by = before_; }

void Stream::park_error(ErrorCode code, const std::string& message) {
  const uint32_t asked_by = asking_thread();
  std::lock_guard<std::mutex> lock(errors_mutex());
  auto* first = static_cast<ParkedError*>(error_.load());
  for (auto* error = first; error; error = error->next)
    if (error->asked_by == asked_by) return;  // the first error is the cause, later ones follow
  auto* error = new ParkedError(Error(code, message), asked_by);
  error->next = first;
  error_.store(error, std::memory_order_release);
}

void Stream::park_current(const char* op) {
  try {
    try {
      throw;
    } catch (const Error& error) {
      park_error(error.code(), str(op, ": ", error.what()));
    } catch (const std::bad_alloc&) {
      park_error(ErrorCode::oom, str(op, ": out of memory for the kernel's workspace"));
    } catch (const std::exception& error) {
      park_error(ErrorCode::unsupported, str(op, ": ", error.what()));
    }
  } catch (const std::bad_alloc&) {
    g_lost_error.store(true);
  }
}

namespace {

using Clock = std::chrono::steady_clock;
// A timed wait: condition_variable::wait would need a newer libstdc++ than the oldest supported one.
constexpr auto kNap = std::chrono::seconds(1);
// Microseconds that a thread looks for what another one does, before it sleeps.
int spin_time() { return available_cores() > 1 ? 60 : 0; }
// Those that a thread waits awake for its results: sleeping and waking costs 30 to 60.
int wait_time(bool contended) { return contended || available_cores() == 1 ? spin_time() : 1000; }
// Microseconds within which who has enqueued has more to enqueue, and who asked to be called back has not.
constexpr int kBusy = 100, kBusyBeforeCallback = 10;
// Pooled memory makes running ahead cheap, but a queue without end hides errors and latency.
constexpr uint64_t kMostPending = 8192;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// The core that the calling thread is on; -1 where the system does not tell.
int current_core() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

bool shares_core(const std::atomic<int>& other) {
  const int core = other.load(std::memory_order_relaxed);
  return core >= 0 && core == current_core();
}

struct CallbackTask final : Task {
  explicit CallbackTask(std::function<void()> f) : callback(std::move(f)) {}
  // It makes a thread run that asks: where helpers leave it no core it would take the one of this thread.
  void run() override {
    set_asker_busy(kBusy);
    callback();
  }
  std::function<void()> callback;
};

class CpuStream final : public Stream {
 public:
  CpuStream() {
    // Detached and leaked: it may be inside a kernel when the process exits, and nothing of it is ever destroyed.
    std::thread([this] { loop(); }).detach();
  }

  uint64_t enqueue(Task* task) override {
    std::unique_ptr<Task> owned(task);
    set_asker_busy(kBusy);
    uint64_t ticket;
    bool wake;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      askers_.push_back(thread_number());  // may throw: before anything is linked
      (tail_ ? tail_->next : head_) = owned.release();
      tail_ = task;
      ticket = enqueued_.fetch_add(1, std::memory_order_release) + 1;
      wake = sleeping_;
    }
    if (wake) wake_.notify_one();
    if (ticket > kMostPending) wait(ticket - kMostPending);
    return ticket;
  }

  void host_callback(std::function<void()> callback) override {
    enqueue(new CallbackTask(std::move(callback)));
    set_asker_busy(kBusyBeforeCallback);
  }

  void wait(uint64_t ticket) override {
    if (completed() >= ticket) return;
    watching_.fetch_add(1, std::memory_order_relaxed);
    const bool came = compute_until(ticket);
    watching_.fetch_sub(1, std::memory_order_relaxed);
    if (came) return;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      if (ticket < awaited_.load()) awaited_.store(ticket);
      if (completed() >= ticket) return;
      done_.wait_for(lock, kNap);
    }
  }

  uint64_t enqueued() const override { return enqueued_.load(std::memory_order_acquire); }
  // In one order with awaited_, which a waiter writes before it looks here and the stream reads behind it.
  uint64_t completed() const override { return completed_.load(); }
  // In this order: what the caller depends on was enqueued before it asks.
  bool idle() const override {
    const uint64_t before = enqueued();
    return completed() >= before;
  }
  bool asleep() const { return sleeping_.load(std::memory_order_relaxed); }

 private:
  /// Takes part in what the stream computes; false where it has not come to the ticket and there is nothing to do.
  bool compute_until(uint64_t ticket) {
    struct Awaited {
      const CpuStream* stream;
      uint64_t ticket;
    } awaited{this, ticket};
    const auto done = [](void* context) {
      const auto* one = static_cast<const Awaited*>(context);
      return one->stream->completed() >= one->ticket;
    };
    RegionGuest guest;
    RunningThread self;
    const bool contended = cores_contended();
    auto since = Clock::now();
    while (!done(&awaited)) {
      if (!contended && guest.help(done, &awaited)) {
        since = Clock::now();
        continue;
      }
      const auto looked = Clock::now() - since;
      if (guest.unwanted() || looked > std::chrono::microseconds(wait_time(contended))) {
        set_asker_busy(0);
        self.check();
        return false;
      }
      watcher_core_.store(current_core(), std::memory_order_relaxed);
      if (asleep() || shares_core(core_)) {
        give_way();
      } else if (looked > std::chrono::microseconds(spin_time())) {
        std::this_thread::yield();
      } else {
        relax();
      }
    }
    self.check();
    return true;
  }

  /// A stream that was woken often has the core of the one that woke it, though others are idle. What is short is done
  /// sooner there, and a system moves threads that both want to run only after milliseconds.
  static void give_way() {
    const auto before = Clock::now();
    std::this_thread::yield();
    note_sleep(Clock::now() - before);
  }

  /// The waiting tasks and, in the same order, the threads that asked for them.
  Task* next_batch(std::vector<uint32_t>* askers) {
    const auto until = Clock::now() + std::chrono::microseconds(spin_time());
    for (;;) {
      if (enqueued() != completed() || Clock::now() > until) {
        std::unique_lock<std::mutex> lock(mutex_);
        while (!head_) {
          sleeping_ = true;
          wake_.wait_for(lock, kNap);
        }
        sleeping_ = false;
        core_.store(current_core(), std::memory_order_relaxed);
        Task* batch = head_;
        head_ = tail_ = nullptr;
        askers->swap(askers_);
        askers_.clear();
        return batch;
      }
      core_.store(current_core(), std::memory_order_relaxed);
      // Who watches and has what it waited for may be waiting for this core.
      if (watching_.load(std::memory_order_relaxed) > 0 && shares_core(watcher_core_)) {
        std::this_thread::yield();
      } else {
        relax();
      }
    }
  }

  void wake_waiters() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      awaited_.store(UINT64_MAX);  // who goes on waiting says so again
    }
    done_.notify_all();
  }

  void loop() {
    std::vector<uint32_t> askers;
    for (;;) {
      size_t at = 0;
      Task* task = next_batch(&askers);
      RunningThread self;
      while (task) {
        Task* following = task->next;
        t_asked_by = askers[at++];
        run_here(task->op, [task] { task->run(); });
        delete task;
        if (completed_.fetch_add(1) + 1 >= awaited_.load()) wake_waiters();
        task = following;
        self.check();
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  Task* head_ = nullptr;
  Task* tail_ = nullptr;
  std::vector<uint32_t> askers_;
  std::atomic<bool> sleeping_{false};             // written under the mutex
  std::atomic<int> watching_{0};                  // threads that wait awake
  std::atomic<int> core_{-1}, watcher_core_{-1};  // where the stream and who waits awake were last
  std::atomic<uint64_t> enqueued_{0}, completed_{0};
  std::atomic<uint64_t> awaited_{UINT64_MAX};  // the least ticket that a sleeping thread waits for
};

}  // namespace

int64_t immediate_elements(const Stream& stream) {
  // Handing over takes about 0.3 us, waking 5 to 50 us.
  constexpr int64_t kAwake = 1024, kAsleep = 32768;
  if (!stream.idle()) return 0;  // only a CPU's stream ever is
  return static_cast<const CpuStream&>(stream).asleep() ? kAsleep : kAwake;
}

std::unique_ptr<Stream> make_cpu_stream() { return std::make_unique<CpuStream>(); }

}  // namespace tilegrad
