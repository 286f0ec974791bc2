// The CUDA stream: launches on the caller's thread, events as marks behind tickets, a thread for what ends
// in host memory. Device errors are parked, with the name of the op that was launched last.
#ifdef TILEGRAD_HAVE_CUDA

#include <bit>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "core/asker.h"
#include "core/ceil_div.h"
#include "core/cuda/cuda_device.h"
#include "core/cuda/index_fault.h"

namespace tilegrad::cuda {

namespace {

constexpr uint64_t kMarkEvery = 16;  // tickets between events
constexpr uint64_t kMostPending =
    4096;  // beyond it the caller waits: work that runs ahead is bounded
constexpr auto kNap = std::chrono::seconds(1);
constexpr size_t kFaultsPerPage = 4096 / sizeof(Fault);

std::string zero_point_message(const char* op, const Fault& fault) {
  return str(op, ": zero point ", fault.value, " is outside of the range ", fault.position, " to ",
             fault.limit);
}

std::string fault_message(const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::target:
      return str("cross_entropy: target ", fault.value, " at position ", fault.position,
                 " is out of range for ", fault.limit, " classes");
    case FaultKind::chance:
      return str("bernoulli: chances must be in [0, 1] but one is ",
                 std::bit_cast<double>(fault.value));
    case FaultKind::quantize_zero_point:
      return zero_point_message("quantize_linear", fault);
    case FaultKind::fake_quantize_zero_point:
      return zero_point_message("fake_quantize", fault);
    case FaultKind::fake_quantize_grad_zero_point:
      return zero_point_message("fake_quantize_input_grad", fault);
    case FaultKind::x_zero_point:
      return str("int8_conv2d: x_zero_point ", fault.value, " does not fit into ",
                 fault.position < 0 ? DType::i8 : DType::u8);
    case FaultKind::csr_count:
      return str("to_csr: count is ", fault.limit,
                 " but the input has another number of elements that are not 0");
    case FaultKind::csr_rows:
      return str("csr_linear: row_start must begin with 0, not fall, and end within ", fault.limit,
                 " values");
    case FaultKind::csr_column:
      return str("csr_linear: a column is not from 0 to ", fault.limit - 1);
  }
  return index_fault_message(fault);
}

}  // namespace

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();
  const ErrorCode code = error == cudaErrorMemoryAllocation ? ErrorCode::oom : ErrorCode::cuda;
  fail(code, what, " failed: ", cudaGetErrorString(error), " (", cudaGetErrorName(error), ")");
}

int grid_size(const CudaStream& stream, int64_t n, int per_block) {
  const int64_t blocks = ceil_div(n, per_block);
  const int64_t most = int64_t{32} * stream.traits().multiprocessors;
  return static_cast<int>(blocks < most ? (blocks > 0 ? blocks : 1) : most);
}

CudaStream::CudaStream(const Traits& traits) : traits_(traits) {
  check(cudaSetDevice(traits.ordinal), "cudaSetDevice");
  check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "cudaStreamCreate");
}

void CudaStream::note_launch(const char* op) {
  last_op_.store(op, std::memory_order_relaxed);
  last_asker_.store(asking_thread(), std::memory_order_relaxed);
}

void CudaStream::run_task(Task& task) {
  note_launch(task.op);
  run_here(task.op, [&] {
    check(cudaSetDevice(traits_.ordinal), "cudaSetDevice");
    task.run();
  });
}

uint64_t CudaStream::enqueue(Task* task) {
  uint64_t ticket;
  {
    std::lock_guard<std::recursive_mutex> guard(launch_);
    run_task(*task);
    delete task;
    ticket = enqueued_.fetch_add(1, std::memory_order_acq_rel) + 1;
    if (ticket % kMarkEvery == 0) mark(ticket);
  }
  if (ticket % kMarkEvery == 0 && ticket > kMostPending) wait(ticket - kMostPending);
  return ticket;
}

cudaEvent_t CudaStream::take_event() {
  {
    std::lock_guard<std::mutex> guard(marks_lock_);
    if (!spare_.empty()) {
      cudaEvent_t event = spare_.front();
      spare_.pop_front();
      return event;
    }
  }
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming | cudaEventBlockingSync),
        "cudaEventCreate");
  return event;
}

// The caller holds launch_, so the marks are in the order of their tickets.
void CudaStream::mark(uint64_t ticket) {
  cudaEvent_t event = take_event();
  note_device_error(cudaEventRecord(event, handle_));
  std::lock_guard<std::mutex> guard(marks_lock_);
  marks_.push_back({ticket, event});
}

void CudaStream::note_device_error(cudaError_t error) {
  if (error == cudaSuccess || error == cudaErrorNotReady) return;
  cudaGetLastError();
  const AskedBy owner(last_asker_.load(std::memory_order_relaxed));
  park_error(ErrorCode::cuda,
             str(last_op_.load(), " or an op before it: ", cudaGetErrorString(error), " (",
                 cudaGetErrorName(error), "); TILEGRAD_SYNC=1 tells which op it was"));
}

Fault* CudaStream::fault() {
  const uint32_t asked_by = asking_thread();
  std::lock_guard<std::mutex> guard(faults_lock_);
  for (const OwnedFault& owned : faults_) {
    if (owned.asked_by == asked_by) return owned.fault;
  }
  const size_t slot = faults_.size() % kFaultsPerPage;
  if (slot == 0) {
    void* page = nullptr;
    check(cudaMallocHost(&page, kFaultsPerPage * sizeof(Fault)), "cudaMallocHost");
    fault_page_ = static_cast<Fault*>(page);
  }
  faults_.push_back({asked_by, new (fault_page_ + slot) Fault{}});
  return faults_.back().fault;
}

