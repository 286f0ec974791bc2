// The binding's one hot function.
#pragma once

#include <napi.h>

namespace tilegrad::binding {

/// run(command?): [op, device, n, handles..., attributes...] -> number of outputs, described from command[0] on. Without an
/// argument the command is that of the environment, whose EnvState is the function's data.
napi_value run(napi_env env, napi_callback_info info);

}  // namespace tilegrad::binding
