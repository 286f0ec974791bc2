// What one JavaScript environment (the main thread or a worker) owns: its tensor handles, its way back from the
// streams, and the class of its errors. Devices, streams and pools belong to the process.
#pragma once

#include <napi.h>

#include <memory>
#include <mutex>
#include <vector>

#include "core/op.h"

namespace tilegrad::binding {

/// Tensors by number. A handle is generation * 2^24 + index, so that a stale one is recognised.
class HandleTable {
 public:
  double add(Tensor&& tensor);
  /// Makes room for `count` more: add() throws for none of them. Throws ERR_OOM; may move what at() gave.
  void reserve(size_t count);
  /// Throws ERR_DISPOSED for a handle that was released and ERR_ARGUMENT for a number that never was one.
  Tensor& at(double handle);
  /// Returns the bytes of the block that became free (0 if others share it); false in `known` for a stale handle.
  size_t release(double handle, bool* known);
  /// The largest live tensors, for the text of ERR_OOM.
  std::string describe_largest(int count) const;
  int64_t live() const { return live_; }

 private:
  struct Slot {
    Tensor tensor;
    uint32_t generation = 1;
    bool used = false;
  };
  Slot* find(double handle);
  void grow();
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  int64_t live_ = 0;
};

/// A tensor's elements on their way to host memory; `data` is complete when the stream has passed it.
struct Download {
  std::shared_ptr<void> data;  // from malloc; null for a plain sync
  size_t bytes = 0;
  Stream* stream = nullptr;
};

/// Enqueues the copy of the elements in row-major order; with `widen` f16 and bf16 arrive as f32.
Download start_download(const Tensor& source, bool widen);
/// The arrived elements, copied if they are fewer bytes than `least_external`; undefined for a plain sync.
Napi::Value to_array_buffer(Napi::Env env, const Download& download, size_t least_external);

/// A job that was handed to a stream and reports back to the JavaScript thread.
struct Job {
  napi_deferred deferred;
  Download download;
};

/// The way from a stream's thread to this environment; outlives the environment, then swallows what arrives.
class Mailbox {
 public:
  explicit Mailbox(Napi::Env env);
  void open();             // JavaScript thread: one more job in flight keeps the event loop alive
  void deliver(Job* job);  // any thread
  void close();            // environment teardown

 private:
  static void on_job(napi_env env, napi_value, void* context, void* data);
  std::mutex mutex_;
  napi_threadsafe_function function_ = nullptr;
  napi_env env_;
  int in_flight_ = 0;  // touched on the JavaScript thread only
};

struct EnvState {
  explicit EnvState(Napi::Env env);
  ~EnvState();

  HandleTable handles;
  std::shared_ptr<Mailbox> mailbox;
  Napi::FunctionReference error_class;
  // The command of nearly all calls: to ask V8 each time for the numbers of a Float64Array takes a tenth of a small op. This
  // memory lives as long as the environment or the array over it, whatever happens to either.
  std::shared_ptr<double[]> command;
  // Of the call that runs now: kept, so that calls take no memory for them.
  std::vector<const Tensor*> inputs;
  std::vector<Tensor> outputs;

  /// The Float64Array over `command`; undefined in an embedder that allows no external buffers.
  Napi::Value command_array(Napi::Env env);

  /// Tells V8 of native memory and of the number of tensors in steps of at least 1 MiB; JavaScript thread only.
  void account(napi_env env, int64_t delta);

 private:
  int64_t unreported_ = 0;
  int64_t reported_handles_ = 0;
};

inline EnvState& state_of(Napi::Env env) { return *env.GetInstanceData<EnvState>(); }

/// A TilegradError; null where none can be made: the user's class has thrown, which is pending then, or the script is being
/// ended. Written with Node-API itself: node-addon-api ends the process where a script that runs out of its time
/// (`timeout` of node:vm, Ctrl-C in the REPL) is stopped inside the class.
napi_value make_error(napi_env env, const Error& error);
/// Raises the C++ exception that is being handled as a pending JavaScript one.
void throw_current(Napi::Env env) noexcept;

/// Runs `body`; every C++ exception becomes a JavaScript one.
template <class F>
Napi::Value guarded(Napi::Env env, F&& body) {
  try {
    return body();
  } catch (...) {
    throw_current(env);
    return {};
  }
}

}  // namespace tilegrad::binding
