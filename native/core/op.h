// What an op is to the core: a name, a schema, a shape rule and one kernel per device.
#pragma once

#include <cstring>
#include <string_view>
#include <vector>

#include "core/device.h"
#include "core/error.h"
#include "core/tensor.h"

namespace tilegrad {

struct OpDef;

inline constexpr int kMaxAttrs = 16;
inline constexpr int kMaxListValues = 64;  // over all list attributes of one call
inline constexpr int kMaxOutputs = 64;
inline constexpr int kMaxInputs = 4096;

enum class AttrType : uint8_t { none, integer, number, boolean, choice, dtype, integers };

/// One attribute of an op. A choice is written as its index in `choices` ("none|relu|gelu").
struct AttrDef {
  const char* name = nullptr;
  AttrType type = AttrType::none;
  const char* choices = "";
};

/// The attributes of one call, in the order of the op's schema. Trivially copyable.
class Attrs {
 public:
  const OpDef* op = nullptr;
  double scalars[kMaxAttrs];  // a list's length
  uint8_t list_start[kMaxAttrs];
  int64_t list[kMaxListValues];

  int64_t integer(const char* name) const {
    return static_cast<int64_t>(scalars[find(name, AttrType::integer)]);
  }
  double number(const char* name) const { return scalars[find(name, AttrType::number)]; }
  bool boolean(const char* name) const { return scalars[find(name, AttrType::boolean)] != 0; }
  int choice(const char* name) const {
    return static_cast<int>(scalars[find(name, AttrType::choice)]);
  }
  DType dtype(const char* name) const {
    return static_cast<DType>(scalars[find(name, AttrType::dtype)]);
  }
  /// The list as a Shape; throws ERR_ARGUMENT when it has more than kMaxRank entries.
  Shape integers(const char* name) const;
  /// The list as it is: pointer and length.
  const int64_t* integers(const char* name, int* length) const;

 private:
  int find(const char* name, AttrType type) const;
};

/// Places for N trivially copyable values that nobody clears: clearing 64 outputs takes longer than a small op.
template <class T, int N>
union Slots {
  Slots() {}
  T values[N];
  T& operator[](int i) { return values[i]; }
  const T& operator[](int i) const { return values[i]; }
};

/// What `infer` reads and fills. It allocates nothing.
class InferContext {
 public:
  struct Output {
    Layout layout;
    DType dtype = DType::f32;
    int alias = -1;  // the input whose buffer this output shares; -1: none; kWorkspaceAlias
  };

  const OpDef& op;
  const Attrs& attrs;
  const Tensor* const* inputs;  // null where an optional input is absent
  int input_count;
  Device* device;
  Slots<Output, kMaxOutputs> outputs;
  int output_count = 0;

  /// Throws ERR_ARGUMENT where the input is absent, as `shape` and `dtype` do.
  const Tensor& input(int i) const {
    if (!has(i)) fail_absent(i);
    return *inputs[i];
  }
  bool has(int i) const { return i < input_count && inputs[i]; }
  const Shape& shape(int i) const { return input(i).layout.shape; }
  DType dtype(int i) const { return input(i).dtype; }

  /// A fresh, contiguous output.
  void output(const Shape& shape, DType dtype);
  /// A view of input i: no kernel runs for it.
  void view(int i, const Layout& layout);

  template <class... Parts>
  [[noreturn]] void fail(ErrorCode code, const Parts&... parts) const {
    throw Error(code, str(op_name(), ": ", parts...));
  }
  /// Throws ERR_DTYPE unless input i has dtype `d`.
  void expect_dtype(int i, const char* what, DType d) const;
  void expect_float(int i, const char* what) const;
  void expect_same_dtype(int i, int j, const char* what_i, const char* what_j) const;
  void expect_rank(int i, const char* what, int rank) const;
  /// Resolves a possibly negative dimension; throws ERR_ARGUMENT when it is out of range.
  int dim(int64_t d, int rank) const;

 private:
  [[noreturn]] void fail_absent(int i) const;
  const char* op_name() const;
};

/// What a kernel gets. Inputs are contiguous unless the OpDef says `strided`; outputs are always contiguous.
/// No output is empty unless all are (then no kernel runs), inputs may be empty. Absent inputs have data == nullptr
/// (so may empty ones: ask numel()).
struct KernelArgs {
  const OpDef* op;
  const View* inputs;
  int input_count;
  const View* outputs;
  int output_count;
  const Attrs& attrs;
  Stream* stream;  // on CUDA the kernel launches on it; on the CPU it is running on it
  PackedForms* packed = nullptr;  // of the OpDef's constant input; on the CPU, and null for a while
  // Of the inputs that the OpDef keeps on CUDA; null for copies of strided ones.
  PackedForms* forms[2] = {};

  bool has(int i) const { return i < input_count && inputs[i].data; }
};

using Infer = void (*)(InferContext&);
using Kernel = void (*)(KernelArgs&);

struct Arity {
  int min = 0;  // those before are never null
  int max = 0;  // -1: any number
};

struct OpDef {
  const char* name;
  Arity inputs;
  AttrDef attrs[kMaxAttrs] = {};  // ends at the first without a name
  Infer infer;
  Kernel cpu = nullptr;  // null with cuda null: all outputs are views
  Kernel cuda = nullptr;
  bool strided =
      false;  // kernels take any layout of the inputs; else the dispatcher inserts copies
  bool in_place =
      false;  // writes into its inputs (optimisers, assign); implies strided: it gets no copies
  int constant_input =
      -1;               // often the same from call to call: CPU kernels may keep packed forms of it
  int kept_inputs = 0;  // CUDA kernels may keep forms of the first so many, at most 2
};

// For the `cuda` slot of an OpDef: null in a build without nvcc.
#ifdef TILEGRAD_HAVE_CUDA
#define TILEGRAD_CUDA_KERNEL(fn) fn
#else
#define TILEGRAD_CUDA_KERNEL(fn) nullptr
#endif

/// All ops, in the order of ops.def; the index is the op id.
const std::vector<const OpDef*>& all_ops();

/// Infers, allocates, and enqueues, or computes at once what is tiny while the stream is idle. Throws what infer throws,
/// ERR_ARGUMENT for a wrong number of inputs, ERR_DEVICE when inputs live on several devices, ERR_UNSUPPORTED when the
/// device has no kernel. `device` serves ops without inputs.
void run_op(const OpDef& op, const Tensor* const* inputs, int input_count, const Attrs& attrs,
            Device* device, std::vector<Tensor>* outputs);

/// The tensor itself if it is contiguous, else an enqueued contiguous copy.
Tensor contiguous(const Tensor& tensor);

/// True when TILEGRAD_SYNC=1 asks every op to wait and to throw its own error.
bool synchronous_mode();

}  // namespace tilegrad
