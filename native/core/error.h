// The one exception type that crosses the core; the binding turns it into a TilegradError with `code`.
#pragma once

#include <exception>
#include <sstream>
#include <string>
#include <utility>

namespace tilegrad {

enum class ErrorCode { shape, dtype, device, disposed, oom, cuda, unsupported, format, argument };

const char* error_code_name(ErrorCode code);  // "ERR_SHAPE", ...

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}
  ErrorCode code() const { return code_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorCode code_;
  std::string message_;
};

/// Joins its arguments into one string; shapes and dtypes print as a reader expects ([64, 1, 28, 28], f32).
template <class... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

template <class... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  throw Error(code, str(parts...));
}

}  // namespace tilegrad
