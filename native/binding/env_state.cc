#include "binding/env_state.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "binding/command.h"
#include "core/cpu/half.h"
#include "core/view_bytes.h"

namespace tilegrad::binding {

namespace {
constexpr uint32_t kIndexBits = 24;
constexpr double kIndexSpan = 1 << kIndexBits;
constexpr int64_t kAccountStep = 1 << 20;
// What V8 is told of a tensor besides its bytes. Only a full collection finds dropped tensors, and V8 starts one by its
// own account of memory, to which thousands of small tensors would else be nothing.
constexpr int64_t kTensorWeight = 2048;
// Below, a copy costs less than an external buffer, whose finalizer has to wait for a macrotask.
constexpr size_t kLeastExternal = 4096;
}  // namespace

// One more free slot. The list of the free ones has places for all, so that to give one back takes no memory.
void HandleTable::grow() {
  if (slots_.size() >= static_cast<size_t>(kIndexSpan))
    fail(ErrorCode::oom, "more than ", slots_.size(), " live tensors");
  if (free_.capacity() <= slots_.size()) free_.reserve(2 * slots_.size() + 64);
  slots_.emplace_back();
  free_.push_back(static_cast<uint32_t>(slots_.size() - 1));
}

void HandleTable::reserve(size_t count) {
  while (free_.size() < count) grow();
}

double HandleTable::add(Tensor&& tensor) {
  if (free_.empty()) grow();
  const uint32_t index = free_.back();
  free_.pop_back();
  Slot& slot = slots_[index];
  slot.tensor = std::move(tensor);
  slot.used = true;
  live_ += 1;
  return slot.generation * kIndexSpan + index;
}

HandleTable::Slot* HandleTable::find(double handle) {
  // Written so that NaN fails every comparison.
  if (!(handle >= kIndexSpan && handle < kMaxNumel) || handle != std::floor(handle))
    fail(ErrorCode::argument, "expected a tensor handle but got ", handle);
  auto bits = static_cast<uint64_t>(handle);
  uint64_t index = bits & ((1u << kIndexBits) - 1);
  if (index >= slots_.size())
    fail(ErrorCode::argument, "expected a tensor handle but got ", handle);
  Slot& slot = slots_[index];
  return slot.used && slot.generation == bits >> kIndexBits ? &slot : nullptr;
}

Tensor& HandleTable::at(double handle) {
  Slot* slot = find(handle);
  if (!slot) fail(ErrorCode::disposed, "the tensor was disposed");
  return slot->tensor;
}

size_t HandleTable::release(double handle, bool* known) {
  Slot* slot = find(handle);
  *known = slot != nullptr;
  if (!slot) return 0;
  size_t bytes = slot->tensor.buffer ? slot->tensor.buffer->capacity : 0;
  bool last = slot->tensor.buffer.reset();
  slot->used = false;
  slot->generation = slot->generation == (1u << 28) ? 1 : slot->generation + 1;
  free_.push_back(static_cast<uint32_t>(slot - slots_.data()));
  live_ -= 1;
  return last ? bytes : 0;
}

std::string HandleTable::describe_largest(int count) const {
  std::vector<const Tensor*> live;
  for (const Slot& slot : slots_)
    if (slot.used && slot.tensor.buffer) live.push_back(&slot.tensor);
  // Of a block's views the one that shows most of it names it.
  std::sort(live.begin(), live.end(), [](const Tensor* a, const Tensor* b) {
    auto [x, y] = std::pair(a->buffer->capacity, b->buffer->capacity);
    return x != y ? x > y : a->layout.numel() > b->layout.numel();
  });
  std::string text;
  std::vector<const Buffer*> named;  // views of one block hold it together
  for (const Tensor* tensor : live) {
    const Buffer* buffer = tensor->buffer.get();
    if (named.size() == static_cast<size_t>(count)) break;
    if (std::find(named.begin(), named.end(), buffer) != named.end()) continue;
    text += str(named.empty() ? "The largest holders are " : ", ", tensor->dtype, " ",
                tensor->layout.shape, " (", buffer->bytes, " bytes)");
    named.push_back(buffer);
  }
  if (named.empty()) return "";
  return text + ". ";
}

namespace {

std::shared_ptr<void> host_block(size_t bytes) {
  void* data = std::malloc(std::max<size_t>(bytes, 1));
  if (!data) fail(ErrorCode::oom, "no host memory for ", bytes, " bytes");
  return {data, std::free};
}

/// Adds the step that makes f32 of the bits that arrive in `bits`; runs on the stream's side.
Download widened(const Download& bits, DType dtype) {
  Download wide{host_block(bits.bytes * 2), bits.bytes * 2, bits.stream};
  const auto n = static_cast<int64_t>(bits.bytes / 2);
  wide.stream->host_callback([source = bits.data, dtype, target = wide.data, n] {
    tilegrad::widen(dtype, source.get(), static_cast<float*>(target.get()), n);
  });
  return wide;
}

/// An ArrayBuffer over memory that it shares; null where there can be none: some embedders (Electron) allow none, and
/// Node before version 22 none over 4 GiB.
napi_value external_array_buffer(napi_env env, std::shared_ptr<void> memory, size_t bytes) {
  const auto let_go = [](napi_env, void*, void* held) {
    delete static_cast<std::shared_ptr<void>*>(held);
  };
  void* data = memory.get();
  auto* held = new std::shared_ptr<void>(std::move(memory));
  napi_value buffer;
  const napi_status status =
      napi_create_external_arraybuffer(env, data, bytes, let_go, held, &buffer);
  if (status == napi_ok) return buffer;
  // Of all failures this one comes when Node has taken the memory, and it lets go of it.
  if (status != napi_generic_failure) delete held;
  bool pending = false;
  napi_value error;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending)
    napi_get_and_clear_last_exception(env, &error);
  return nullptr;
}

}  // namespace

