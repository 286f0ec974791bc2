// Streams and events. Two locks: queue_lock guards the queues and is held briefly; execution_lock is
// held while work runs, so that one OS thread at a time runs kernels and others can still enqueue.
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "core/cuda/emulator/runtime.h"

namespace tilegrad::emulator {
namespace {

struct Runtime {
  std::mutex queue_lock, execution_lock;
  std::condition_variable arrived;
  bool thread_started = false;
  std::map<Stream*, std::shared_ptr<Stream>> streams;
  std::shared_ptr<Stream> null_streams[8];
  std::map<Event*, std::shared_ptr<Event>> events;
  uint64_t random = options().seed * 0x9E3779B97F4A7C15ull + 1;
  int captures = 0;
};
Runtime& runtime() {
  static Runtime& value = *new Runtime();
  return value;
}
thread_local bool inside_host_function = false;
using Lock = std::unique_lock<std::mutex>;

bool coin() {
  Runtime& r = runtime();
  r.random = r.random * 6364136223846793005ull + 1442695040888963407ull;
  return r.random >> 63;
}

// Runs the stream's work up to the position. The caller holds execution_lock.
void drain_held(Stream& stream, uint64_t position) {
  for (;;) {
    Work work;
    {
      Lock lock(runtime().queue_lock);
      if (stream.done >= position || stream.queue.empty()) return;
      work = std::move(stream.queue.front());
      stream.queue.pop_front();
    }
    work();
    Lock lock(runtime().queue_lock);
    stream.done++;
  }
}

void drain(Stream& stream, uint64_t position) {
  Lock lock(runtime().execution_lock);
  drain_held(stream, position);
}

std::shared_ptr<Stream> busiest() {
  for (auto& [key, stream] : runtime().streams) {
    if (!stream->queue.empty()) return stream;
  }
  for (auto& stream : runtime().null_streams) {
    if (stream && !stream->queue.empty()) return stream;
  }
  return nullptr;
}

// Lazy and random streams run here too, but only after a pause: a completion that nobody waits for in
// a call (a host function, say) must come about in the end.
void device_thread() {
  const bool prompt = options().streams == StreamMode::background;
  for (;;) {
    std::shared_ptr<Stream> stream;
    {
      Lock lock(runtime().queue_lock);
      while (!(stream = busiest())) {
        runtime().arrived.wait_until(lock,
                                     std::chrono::steady_clock::now() + std::chrono::hours(1));
      }
    }
    if (!prompt) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    Lock lock(runtime().execution_lock);
    drain_held(*stream, stream->done + 1);
  }
}

void start_thread() {
  if (std::exchange(runtime().thread_started, true)) return;
  std::thread(device_thread).detach();
}

}  // namespace

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::shared_ptr<Stream> stream_of(cudaStream_t handle) {
  Lock lock(runtime().queue_lock);
  if (handle == nullptr || handle == cudaStreamLegacy) {
    auto& stream = runtime().null_streams[current_device()];
    if (!stream) {
      stream = std::make_shared<Stream>();
      stream->device = current_device();
    }
    return stream;
  }
  auto found = runtime().streams.find(reinterpret_cast<Stream*>(handle));
  return found == runtime().streams.end() ? nullptr : found->second;
}

bool any_capture() {
  Lock lock(runtime().queue_lock);
  return runtime().captures > 0;
}

cudaError_t push(cudaStream_t handle, Work work) {
  if (cudaError_t error = check_usable()) return report(error);
  if (inside_host_function) fail("a CUDA function was called inside a host function of a stream");
  auto stream = stream_of(handle);
  if (!stream) return report(cudaErrorInvalidResourceHandle);
  uint64_t upto = 0;
  {
    Lock lock(runtime().queue_lock);
    if (stream->capture) {
      stream->capture->graph->nodes.push_back(std::move(work));
      return cudaSuccess;
    }
    stream->queue.push_back(std::move(work));
    upto = ++stream->issued;
    const StreamMode mode = options().streams;
    const bool now = mode == StreamMode::eager || (mode == StreamMode::random && coin());
    if (!now) {
      start_thread();
      runtime().arrived.notify_one();
      return cudaSuccess;
    }
  }
  drain(*stream, upto);
  return cudaSuccess;
}

cudaError_t synchronize(const std::shared_ptr<Stream>& stream) {
  if (!stream) return report(cudaErrorInvalidResourceHandle);
  if (inside_host_function) fail("a CUDA function was called inside a host function of a stream");
  if (stream->capture) {
    stream->capture->invalid = true;
    return report(cudaErrorStreamCaptureUnsupported);
  }
  drain(*stream, stream->issued);
  return check_usable();
}

void synchronize_device(int device) {
  std::vector<std::shared_ptr<Stream>> all;
  {
    Lock lock(runtime().queue_lock);
    for (auto& [key, stream] : runtime().streams) all.push_back(stream);
    for (auto& stream : runtime().null_streams) {
      if (stream) all.push_back(stream);
    }
  }
  for (auto& stream : all) {
    if (stream->device == device && !stream->capture) drain(*stream, stream->issued);
  }
}

static cudaError_t wait_event(const std::shared_ptr<Stream>& stream,
                              const std::shared_ptr<Event>& event) {
  if (event->capture) {  // the waiting stream joins the capture; issue order is a valid order
    Lock lock(runtime().queue_lock);
    stream->capture = event->capture;
    return cudaSuccess;
  }
  auto source = event->stream;
  const uint64_t position = event->position;
  return push(reinterpret_cast<cudaStream_t>(stream.get()), [source, position] {
    if (source) drain_held(*source, position);
  });
}

static std::shared_ptr<Event> event_of(cudaEvent_t handle) {
  Lock lock(runtime().queue_lock);
  auto found = runtime().events.find(reinterpret_cast<Event*>(handle));
  return found == runtime().events.end() ? nullptr : found->second;
}

static bool passed(const Event& event) {
  Lock lock(runtime().queue_lock);
  return !event.stream || event.stream->done >= event.position;
}

}  // namespace tilegrad::emulator

