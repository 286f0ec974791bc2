#include "ops/elementwise/short_rows.h"

#include <cstring>

#include "core/cpu/copy.h"

namespace tilegrad {

namespace {

// One element for a whole row.
template <class T>
void fill_row(char* to, const char* from, int64_t bytes) {
  constexpr int kCount = 16 / static_cast<int>(sizeof(T));
  T value, values[kCount];
  std::memcpy(&value, from, sizeof value);
  for (int i = 0; i < kCount; ++i) values[i] = value;
  const char* word = reinterpret_cast<const char*>(values);
  for (; bytes >= 16; bytes -= 16, to += 16) std::memcpy(to, word, 16);
  copy_bytes(to, word, bytes);
}

template <class T>
void copy_strided_row(char* to, const char* from, int64_t stride, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    std::memcpy(to + i * static_cast<int64_t>(sizeof(T)),
                from + i * stride * static_cast<int64_t>(sizeof(T)), sizeof(T));
}

}  // namespace

ShortRows::ShortRows(const View& x, const Layout& layout, int64_t first, int64_t rows)
    : data_(static_cast<const char*>(x.data)),
      layout_(layout),
      walk_(&layout, 1, 1, first),
      size_(static_cast<int64_t>(dtype_size(x.dtype))),
      n_(layout.shape[layout.rank() - 1]) {
  const int last = layout.rank() - 1;
  bool fixed = true;
  for (int d = 0; d < last; ++d) fixed &= layout.strides[d] == 0;
  kind_ = layout.is_contiguous()      ? Kind::whole
          : !fixed                    ? Kind::copied
          : layout.strides[last] == 0 ? Kind::one
                                      : Kind::repeated;
  if (kind_ != Kind::repeated) return;
  for (int64_t i = 0; i < n_; ++i)
    std::memcpy(rows_ + i * size_, data_ + (layout.offset + i * layout.strides[last]) * size_,
                static_cast<size_t>(size_));
  for (int64_t r = 1; r < rows; ++r) copy_bytes(rows_ + r * n_ * size_, rows_, n_ * size_);
}

const void* ShortRows::next(int64_t rows) {
  const char* at = data_ + walk_.offsets[0] * size_;
  if (kind_ == Kind::one) return at;
  if (kind_ == Kind::repeated) return rows_;
  if (kind_ == Kind::whole) {
    walk_.offsets[0] += rows * n_;
    return at;
  }
  const int64_t stride = layout_.strides[layout_.rank() - 1];
  const auto each_row = [&](auto&& row) {
    char* to = rows_;
    for (int64_t r = 0; r < rows; ++r, walk_.next(), to += n_ * size_)
      row(to, data_ + walk_.offsets[0] * size_);
  };
  const auto of_size = [&](auto one) {
    using T = decltype(one);
    if (stride == 0)
      each_row([&](char* to, const char* from) { fill_row<T>(to, from, n_ * size_); });
    else
      each_row([&](char* to, const char* from) { copy_strided_row<T>(to, from, stride, n_); });
  };
  if (stride == 1)
    each_row([&](char* to, const char* from) { copy_bytes(to, from, n_ * size_); });
  else if (size_ == 1)
    of_size(uint8_t{});
  else if (size_ == 2)
    of_size(uint16_t{});
  else if (size_ == 4)
    of_size(uint32_t{});
  else
    of_size(uint64_t{});
  return rows_;
}

}  // namespace tilegrad
