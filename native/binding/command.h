// Reading the numbers and bytes that JavaScript hands over. Everything is checked, nothing is trusted twice.
#pragma once

#include <napi.h>

#include <cmath>
#include <iterator>

#include "core/op.h"

namespace tilegrad::binding {

/// Numbers of the environment's own command.
inline constexpr size_t kCommandLength = 1024;

/// A Float64Array used as a message in both directions. A detached one has length 0 and so fails at the first read.
class Command {
 public:
  Command(double* data, size_t length) : data_(data), length_(length) {}
  explicit Command(const Napi::Value& value) {
    bool is_typed = false;
    napi_is_typedarray(value.Env(), value, &is_typed);
    napi_typedarray_type type = napi_int8_array;
    void* data = nullptr;
    if (is_typed)
      napi_get_typedarray_info(value.Env(), value, &type, &length_, &data, nullptr, nullptr);
    if (!is_typed || type != napi_float64_array)
      fail(ErrorCode::argument, "expected a command (Float64Array)");
    data_ = static_cast<double*>(data);
    if (!data_) length_ = 0;
  }

  double next() {
    if (at_ >= length_) fail(ErrorCode::argument, "the command ends after ", length_, " numbers");
    return data_[at_++];
  }
  /// A whole number in [0, end).
  size_t index(const char* what, size_t end) {
    double value = next();
    if (!(value >= 0 && value < static_cast<double>(end)) || value != std::floor(value))
      fail(ErrorCode::argument, "command: ", what, " must be a whole number below ", end,
           " but is ", value);
    return static_cast<size_t>(value);
  }
  int64_t whole(const char* op, const char* what) {
    double value = next();
    if (!(value > -kMaxNumel && value < kMaxNumel) || value != std::floor(value))
      fail(ErrorCode::argument, op, ": ", what, " must be a whole number but is ", value);
    return static_cast<int64_t>(value);
  }
  Shape shape(const char* what) {
    Shape shape;
    size_t rank = index("rank", 1000);
    if (rank > kMaxRank) fail(ErrorCode::shape, what, ": rank ", rank, " is more than ", kMaxRank);
    for (size_t i = 0; i < rank; ++i) shape.push(whole(what, "a dimension"));
    check_shape(what, shape);
    return shape;
  }
  void attributes(const OpDef& op, Attrs* out);

  /// Goes back to the start for writing; throws if fewer than `needed` numbers fit.
  void rewind(size_t needed) {
    if (needed > length_)
      fail(ErrorCode::argument, "the command is too short for ", needed, " numbers");
    at_ = 0;
  }
  // Outputs are laid out in records of 4 + kMaxRank: handle, alias, dtype, rank, dims.
  void describe(int alias, DType dtype, const Shape& shape) {
    double* record = data_ + at_;
    record[1] = alias;
    record[2] = static_cast<double>(dtype);
    record[3] = shape.rank;
    for (int i = 0; i < shape.rank; ++i) record[4 + i] = static_cast<double>(shape[i]);
    at_ += 4 + kMaxRank;
  }
  void put_handle(double handle) {
    data_[at_] = handle;
    at_ += 4 + kMaxRank;
  }
  void write_layout(const Tensor& tensor) {
    rewind(5 + 2 * kMaxRank);
    const Layout& layout = tensor.layout;
    data_[at_++] = static_cast<double>(tensor.dtype);
    data_[at_++] = tensor.device->index();
    data_[at_++] = layout.rank();
    for (int i = 0; i < layout.rank(); ++i) data_[at_++] = static_cast<double>(layout.shape[i]);
    for (int i = 0; i < layout.rank(); ++i) data_[at_++] = static_cast<double>(layout.strides[i]);
    data_[at_++] = static_cast<double>(layout.offset);
    data_[at_++] = layout.is_contiguous() ? 1 : 0;
  }

 private:
  double* data_ = nullptr;
  size_t length_ = 0;
  size_t at_ = 0;
};

/// The bytes behind an ArrayBuffer, a SharedArrayBuffer's view, a typed array, a DataView or a Buffer.
struct Bytes {
  const void* data = nullptr;
  size_t size = 0;

  explicit Bytes(const Napi::Value& value) {
    napi_env env = value.Env();
    bool is = false;
    if (napi_is_typedarray(env, value, &is) == napi_ok && is) {
      constexpr size_t sizes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
      // Node leaves it as it is for a kind that it does not know (Float16Array in Node 20 and 22).
      auto type = static_cast<napi_typedarray_type>(std::size(sizes));
      size_t length = 0;
      void* start = nullptr;
      napi_get_typedarray_info(env, value, &type, &length, &start, nullptr, nullptr);
      if (static_cast<size_t>(type) >= std::size(sizes))
        fail(ErrorCode::argument, "expected one of the standard typed arrays");
      data = start;
      size = start ? length * sizes[type] : 0;
    } else if (napi_is_arraybuffer(env, value, &is) == napi_ok && is) {
      void* start = nullptr;
      napi_get_arraybuffer_info(env, value, &start, &size);
      data = start;
    } else {
      fail(ErrorCode::argument, "expected a typed array or an ArrayBuffer");
    }
  }
};

}  // namespace tilegrad::binding
