// Registered with Node-API itself: the wrapping that node-addon-api gives a call takes a tenth of a small op.
#include "binding/run.h"

#include "binding/command.h"
#include "binding/env_state.h"

namespace tilegrad::binding {

napi_value run(napi_env raw_env, napi_callback_info info) {
  Napi::Env env(raw_env);
  size_t count = 1;
  napi_value own = nullptr;
  void* data = nullptr;
  napi_get_cb_info(env, info, &count, &own, nullptr, &data);
  EnvState& state = *static_cast<EnvState*>(data);
  const auto call = [&]() -> Napi::Value {
    Command command =
        count > 0 ? Command(Napi::Value(env, own)) : Command(state.command.get(), kCommandLength);
    const OpDef& op = *all_ops()[command.index("op", all_ops().size())];
    Device& device = device_at(static_cast<int>(command.index("device", 1000)));
    std::vector<const Tensor*>& inputs = state.inputs;
    inputs.resize(command.index("input count", kMaxInputs + 1));
    for (auto& input : inputs) {
      double handle = command.next();
      input = handle == 0 ? nullptr : &state.handles.at(handle);
    }
    Attrs attrs;
    command.attributes(op, &attrs);
    std::vector<Tensor>& outputs = state.outputs;
    outputs.clear();
    run_op(op, inputs.data(), static_cast<int>(inputs.size()), attrs, &device, &outputs);
    command.rewind(outputs.size() * (4 + kMaxRank));
    int64_t fresh = 0;
    for (Tensor& tensor : outputs) {
      int alias = -1;
      for (size_t i = 0; i < inputs.size() && alias < 0; ++i)
        if (inputs[i] && inputs[i]->buffer.get() == tensor.buffer.get())
          alias = static_cast<int>(i);
      if (alias < 0) fresh += static_cast<int64_t>(tensor.buffer->capacity);
      command.describe(alias, tensor.dtype, tensor.layout.shape);
    }
    command.rewind(0);  // a second pass: the table that `inputs` points into may move
    state.handles.reserve(outputs.size());
    for (Tensor& tensor : outputs) command.put_handle(state.handles.add(std::move(tensor)));
    state.account(env, fresh);
    return Napi::Number::New(env, static_cast<double>(outputs.size()));
  };
  try {
    return call();
  } catch (...) {
    state.outputs.clear();  // what it made before it failed
    throw_current(env);
    return nullptr;
  }
}

}  // namespace tilegrad::binding
