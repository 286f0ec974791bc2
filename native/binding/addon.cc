#include <napi.h>

namespace tilegrad {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("version", Napi::String::New(env, "0.1.0"));
  return exports;
}

NODE_API_MODULE(tilegrad, init)

}  // namespace tilegrad
