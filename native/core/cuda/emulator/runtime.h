// The emulated runtime's inner interface: streams are queues of closures, events are positions in them,
// graphs are recorded lists.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "core/cuda/emulator/emulator.h"
#include "core/cuda/emulator/options.h"

namespace tilegrad::emulator {

using Work = std::function<void()>;

struct Graph {
  std::vector<Work> nodes;
};

struct Capture {
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
  bool invalid = false;
};

struct Stream {
  int device = 0;
  bool blocking = false;  // waits for, and is waited for by, the null stream
  std::deque<Work> queue;
  uint64_t issued = 0, done = 0;
  std::shared_ptr<Capture> capture;
};

struct Event {
  int device = 0;
  std::shared_ptr<Stream> stream;
  uint64_t position = 0;  // the stream has passed the event once done >= position
  double seconds = 0;     // when it did
  std::shared_ptr<Capture> capture;
};

cudaError_t report(cudaError_t error);  // remembers it for cudaGetLastError
cudaError_t check_usable();             // the driver faults of the options, or success
int current_device();
std::shared_ptr<Stream> stream_of(cudaStream_t handle);  // null when there is no such stream
cudaError_t push(cudaStream_t stream, Work work);
cudaError_t synchronize(const std::shared_ptr<Stream>& stream);
void synchronize_device(int device);
bool any_capture();  // some stream is capturing: calls that a capture forbids are refused
double seconds_now();

// Memory of the emulated devices.
bool in_device_memory(const void* address, size_t bytes);
bool in_pinned_memory(const void* address, size_t bytes);
void check_redzones();

}  // namespace tilegrad::emulator