Download start_download(const Tensor& source, bool widen) {
  Tensor tensor = contiguous(source);
  size_t size = dtype_size(tensor.dtype);
  const size_t bytes = static_cast<size_t>(tensor.layout.numel()) * size;
  Download download{host_block(bytes), bytes, &tensor.device->stream()};
  const char* from = bytes_of(view_of(tensor));
  if (bytes) tensor.device->download(from, download.data, bytes);
  bool half = tensor.dtype == DType::f16 || tensor.dtype == DType::bf16;
  return widen && half ? widened(download, tensor.dtype) : download;
}

Napi::Value to_array_buffer(Napi::Env env, const Download& download, size_t least_external) {
  if (!download.data) return env.Undefined();
  napi_value buffer;
  if (download.bytes >= least_external) {
    buffer = external_array_buffer(env, download.data, download.bytes);
    if (buffer) return Napi::Value(env, buffer);
    host_block(
        download.bytes);  // throws where V8, which has no memory for a copy, would end the process
  }
  void* target;
  if (napi_create_arraybuffer(env, download.bytes, &target, &buffer) != napi_ok)
    fail(ErrorCode::oom, "no memory for an ArrayBuffer of ", download.bytes, " bytes");
  if (download.bytes) std::memcpy(target, download.data.get(), download.bytes);
  return Napi::Value(env, buffer);
}

Mailbox::Mailbox(Napi::Env env) : env_(env) {
  napi_value name;
  napi_create_string_utf8(env, "tilegrad", NAPI_AUTO_LENGTH, &name);
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this,
                                      on_job, &function_) != napi_ok)
    fail(ErrorCode::unsupported, "the environment cannot create a thread-safe function");
  napi_unref_threadsafe_function(env, function_);
}

void Mailbox::open() {
  if (in_flight_++ == 0) napi_ref_threadsafe_function(env_, function_);
}

void Mailbox::deliver(Job* job) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!function_ ||
      napi_call_threadsafe_function(function_, job, napi_tsfn_nonblocking) != napi_ok) {
    delete job;  // the environment is gone, and the promise with it
  }
}

void Mailbox::close() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (function_) napi_release_threadsafe_function(function_, napi_tsfn_abort);
  function_ = nullptr;
}

namespace {

/// The value of the job, or null and the reason for which there is none.
napi_value value_of(Napi::Env env, const Download& download, napi_value* reason) {
  try {
    auto error = download.stream->take_error();
    if (!error) return to_array_buffer(env, download, kLeastExternal);
    *reason = make_error(env, *error);
    // The user's error class may throw, which is the reason then.
    if (!*reason) napi_get_and_clear_last_exception(env, reason);
    return nullptr;
  } catch (...) {
    throw_current(env);
  }
  napi_get_and_clear_last_exception(env, reason);
  return nullptr;
}

}  // namespace

