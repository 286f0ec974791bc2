// The whole surface that JavaScript sees. Calls on the hot path (run, upload, release) speak through a Float64Array,
// the "command": numbers in, numbers out, no objects. Its contents are untrusted: each number is read once and checked.
#include <napi.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <utility>

#include "binding/command.h"
#include "binding/env_state.h"
#include "binding/run.h"
#include "core/cpu/isa.h"
#include "core/cpu/peak.h"
#include "core/parallel.h"
#include "core/view_bytes.h"

namespace tilegrad::binding {

namespace {

constexpr size_t kLargeRead = size_t{1} << 30;

int checked_int(const Napi::Value& value, const char* what, double least, double most) {
  if (!value.IsNumber()) fail(ErrorCode::argument, what, " must be a number");
  double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= least && number <= most) || number != std::floor(number))
    fail(ErrorCode::argument, what, " must be a whole number from ", least, " to ", most,
         " but is ", number);
  return static_cast<int>(number);
}

Device& device_argument(const Napi::Value& value) {
  return device_at(checked_int(value, "device", 0, 1000));
}

double handle_argument(const Napi::Value& value) {
  if (!value.IsNumber()) fail(ErrorCode::argument, "expected a tensor handle");
  return value.As<Napi::Number>().DoubleValue();
}

/// Blocks until the stream has done all, and throws its first error.
void wait_for(Stream& stream) {
  stream.wait_all();
  if (auto error = stream.take_error()) throw Error(*error);
}

// A bool byte other than 0 and 1 is undefined behaviour in C++: every one that is not 0 becomes 1, in `copy`. Always a copy:
// of memory that is shared with another thread a look beforehand says nothing.
const void* normalised_bools(const Bytes& bytes, std::vector<uint8_t>* copy) {
  auto* from = static_cast<const uint8_t*>(bytes.data);
  copy->resize(bytes.size);
  std::transform(from, from + bytes.size, copy->begin(),
                 [](uint8_t b) { return static_cast<uint8_t>(b != 0); });
  return copy->data();
}

// upload(command, data): command [dtype, device, rank, dims...] -> handle
Napi::Value upload(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    Command command(info[0]);
    Tensor tensor;
    tensor.dtype = static_cast<DType>(command.index("dtype", kDTypeCount));
    tensor.device = &device_at(static_cast<int>(command.index("device", 1000)));
    Shape shape = command.shape("tensor");
    tensor.layout = Layout::contiguous(shape);
    Bytes bytes(info[1]);
    size_t expected = static_cast<size_t>(shape.numel()) * dtype_size(tensor.dtype);
    if (bytes.size != expected)
      fail(ErrorCode::shape, "tensor: shape ", shape, " of ", tensor.dtype, " needs ", expected,
           " bytes but the data has ", bytes.size);
    std::vector<uint8_t> bools;
    if (tensor.dtype == DType::boolean) bytes.data = normalised_bools(bytes, &bools);
    tensor.buffer = tensor.device->upload(bytes.data, bytes.size);
    state_of(env).account(env, static_cast<int64_t>(tensor.buffer->capacity));
    return Napi::Number::New(env, state_of(env).handles.add(std::move(tensor)));
  });
}

// release(handle) -> whether it was alive. A stale handle is no error: finalizers come late.
Napi::Value release(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    EnvState& state = state_of(env);
    bool known;
    size_t freed = state.handles.release(handle_argument(info[0]), &known);
    state.account(env, -static_cast<int64_t>(freed));
    return Napi::Boolean::New(env, known);
  });
}

// releaseAll(handles, count): the first handles of a Float64Array, each as by release
Napi::Value release_all(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    EnvState& state = state_of(env);
    Command handles(info[0]);
    int64_t freed = 0;
    for (int left = checked_int(info[1], "count", 0, kMaxInputs); left > 0; --left) {
      bool known;
      freed += static_cast<int64_t>(state.handles.release(handles.next(), &known));
    }
    state.account(env, -freed);
    return env.Undefined();
  });
}

// describe(handle, command): [dtype, device, rank, dims..., strides..., offset, contiguous]
Napi::Value describe(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const Tensor& tensor = state_of(env).handles.at(handle_argument(info[0]));
    Command command(info[1]);
    command.write_layout(tensor);
    return env.Undefined();
  });
}