// Call after the device has passed the kernels in question.
void CudaStream::check_faults() {
  std::lock_guard<std::mutex> guard(faults_lock_);
  for (const OwnedFault& owned : faults_) {
    Fault& fault = *owned.fault;
    if (!std::atomic_ref<int32_t>(fault.ready).exchange(0)) continue;
    const AskedBy owner(owned.asked_by);
    park_error(ErrorCode::argument, fault_message(fault));
    std::atomic_ref<int32_t>(fault.claimed).store(0);
  }
}

// Every ticket up to the result has passed on the device.
uint64_t CudaStream::passed() const {
  std::lock_guard<std::mutex> guard(marks_lock_);
  while (!marks_.empty()) {
    const cudaError_t state = cudaEventQuery(marks_.front().event);
    if (state == cudaErrorNotReady) break;
    const_cast<CudaStream*>(this)->note_device_error(state);
    passed_ = marks_.front().ticket;
    spare_.push_back(marks_.front().event);
    marks_.pop_front();
  }
  return passed_;
}

uint64_t CudaStream::completed() const {
  const uint64_t device = passed();
  std::lock_guard<std::mutex> guard(jobs_lock_);
  if (host_tickets_.empty() || host_tickets_.front() > device) return device;
  return host_tickets_.front() - 1;
}

void CudaStream::wait(uint64_t ticket) {
  if (completed() >= ticket) return check_faults();
  cudaSetDevice(traits_.ordinal);
  if (passed() < ticket) {
    {
      std::lock_guard<std::recursive_mutex> guard(launch_);
      mark(enqueued());
    }
    note_device_error(cudaStreamSynchronize(handle_));
    passed();
  }
  check_faults();
  std::unique_lock<std::mutex> lock(jobs_lock_);
  while (!host_tickets_.empty() && host_tickets_.front() <= ticket) jobs_done_.wait_for(lock, kNap);
}

void CudaStream::push_job(std::function<void()> run) {
  std::lock_guard<std::recursive_mutex> guard(launch_);
  Job job;
  job.run = std::move(run);
  job.event = take_event();
  note_device_error(cudaEventRecord(job.event, handle_));
  job.ticket = enqueued_.fetch_add(1, std::memory_order_acq_rel) + 1;
  std::lock_guard<std::mutex> lock(jobs_lock_);
  host_tickets_.push_back(job.ticket);
  jobs_.push_back(std::move(job));
  // Detached and leaked, as the device is: it may be waiting when the process exits.
  if (!std::exchange(serving_, true)) std::thread([this] { serve_jobs(); }).detach();
  jobs_arrived_.notify_one();
}

void CudaStream::serve_jobs() {
  cudaSetDevice(traits_.ordinal);
  for (;;) {
    Job job;
    {
      std::unique_lock<std::mutex> lock(jobs_lock_);
      while (jobs_.empty()) jobs_arrived_.wait_for(lock, kNap);
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    note_device_error(cudaEventSynchronize(job.event));
    check_faults();
    job.run();
    {
      std::lock_guard<std::mutex> guard(marks_lock_);
      spare_.push_back(job.event);
    }
    std::lock_guard<std::mutex> lock(jobs_lock_);
    host_tickets_.pop_front();
    jobs_done_.notify_all();
  }
}

void CudaStream::host_callback(std::function<void()> callback) {
  cudaSetDevice(traits_.ordinal);
  push_job(std::move(callback));
}

void CudaStream::enqueue_download(const void* source, std::shared_ptr<void> target, size_t bytes) {
  check(cudaSetDevice(traits_.ordinal), "cudaSetDevice");
  note_launch("read");
  for (size_t at = 0; at < bytes; at += PinnedPool::kLargest) {
    const size_t n = std::min(PinnedPool::kLargest, bytes - at);
    PinnedBlock* block = pinned_.take(n);
    std::lock_guard<std::recursive_mutex> guard(launch_);
    check(cudaMemcpyAsync(block->data, static_cast<const char*>(source) + at, n,
                          cudaMemcpyDeviceToHost, handle_),
          "read: cudaMemcpyAsync");
    check(cudaEventRecord(block->event, handle_), "cudaEventRecord");
    push_job([this, block, target, at, n] {
      std::memcpy(static_cast<char*>(target.get()) + at, block->data, n);
      pinned_.give_back(block);
    });
  }
}

void CudaStream::upload(const void* source, void* target, size_t bytes) {
  check(cudaSetDevice(traits_.ordinal), "cudaSetDevice");
  note_launch("upload");
  for (size_t at = 0; at < bytes; at += PinnedPool::kLargest) {
    const size_t n = std::min(PinnedPool::kLargest, bytes - at);
    PinnedBlock* block = pinned_.take(n);
    std::memcpy(block->data, static_cast<const char*>(source) + at, n);
    std::lock_guard<std::recursive_mutex> guard(launch_);
    check(cudaMemcpyAsync(static_cast<char*>(target) + at, block->data, n, cudaMemcpyHostToDevice,
                          handle_),
          "upload: cudaMemcpyAsync");
    check(cudaEventRecord(block->event, handle_), "cudaEventRecord");
    pinned_.give_back(block);
    enqueued_.fetch_add(1, std::memory_order_acq_rel);
  }
}

}  // namespace tilegrad::cuda

#endif
