// What the core calls a tensor: a counted buffer, a layout over it and a dtype. Views share the buffer.
#pragma once

#include "core/buffer.h"
#include "core/dtype.h"
#include "core/layout.h"

namespace tilegrad {

class Device;

struct Tensor {
  BufferRef buffer;
  Layout layout;
  DType dtype = DType::f32;
  Device* device = nullptr;
};

/// What a kernel sees of a tensor. `data` is the start of the buffer; layout.offset is not yet added.
struct View {
  void* data = nullptr;
  Layout layout;
  DType dtype = DType::f32;

  template <class T>
  T* as() const {
    return static_cast<T*>(data) + layout.offset;
  }
  const Shape& shape() const { return layout.shape; }
  int64_t numel() const { return layout.numel(); }
  explicit operator bool() const { return data != nullptr; }
};

inline View view_of(const Tensor& tensor) {
  return {tensor.buffer ? tensor.buffer->data : nullptr, tensor.layout, tensor.dtype};
}

}  // namespace tilegrad