/// A promise that is settled when the stream has passed what was enqueued so far.
Napi::Value submit(Napi::Env env, const Download& download) {
  EnvState& state = state_of(env);
  auto job = std::make_unique<Job>(Job{nullptr, download});
  napi_value promise;
  if (napi_create_promise(env, &job->deferred, &promise) != napi_ok) throw Napi::Error::New(env);
  download.stream->host_callback(
      [mailbox = state.mailbox, job = job.get()] { mailbox->deliver(job); });
  job.release();
  state.mailbox->open();
  return Napi::Value(env, promise);
}

bool widen_argument(const Napi::Value& value) {
  return value.IsBoolean() && value.As<Napi::Boolean>().Value();
}

// read(handle, widen) -> Promise<ArrayBuffer> of the elements in row-major order; widen: f16 and bf16 as f32
Napi::Value read(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const Tensor& tensor = state_of(env).handles.at(handle_argument(info[0]));
    return submit(env, start_download(tensor, widen_argument(info[1])));
  });
}

// readSync(handle, widen) -> ArrayBuffer; blocks
Napi::Value read_sync(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const Tensor& tensor = state_of(env).handles.at(handle_argument(info[0]));
    size_t bytes = static_cast<size_t>(tensor.layout.numel()) * dtype_size(tensor.dtype);
    // Garbage collection frees a buffer of V8's own in a synchronous loop, but no external one. Yet V8 ends the process
    // where it has no memory, so for a large one malloc is asked.
    const bool half = tensor.dtype == DType::f16 || tensor.dtype == DType::bf16;
    if (bytes >= kLargeRead || (half && widen_argument(info[1]))) {
      Download download = start_download(tensor, widen_argument(info[1]));
      wait_for(*download.stream);
      return to_array_buffer(env, download, kLargeRead);
    }
    auto buffer = Napi::ArrayBuffer::New(env, bytes);
    Tensor source = contiguous(tensor);
    const char* from = bytes_of(view_of(source));
    // V8 keeps the memory: nothing leaves this function before the copy is done.
    if (bytes) source.device->download(from, {std::shared_ptr<void>(), buffer.Data()}, bytes);
    wait_for(source.device->stream());
    return buffer;
  });
}

// sync(device) -> Promise that resolves when all work enqueued so far is done
Napi::Value sync(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    Download nothing;
    nothing.stream = &device_argument(info[0]).stream();
    return submit(env, nothing);
  });
}

Napi::Value sync_blocking(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    wait_for(device_argument(info[0]).stream());
    return env.Undefined();
  });
}

// transfer(handle, device) -> handle of a contiguous copy on the other device; waits for the source's stream
Napi::Value transfer(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    EnvState& state = state_of(env);
    Device& target = device_argument(info[1]);
    const Tensor& source = state.handles.at(handle_argument(info[0]));
    Tensor copy;
    copy.device = &target;
    copy.dtype = source.dtype;
    copy.layout = Layout::contiguous(source.layout.shape);
    Download download = start_download(source, false);
    wait_for(*download.stream);
    copy.buffer = target.upload(download.data.get(), download.bytes);
    state.account(env, static_cast<int64_t>(copy.buffer->capacity));
    return Napi::Number::New(env, state.handles.add(std::move(copy)));
  });
}

Napi::Value memory(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    Device& device = device_argument(info[0]);
    MemoryStats stats = device.allocator().stats();
    auto out = Napi::Object::New(env);
    out.Set("liveBytes", static_cast<double>(stats.live_bytes));
    out.Set("cachedBytes", static_cast<double>(stats.cached_bytes));
    out.Set("packedBytes", static_cast<double>(stats.packed_bytes));
    out.Set("peakBytes", static_cast<double>(stats.peak_bytes));
    out.Set("limitBytes", static_cast<double>(stats.limit_bytes));
    out.Set("liveBuffers", static_cast<double>(stats.live_buffers));
    out.Set("liveTensors", static_cast<double>(state_of(env).handles.live()));
    return out;
  });
}

// memoryControl(device, action, bytes): 'limit' | 'trim' | 'resetPeak'
Napi::Value memory_control(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    Allocator& allocator = device_argument(info[0]).allocator();
    std::string action = info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : "";
    if (action == "trim") {
      allocator.trim();
    } else if (action == "resetPeak") {
      allocator.reset_peak();
    } else if (action == "limit") {
      double bytes = info[2].IsNumber() ? info[2].As<Napi::Number>().DoubleValue() : -1;
      if (!(bytes > 0 && bytes < kMaxNumel))
        fail(ErrorCode::argument, "the memory limit must be a positive number of bytes");
      allocator.set_limit(static_cast<size_t>(bytes));
    } else {
      fail(ErrorCode::argument, "memoryControl: unknown action '", action, "'");
    }
    return env.Undefined();
  });
}