using namespace tilegrad::emulator;

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* out, unsigned flags) {
  if (cudaError_t error = check_usable()) return report(error);
  auto stream = std::make_shared<Stream>();
  stream->device = current_device();
  stream->blocking = flags != cudaStreamNonBlocking;
  *out = reinterpret_cast<cudaStream_t>(stream.get());
  Lock lock(runtime().queue_lock);
  runtime().streams[stream.get()] = stream;
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t* out) {
  return cudaStreamCreateWithFlags(out, cudaStreamDefault);
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* out, unsigned flags, int) {
  return cudaStreamCreateWithFlags(out, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  auto stream = handle ? stream_of(handle) : nullptr;
  if (!stream) return report(cudaErrorInvalidResourceHandle);
  drain(*stream, stream->issued);
  Lock lock(runtime().queue_lock);
  runtime().streams.erase(stream.get());
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  if (cudaError_t error = check_usable()) return report(error);
  return synchronize(stream_of(handle));
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  auto stream = stream_of(handle);
  if (!stream) return report(cudaErrorInvalidResourceHandle);
  if (options().streams != StreamMode::background) drain(*stream, stream->done + 1);
  Lock lock(runtime().queue_lock);
  return stream->done == stream->issued ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event_handle, unsigned) {
  auto stream = stream_of(handle);
  auto event = event_of(event_handle);
  if (!stream || !event) return report(cudaErrorInvalidResourceHandle);
  return wait_event(stream, event);
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
  return push(handle, [function, data] {
    inside_host_function = true;
    function(data);
    inside_host_function = false;
  });
}

cudaError_t cudaStreamAddCallback(cudaStream_t handle, cudaStreamCallback_t callback, void* data,
                                  unsigned) {
  return push(handle, [handle, callback, data] { callback(handle, cudaSuccess, data); });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* out, unsigned) {
  if (cudaError_t error = check_usable()) return report(error);
  auto event = std::make_shared<Event>();
  event->device = current_device();
  *out = reinterpret_cast<cudaEvent_t>(event.get());
  Lock lock(runtime().queue_lock);
  runtime().events[event.get()] = event;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* out) {
  return cudaEventCreateWithFlags(out, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t handle) {
  Lock lock(runtime().queue_lock);
  return runtime().events.erase(reinterpret_cast<Event*>(handle))
             ? cudaSuccess
             : report(cudaErrorInvalidResourceHandle);
}

cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream_handle) {
  auto event = event_of(handle);
  auto stream = stream_of(stream_handle);
  if (!event || !stream) return report(cudaErrorInvalidResourceHandle);
  event->capture = stream->capture;
  if (stream->capture) return cudaSuccess;
  event->stream = stream;
  event->position = stream->issued + 1;
  return push(stream_handle, [event] { event->seconds = seconds_now(); });
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
  auto event = event_of(handle);
  if (!event) return report(cudaErrorInvalidResourceHandle);
  if (passed(*event)) return check_usable();
  if (options().streams != StreamMode::background) drain(*event->stream, event->stream->done + 1);
  return cudaErrorNotReady;
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  auto event = event_of(handle);
  if (!event) return report(cudaErrorInvalidResourceHandle);
  if (event->stream) drain(*event->stream, event->position);
  return check_usable();
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t stop) {
  auto from = event_of(start), to = event_of(stop);
  if (!from || !to || !from->stream || !to->stream) return report(cudaErrorInvalidResourceHandle);
  if (!passed(*from) || !passed(*to)) return cudaErrorNotReady;
  *milliseconds = static_cast<float>((to->seconds - from->seconds) * 1e3);
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode) {
  auto stream = handle ? stream_of(handle) : nullptr;  // the null stream cannot be captured
  if (!stream) return report(cudaErrorStreamCaptureUnsupported);
  Lock lock(runtime().queue_lock);
  if (stream->capture) return report(cudaErrorIllegalState);
  stream->capture = std::make_shared<Capture>();
  runtime().captures++;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* out) {
  *out = nullptr;
  auto stream = stream_of(handle);
  if (!stream || !stream->capture) return report(cudaErrorIllegalState);
  Lock lock(runtime().queue_lock);
  auto capture = stream->capture;
  for (auto& [key, other] : runtime().streams) {
    if (other->capture == capture) other->capture = nullptr;
  }
  runtime().captures--;
  if (capture->invalid) return report(cudaErrorStreamCaptureInvalidated);
  *out = reinterpret_cast<cudaGraph_t>(new std::shared_ptr<Graph>(capture->graph));
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  auto stream = stream_of(handle);
  if (!stream) return report(cudaErrorInvalidResourceHandle);
  *status = !stream->capture           ? cudaStreamCaptureStatusNone
            : stream->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                       : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

}  // extern "C"