void Mailbox::on_job(napi_env raw_env, napi_value, void* context, void* data) {
  std::unique_ptr<Job> job(static_cast<Job*>(data));
  if (!raw_env) return;  // teardown
  auto* self = static_cast<Mailbox*>(context);
  Napi::Env env(raw_env);
  if (--self->in_flight_ == 0) napi_unref_threadsafe_function(env, self->function_);
  // Only a worker that is being terminated refuses to settle a promise, and nobody awaits there any more.
  napi_value reason = nullptr;
  if (napi_value value = value_of(env, job->download, &reason))
    napi_resolve_deferred(env, job->deferred, value);
  else if (reason)
    napi_reject_deferred(env, job->deferred, reason);
}

EnvState::EnvState(Napi::Env env)
    : mailbox(std::make_shared<Mailbox>(env)), command(new double[kCommandLength]()) {
  // The hook runs before the environment's handles go away, on its own thread.
  napi_add_env_cleanup_hook(
      env, [](void* self) { static_cast<EnvState*>(self)->mailbox->close(); }, this);
}

EnvState::~EnvState() { mailbox->close(); }

Napi::Value EnvState::command_array(Napi::Env env) {
  const std::shared_ptr<void> memory(command, command.get());
  napi_value array;
  napi_value buffer = external_array_buffer(env, memory, kCommandLength * sizeof(double));
  if (!buffer ||
      napi_create_typedarray(env, napi_float64_array, kCommandLength, buffer, 0, &array) != napi_ok)
    return env.Undefined();
  return Napi::Value(env, array);
}

void EnvState::account(napi_env env, int64_t delta) {
  unreported_ += delta + (handles.live() - reported_handles_) * kTensorWeight;
  reported_handles_ = handles.live();
  if (unreported_ < kAccountStep && unreported_ > -kAccountStep) return;
  int64_t total;
  napi_adjust_external_memory(env, unreported_, &total);
  unreported_ = 0;
}

napi_value make_error(napi_env env, const Error& error) {
  EnvState& state = state_of(env);
  napi_value texts[2], made;
  if (napi_create_string_utf8(env, error_code_name(error.code()), NAPI_AUTO_LENGTH, &texts[0]) !=
          napi_ok ||
      napi_create_string_utf8(env, error.what(), NAPI_AUTO_LENGTH, &texts[1]) != napi_ok)
    return nullptr;
  const napi_status status =
      state.error_class.IsEmpty()
          ? napi_create_error(env, texts[0], texts[1], &made)
          : napi_new_instance(env, state.error_class.Value(), 2, texts, &made);
  return status == napi_ok ? made : nullptr;
}

namespace {

void throw_error(napi_env env, const Error& error) {
  if (napi_value made = make_error(env, error)) napi_throw(env, made);
}

void throw_out_of_memory(Napi::Env env, const Error& error) {
  throw_error(env, Error(ErrorCode::oom,
                         str(error.what(), ". ", state_of(env).handles.describe_largest(5),
                             "Free tensors that are no longer needed: wrap synchronous work in "
                             "tidy(() => ...), or call dispose()")));
}

// Throws where there is no memory for the texts.
void raise_current(Napi::Env env) {
  try {
    throw;
  } catch (const Error& error) {
    error.code() == ErrorCode::oom ? throw_out_of_memory(env, error) : throw_error(env, error);
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  } catch (const std::bad_alloc&) {
    throw_error(env, Error(ErrorCode::oom, "out of memory in the native code"));
  } catch (const std::exception& error) {
    throw_error(env, Error(ErrorCode::argument, error.what()));
  }
}

}  // namespace

void throw_current(Napi::Env env) noexcept {
  try {
    raise_current(env);
  } catch (const std::bad_alloc&) {
    throw_error(env, Error(ErrorCode::oom, "out of memory"));  // so short that it takes none
  } catch (const Napi::Error&) {
    // Only a script that is being ended takes no exception, and nobody waits there any more.
  }
}

}  // namespace tilegrad::binding