Napi::Value devices(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto list = list_devices();
    auto out = Napi::Array::New(env, list.size());
    for (size_t i = 0; i < list.size(); ++i) {
      auto entry = Napi::Object::New(env);
      entry.Set("name", list[i].name);
      entry.Set("available", list[i].available);
      entry.Set("description", list[i].description);
      entry.Set("reason", list[i].reason);
      entry.Set("memoryBytes", static_cast<double>(list[i].memory_bytes));
      out.Set(static_cast<uint32_t>(i), entry);
    }
    return out;
  });
}

// threads(n?) -> number of threads that kernels use, after setting it if n is given
Napi::Value threads(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    if (info.Length() > 0 && !info[0].IsUndefined())
      set_num_threads(checked_int(info[0], "threads", 1, 1024));
    return Napi::Number::New(env, num_threads());
  });
}

// measurePeak(memory) -> { flops, bytes, isa }: per second of the CPU; blocks for a moment
Napi::Value peak(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const bool memory = info[0].IsBoolean() && info[0].As<Napi::Boolean>().Value();
    const Peak measured = measure_peak(memory);
    auto out = Napi::Object::New(env);
    out.Set("flops", measured.flops);
    out.Set("bytes", measured.bytes);
    out.Set("isa", isa_name());
    return out;
  });
}

const char* attr_type_name(AttrType type) {
  constexpr const char* names[] = {"",       "integer", "number",  "boolean",
                                   "choice", "dtype",   "integers"};
  return names[static_cast<int>(type)];
}

// ops() -> [{ name, minInputs, maxInputs, inPlace, cpu, cuda, attrs: [{ name, type, choices }] }] in the order of op ids
Napi::Value ops(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto out = Napi::Array::New(env, all_ops().size());
    for (size_t i = 0; i < all_ops().size(); ++i) {
      const OpDef& op = *all_ops()[i];
      auto entry = Napi::Object::New(env);
      entry.Set("name", op.name);
      entry.Set("minInputs", op.inputs.min);
      entry.Set("maxInputs", op.inputs.max);
      entry.Set("inPlace", op.in_place);
      entry.Set("cpu", op.cpu != nullptr);
      entry.Set("cuda", op.cuda != nullptr);
      auto attrs = Napi::Array::New(env);
      for (uint32_t a = 0; a < kMaxAttrs && op.attrs[a].name; ++a) {
        auto attr = Napi::Object::New(env);
        attr.Set("name", op.attrs[a].name);
        attr.Set("type", attr_type_name(op.attrs[a].type));
        attr.Set("choices", op.attrs[a].choices);
        attrs.Set(a, attr);
      }
      entry.Set("attrs", attrs);
      out.Set(static_cast<uint32_t>(i), entry);
    }
    return out;
  });
}

Napi::Value set_error_class(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    if (!info[0].IsFunction()) fail(ErrorCode::argument, "setErrorClass expects a class");
    state_of(env).error_class = Napi::Persistent(info[0].As<Napi::Function>());
    return env.Undefined();
  });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto* state = new EnvState(env);
  env.SetInstanceData(state);
  auto add = [&](const char* name, Napi::Value (*fn)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, fn, name));
  };
  napi_value run_function;
  if (napi_create_function(env, "run", NAPI_AUTO_LENGTH, run, state, &run_function) == napi_ok)
    exports.Set("run", Napi::Value(env, run_function));
  exports.Set("command", state->command_array(env));
  add("upload", upload);
  add("release", release);
  add("releaseAll", release_all);
  add("describe", describe);
  add("read", read);
  add("readSync", read_sync);
  add("sync", sync);
  add("syncBlocking", sync_blocking);
  add("transfer", transfer);
  add("memory", memory);
  add("memoryControl", memory_control);
  add("devices", devices);
  add("threads", threads);
  add("measurePeak", peak);
  add("ops", ops);
  add("setErrorClass", set_error_class);
  auto dtypes = Napi::Array::New(env, kDTypeCount);
  for (uint32_t i = 0; i < kDTypeCount; ++i) dtypes.Set(i, dtype_name(static_cast<DType>(i)));
  exports.Set("dtypes", dtypes);
  return exports;
}

}  // namespace

}  // namespace tilegrad::binding

Napi::Object InitAddon(Napi::Env env, Napi::Object exports) {
  try {
    return tilegrad::binding::init(env, exports);
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Napi::Error::New(env, error.what());
  }
}
NODE_API_MODULE(tilegrad, InitAddon)
