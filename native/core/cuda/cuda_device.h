// The CUDA backend as kernel files see it: the stream that an op launches on, the device's traits, and
// check(). Nothing outside core/cuda and the .cu files includes this.
#pragma once

#include <cuda_runtime_api.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "core/cuda/fault.h"
#include "core/cuda/pinned.h"
#include "core/device.h"
#include "core/stream.h"

namespace tilegrad::cuda {

/// Throws ERR_CUDA with CUDA's words, and clears an error that does not stick.
void check(cudaError_t error, const char* what);

struct Traits {
  int ordinal = 0;
  int capability = 0;  // 90 for compute capability 9.0
  int multiprocessors = 0;
  size_t shared_bytes = 0;  // the most shared memory that one block may have
};

/// Tasks run on the enqueuing thread, where they launch. Tickets complete when an event behind them has
/// passed and, for downloads, when the host copy is done; a thread of its own does the latter and calls
/// back, because CUDA's own host functions may not call CUDA and do not come after an error.
class CudaStream final : public Stream {
 public:
  explicit CudaStream(const Traits& traits);

  uint64_t enqueue(Task* task) override;
  void host_callback(std::function<void()> callback) override;
  void wait(uint64_t ticket) override;
  uint64_t enqueued() const override { return enqueued_.load(std::memory_order_acquire); }
  uint64_t completed() const override;

  /// Copies that end in host memory: the job runs once the device is done with all before it.
  void enqueue_download(const void* source, std::shared_ptr<void> target, size_t bytes);
  void upload(const void* source, void* target, size_t bytes);

  cudaStream_t handle() const { return handle_; }
  /// Where kernels that this thread asks for report wrong values.
  Fault* fault();
  const Traits& traits() const { return traits_; }

 private:
  struct Mark {
    uint64_t ticket;
    cudaEvent_t event;
  };
  struct OwnedFault {
    uint32_t asked_by;
    Fault* fault;
  };
  struct Job {
    uint64_t ticket = 0;
    cudaEvent_t event = nullptr;
    std::function<void()> run;
  };

  void run_task(Task& task);
  void note_launch(const char* op);
  void mark(uint64_t ticket);
  void push_job(std::function<void()> run);
  void serve_jobs();
  void note_device_error(cudaError_t error);
  void check_faults();
  uint64_t passed() const;
  cudaEvent_t take_event();

  Traits traits_;
  cudaStream_t handle_ = nullptr;
  PinnedPool pinned_;
  std::recursive_mutex
      launch_;  // one thread at a time launches, so that tickets follow the stream's order
  std::atomic<uint64_t> enqueued_{0};
  std::atomic<const char*> last_op_{""};
  std::atomic<uint32_t> last_asker_{0};  // the thread that launched last_op_

  mutable std::mutex faults_lock_;
  std::vector<OwnedFault> faults_;  // one per thread that has launched a kernel which reports
  Fault* fault_page_ = nullptr;     // page-locked, handed out piece by piece

  mutable std::mutex marks_lock_;
  mutable std::deque<Mark> marks_;  // events on the stream, oldest first
  mutable uint64_t passed_ = 0;     // every ticket up to here has passed on the device
  mutable std::deque<cudaEvent_t> spare_;

  mutable std::mutex jobs_lock_;
  std::condition_variable jobs_arrived_, jobs_done_;
  std::deque<Job> jobs_;
  std::deque<uint64_t> host_tickets_;  // of jobs that are not done, oldest first
  bool serving_ = false;
};

/// The stream of a kernel's arguments.
inline CudaStream& stream_of(Stream* stream) { return *static_cast<CudaStream*>(stream); }

/// Blocks for n elements at `per_block` each, at most a few waves of the device: kernels loop over the rest.
int grid_size(const CudaStream& stream, int64_t n, int per_block);

}  // namespace tilegrad::cuda
