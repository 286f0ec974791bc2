#include "core/packed_forms.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/device.h"

namespace tilegrad {

namespace {

constexpr size_t kMostForms = 8;  // of one buffer: slices of it count one by one

std::atomic<size_t> kept_bytes{0};
std::atomic<size_t> most_bytes{SIZE_MAX};

// All sets of forms of the process, for drop_packed_forms. Leaked: streams run until the process ends.
struct Registry {
  std::mutex mutex;
  std::vector<PackedForms*> sets;
};
Registry& registry() {
  static auto* leaked = new Registry;
  return *leaked;
}

}  // namespace

PackedForms::PackedForms(const Device* device) : device_(device) {
  std::lock_guard<std::mutex> lock(registry().mutex);
  registry().sets.push_back(this);
}

PackedForms::~PackedForms() {
  std::lock_guard<std::mutex> lock(registry().mutex);
  auto& sets = registry().sets;
  *std::find(sets.begin(), sets.end(), this) = sets.back();
  sets.pop_back();
}

PackedForm PackedForms::find(const PackedKey& key, bool* make) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const Entry& entry : entries_) {
    if (entry.key != key) continue;
    *make = entry.form == nullptr;
    return entry.form;
  }
  if (entries_.size() < kMostForms) {
    entries_.push_back({key, nullptr});
  } else {
    entries_[oldest_] = {key, nullptr};
    oldest_ = (oldest_ + 1) % kMostForms;
  }
  return nullptr;
}

void PackedForms::store(const PackedKey& key, PackedForm form) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (Entry& entry : entries_)
    if (entry.key == key) entry.form = std::move(form);
}

PackedForm PackedForms::held(const PackedKey& key) {
  bool make = false;
  return find(key, &make);
}

void PackedForms::hold(const PackedKey& key, PackedForm form) { store(key, std::move(form)); }

void PackedForms::clear() {
  std::vector<Entry> dropped;  // freed outside of the lock
  std::lock_guard<std::mutex> lock(mutex_);
  dropped.swap(entries_);
  oldest_ = 0;
}

// Not from the pool: kernels may not wait for the lock of an allocator that waits for them.
std::shared_ptr<void> PackedForms::reserve(size_t bytes) {
  const size_t before = kept_bytes.fetch_add(bytes, std::memory_order_relaxed);
  const size_t most = most_bytes.load(std::memory_order_relaxed);
  Device& device = cpu_device();
  const bool fits = bytes <= most && before <= most - bytes;
  void* data = fits ? device.raw_allocate(bytes) : nullptr;
  if (data == nullptr) {
    kept_bytes.fetch_sub(bytes, std::memory_order_relaxed);
    return nullptr;
  }
  return std::shared_ptr<void>(data, [&device, bytes](void* block) {
    device.raw_free(block, bytes);
    kept_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  });
}

const std::shared_ptr<PackedForms>& PackedSlot::read() {
  if (forms_ == nullptr && reads_++ == needed_) forms_ = std::make_shared<PackedForms>();
  return forms_;
}

PackedForms* PackedSlot::on_cuda(const Device* device) {
  if (forms_ == nullptr) forms_ = std::make_shared<PackedForms>(device);
  return forms_.get();
}

void PackedSlot::written() {
  reads_ = 0;
  if (forms_ == nullptr) return;
  forms_.reset();
  needed_ = static_cast<uint8_t>(std::min<int>(needed_ * 4, kManyReads));
}

size_t packed_bytes() { return kept_bytes.load(std::memory_order_relaxed); }

void limit_packed_bytes(size_t memory_limit) {
  most_bytes.store(memory_limit / 4, std::memory_order_relaxed);
}

void drop_packed_forms(bool pressure) {
  if (pressure) {
    const size_t most = most_bytes.load(std::memory_order_relaxed);
    most_bytes.store(std::min(most, packed_bytes()) / 2, std::memory_order_relaxed);
  }
  drop_cuda_forms(nullptr);
}

void drop_cuda_forms(const Device* device) {
  std::lock_guard<std::mutex> lock(registry().mutex);
  for (PackedForms* forms : registry().sets)
    if (forms->device() == device) forms->clear();
}

}  // namespace tilegrad
