#include "core/stream.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace tilegrad {

std::unique_ptr<Error> Stream::take_error() {
  return std::unique_ptr<Error>(error_.exchange(nullptr));
}

void Stream::park_error(ErrorCode code, const std::string& message) {
  Error* none = nullptr;
  auto* error = new Error(code, message);
  if (!error_.compare_exchange_strong(none, error))
    delete error;  // the first error is the cause, later ones follow
}

namespace {

using Clock = std::chrono::steady_clock;
// A timed wait: condition_variable::wait would need a newer libstdc++ than the oldest supported one.
constexpr auto kNap = std::chrono::seconds(1);
constexpr auto kSpin = std::chrono::microseconds(60);
// Pooled memory makes running ahead cheap, but a queue without end hides errors and latency.
constexpr uint64_t kMostPending = 8192;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

struct CallbackTask final : Task {
  explicit CallbackTask(std::function<void()> f) : callback(std::move(f)) {}
  void run() override { callback(); }
  std::function<void()> callback;
};

class CpuStream final : public Stream {
 public:
  CpuStream() {
    // Detached and leaked: it may be inside a kernel when the process exits, and nothing of it is ever destroyed.
    std::thread([this] { loop(); }).detach();
  }

  uint64_t enqueue(Task* task) override {
    uint64_t ticket;
    bool wake;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      (tail_ ? tail_->next : head_) = task;
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
  }

  void wait(uint64_t ticket) override {
    auto until = Clock::now() + kSpin;
    while (completed() < ticket) {
      relax();
      if (Clock::now() < until) continue;
      std::unique_lock<std::mutex> lock(mutex_);
      waiters_ += 1;
      while (completed() < ticket) done_.wait_for(lock, kNap);
      waiters_ -= 1;
    }
  }

  uint64_t enqueued() const override { return enqueued_.load(std::memory_order_acquire); }
  uint64_t completed() const override { return completed_.load(std::memory_order_acquire); }

 private:
  Task* next_batch() {
    auto until = Clock::now() + kSpin;
    for (;;) {
      if (enqueued() != completed() || Clock::now() > until) {
        std::unique_lock<std::mutex> lock(mutex_);
        while (!head_) {
          sleeping_ = true;
          wake_.wait_for(lock, kNap);
        }
        sleeping_ = false;
        Task* batch = head_;
        head_ = tail_ = nullptr;
        return batch;
      }
      relax();
    }
  }

  void loop() {
    for (;;) {
      for (Task* task = next_batch(); task;) {
        Task* following = task->next;
        run(task);
        delete task;
        completed_.fetch_add(1, std::memory_order_seq_cst);
        if (waiters_.load(std::memory_order_seq_cst) > 0) {
          std::lock_guard<std::mutex> lock(mutex_);
          done_.notify_all();
        }
        task = following;
      }
    }
  }

  void run(Task* task) {
    try {
      task->run();
    } catch (const Error& error) {
      park_error(error.code(), str(task->op, ": ", error.what()));
    } catch (const std::bad_alloc&) {
      park_error(ErrorCode::oom, str(task->op, ": out of memory for the kernel's workspace"));
    } catch (const std::exception& error) {
      park_error(ErrorCode::unsupported, str(task->op, ": ", error.what()));
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, done_;
  Task* head_ = nullptr;
  Task* tail_ = nullptr;
  bool sleeping_ = false;
  std::atomic<int> waiters_{0};
  std::atomic<uint64_t> enqueued_{0}, completed_{0};
};

}  // namespace

std::unique_ptr<Stream> make_cpu_stream() { return std::make_unique<CpuStream>(); }

}  // namespace tilegrad
