// One in-order stream per device. The JavaScript thread enqueues, the stream computes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/error.h"

namespace tilegrad {

/// A piece of work. Runs once, on the stream's thread (CPU) or on the enqueuing thread, where it launches (CUDA).
struct Task {
  Task* next = nullptr;
  const char* op = "";  // named in the error if run() throws; static storage
  virtual ~Task() = default;
  virtual void run() = 0;
};

class Stream {
 public:
  virtual ~Stream() = default;

  /// Takes ownership. Returns the ticket: the count of tasks enqueued so far, this one included.
  virtual uint64_t enqueue(Task* task) = 0;
  /// Runs `callback` on the stream's side when all work enqueued before is done; a ticket of its own counts it. It must
  /// be short and must not throw.
  virtual void host_callback(std::function<void()> callback) = 0;
  /// Blocks the caller until everything up to `ticket` is done.
  virtual void wait(uint64_t ticket) = 0;
  virtual uint64_t enqueued() const = 0;
  virtual uint64_t completed() const = 0;
  /// True where the calling thread may compute at once instead of enqueuing: all that was enqueued before is done.
  virtual bool idle() const { return false; }
  /// Runs `body` on the calling thread, which has seen the stream idle; what it throws is parked like a task's error.
  template <class Body>
  void run_here(const char* op, Body&& body) {
    try {
      body();
    } catch (...) {
      park_current(op);
    }
  }

  void wait_all() { wait(enqueued()); }
  /// The first error of a task since the last call, or null. Errors are parked here until somebody waits.
  std::unique_ptr<Error> take_error();

 protected:
  void park_error(ErrorCode code, const std::string& message);
  /// Parks the exception that is being handled, named after the op.
  void park_current(const char* op);

 private:
  std::atomic<Error*> error_{nullptr};
};

/// The CPU's stream: a worker thread that drains a queue; its kernels fan out over parallel_for.
std::unique_ptr<Stream> make_cpu_stream();

}  // namespace tilegrad
