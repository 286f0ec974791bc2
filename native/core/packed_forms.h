// What kernels keep of an operand that stays the same from call to call: on the CPU packed panels and transformed kernels,
// on CUDA copies with the channels innermost.
// The forms belong to the contents of one buffer. Whoever enqueues attaches them to the buffer (op.cc) and detaches
// them when work that writes it is enqueued or the block is freed; tasks hold those of the contents that they will
// read, so forms need no version. On the CPU two calls that see the same contents, and a third with the same key, come
// before anything is kept: what changes with every step never pays a copy. On CUDA the copy is made in any case, and kept
// at once: the next one to ask is often the gradient.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace tilegrad {

class Device;

// What a form is, down to the last stride: equal keys mean the same bytes.
struct PackedKey {
  const char* kind = "";  // of static storage; compared by address
  std::array<int64_t, 12> numbers = {};

  bool operator==(const PackedKey&) const = default;
};

/// Bytes at a 64-byte boundary that stay as they are as long as somebody holds them.
using PackedForm = std::shared_ptr<const void>;

class PackedForms {
 public:
  explicit PackedForms(const Device* device = nullptr);  // null: the CPU
  ~PackedForms();
  PackedForms(const PackedForms&) = delete;
  PackedForms& operator=(const PackedForms&) = delete;

  /// The form of that key, which `pack(void* out)` writes at the second request; null where none is kept (first
  /// request, no memory, too much kept already): then the caller packs for itself. `pack` may use parallel_for.
  template <class Pack>
  PackedForm get(const PackedKey& key, size_t bytes, Pack&& pack) {
    bool make = false;
    PackedForm kept = find(key, &make);
    if (!make) return kept;
    const std::shared_ptr<void> fresh = reserve(bytes);
    if (!fresh) return nullptr;
    pack(fresh.get());
    store(key, fresh);
    return fresh;
  }
  /// CUDA: the form of that key, or null; and a form that is kept from now on, which counts as the allocator says.
  PackedForm held(const PackedKey& key);
  void hold(const PackedKey& key, PackedForm form);
  void clear();
  const Device* device() const { return device_; }

 private:
  struct Entry {
    PackedKey key;
    PackedForm form;  // null: asked for once
  };

  const Device* const device_;
  PackedForm find(const PackedKey& key, bool* make);
  void store(const PackedKey& key, PackedForm form);
  static std::shared_ptr<void> reserve(size_t bytes);

  std::mutex mutex_;  // kernels use one set of forms one after the other; against clear()
  std::vector<Entry> entries_;
  size_t oldest_ = 0;
};

/// `forms` may be null.
template <class Pack>
PackedForm packed_form(PackedForms* forms, const PackedKey& key, size_t bytes, Pack&& pack) {
  return forms != nullptr ? forms->get(key, bytes, pack) : nullptr;
}

/// How a buffer comes to its forms. Used by the thread that enqueues alone.
class PackedSlot {
 public:
  /// Counts a call that reads the contents as a constant; null until enough have.
  const std::shared_ptr<PackedForms>& read();
  /// The forms on a CUDA device, from the first call on.
  PackedForms* on_cuda(const Device* device);
  void written();

 private:
  static constexpr uint8_t kFewReads = 1, kManyReads = 16;
  std::shared_ptr<PackedForms> forms_;
  uint8_t reads_ = 0;
  uint8_t needed_ = kFewReads;  // grows with each form that a write made worthless
};

/// Bytes of all forms on the CPU. They count against its memory limit.
size_t packed_bytes();
/// At most a quarter of `memory_limit` bytes is kept from now on.
void limit_packed_bytes(size_t memory_limit);
/// Drops all forms on the CPU; those in use live until their kernels end. Under pressure, less is kept from then on.
void drop_packed_forms(bool pressure);
/// Drops all forms on a CUDA device. Takes the lock of its allocator.
void drop_cuda_forms(const Device* device);

}  // namespace tilegrad
