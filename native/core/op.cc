#include "core/op.h"

#include <cstdlib>

#include "core/dtype.h"
#include "core/immediate.h"
#include "core/workspace.h"

namespace tilegrad {

int Attrs::find(const char* name, AttrType type) const {
  for (int i = 0; i < kMaxAttrs && op->attrs[i].name; ++i)
    if (op->attrs[i].type == type && std::strcmp(op->attrs[i].name, name) == 0) return i;
  fail(ErrorCode::argument, op->name, ": the schema has no attribute ", name,
       " of the type that the kernel reads");
}

const int64_t* Attrs::integers(const char* name, int* length) const {
  int i = find(name, AttrType::integers);
  *length = static_cast<int>(scalars[i]);
  return list + list_start[i];
}

Shape Attrs::integers(const char* name) const {
  int n;
  const int64_t* values = integers(name, &n);
  if (n > kMaxRank)
    fail(ErrorCode::argument, op->name, ": ", name, " has ", n, " entries, at most ", kMaxRank,
         " are allowed");
  Shape out;
  for (int i = 0; i < n; ++i) out.push(values[i]);
  return out;
}

const char* InferContext::op_name() const { return op.name; }

void InferContext::fail_absent(int i) const {
  fail(ErrorCode::argument, "input ", i, " is absent");
}

void InferContext::output(const Shape& shape, DType dtype) {
  check_shape(op.name, shape);
  if (output_count == kMaxOutputs) fail(ErrorCode::argument, "more than ", kMaxOutputs, " outputs");
  outputs[output_count++] = {Layout::contiguous(shape), dtype, -1};
}

void InferContext::view(int i, const Layout& layout) {
  check_shape(op.name, layout.shape);
  if (output_count == kMaxOutputs) fail(ErrorCode::argument, "more than ", kMaxOutputs, " outputs");
  outputs[output_count++] = {layout, dtype(i), i};
}

void InferContext::expect_dtype(int i, const char* what, DType d) const {
  if (dtype(i) != d) fail(ErrorCode::dtype, what, " must be ", d, " but is ", dtype(i));
}

void InferContext::expect_float(int i, const char* what) const {
  if (!is_float(dtype(i)))
    fail(ErrorCode::dtype, what, " must be a floating-point tensor but is ", dtype(i));
}

void InferContext::expect_same_dtype(int i, int j, const char* what_i, const char* what_j) const {
  if (dtype(i) != dtype(j))
    fail(ErrorCode::dtype, what_i, " is ", dtype(i), " but ", what_j, " is ", dtype(j),
         "; cast one of them");
}

void InferContext::expect_rank(int i, const char* what, int rank) const {
  if (shape(i).rank != rank)
    fail(ErrorCode::shape, what, " must have ", rank, " dimensions but has shape ", shape(i));
}

int InferContext::dim(int64_t d, int rank) const {
  int64_t resolved = d < 0 ? d + rank : d;
  // A scalar counts as one dimension here, as in PyTorch.
  if (resolved < 0 || resolved >= (rank ? rank : 1))
    fail(ErrorCode::argument, "dimension ", d, " is out of range for a tensor with ", rank,
         " dimensions");
  return static_cast<int>(resolved);
}

namespace {

// A call with its views: inputs, then outputs. Few views lie in the task itself.
struct OpTask final : Task {
  OpTask(const OpDef& def, Kernel kernel, Stream* stream, const Attrs& attrs, int views)
      : def(&def), kernel(kernel), stream(stream), attrs(attrs) {
    op = def.name;
    if (views > kInlineViews) more.reset(new View[static_cast<size_t>(views)]);
  }

  static constexpr int kInlineViews = 6;
  const OpDef* def;
  Kernel kernel;
  Stream* stream;
  int input_count = 0, count = 0;
  Slots<View, kInlineViews> few;
  std::unique_ptr<View[]> more;
  Attrs attrs;
  std::shared_ptr<PackedForms> packed;  // of the contents that the task will read
  PackedForms* forms[2] = {};           // CUDA: tasks run before their inputs are let go

  View* views() { return more ? more.get() : few.values; }

  void run() override {
    KernelArgs args{def,   views(), input_count,  views() + input_count, count - input_count,
                    attrs, stream,  packed.get(), {forms[0], forms[1]}};
    kernel(args);
  }
};

struct CopyTask final : Task {
  Device* device;
  View source, target;
  void run() override { device->copy_strided(source, target); }
};

void check_inputs(const OpDef& op, const Tensor* const* inputs, int count, Device** device) {
  if (count < op.inputs.min || (op.inputs.max >= 0 && count > op.inputs.max))
    fail(ErrorCode::argument, op.name, ": expects ", op.inputs.min,
         op.inputs.max < 0                ? " or more"
         : op.inputs.max != op.inputs.min ? str(" to ", op.inputs.max)
                                          : "",
         " inputs but got ", count);
  Device* common = nullptr;
  for (int i = 0; i < count; ++i) {
    if (!inputs[i] && i < op.inputs.min)
      fail(ErrorCode::argument, op.name, ": input ", i, " is absent");
    if (!inputs[i]) continue;
    if (!common) common = inputs[i]->device;
    if (inputs[i]->device != common)
      fail(ErrorCode::device, op.name, ": inputs are on different devices (", common->name(),
           " and ", inputs[i]->device->name(), "); move one with .to()");
  }
  if (common) *device = common;
}

void after_enqueue(Stream& stream, uint64_t ticket) {
  if (!synchronous_mode()) return;
  stream.wait(ticket);
  if (auto error = stream.take_error()) throw Error(*error);
}

bool is_workspace(const InferContext& ctx, int i) {
  return ctx.outputs[i].alias == kWorkspaceAlias;
}

/// Elements of inputs and outputs.
int64_t size_of(const InferContext& ctx) {
  int64_t elements = 0;
  for (int i = 0; i < ctx.input_count; ++i)
    if (ctx.has(i)) elements += ctx.inputs[i]->layout.numel();
  for (int i = 0; i < ctx.output_count; ++i)
    if (!is_workspace(ctx, i)) elements += ctx.outputs[i].layout.numel();
  return elements;
}

/// The forms that the kernel may use and add to, or null. A copy of a strided input is no constant.
const std::shared_ptr<PackedForms>* packed_forms(const InferContext& ctx) {
  const int i = ctx.op.constant_input;
  if (i < 0 || !ctx.has(i) || ctx.device->is_cuda()) return nullptr;
  const Tensor& input = *ctx.inputs[i];
  if (!ctx.op.strided && !input.layout.is_contiguous()) return nullptr;
  return input.buffer ? &input.buffer->packed.read() : nullptr;
}

/// Those of input i on CUDA.
PackedForms* cuda_forms(const InferContext& ctx, int i) {
  if (!ctx.device->is_cuda() || i >= ctx.op.kept_inputs || !ctx.has(i)) return nullptr;
  const Tensor& input = *ctx.inputs[i];
  if (!input.buffer || !input.layout.is_contiguous()) return nullptr;
  return input.buffer->packed.on_cuda(ctx.device);
}

// Computes the call into `outputs`: at once where it is small and the stream idle, else on the stream.
void launch(const InferContext& ctx, Kernel kernel, const std::vector<Tensor>& outputs) {
  const OpDef& op = ctx.op;
  Stream& stream = ctx.device->stream();
  // Copies live until the op is enqueued; their blocks may be reused behind it.
  std::vector<Tensor> copies;
  auto needs_copy = [&](const Tensor* input) {
    return input && !op.strided && !op.in_place && !input->layout.is_contiguous();
  };
  for (int i = 0; i < ctx.input_count; ++i)
    if (needs_copy(ctx.inputs[i])) copies.push_back(contiguous(*ctx.inputs[i]));
  // Returns their number.
  auto fill = [&](View* list) {
    int count = 0;
    size_t copy = 0;
    for (int i = 0; i < ctx.input_count; ++i) {
      const Tensor* input = ctx.inputs[i];
      list[count++] = needs_copy(input) ? view_of(copies[copy++])
                      : input           ? view_of(*input)
                                        : View{};
    }
    for (int i = 0; i < ctx.output_count; ++i)
      if (ctx.outputs[i].alias < 0) list[count++] = view_of(outputs[static_cast<size_t>(i)]);
    return count;
  };
  for (int i = 0; i < ctx.input_count && op.in_place; ++i)
    if (ctx.has(i) && ctx.inputs[i]->buffer) ctx.inputs[i]->buffer->packed.written();
  const int views = ctx.input_count + ctx.output_count, inputs = ctx.input_count;
  const std::shared_ptr<PackedForms>* packed = packed_forms(ctx);
  uint64_t ticket = 0;
  if (views <= OpTask::kInlineViews && size_of(ctx) <= immediate_elements(stream)) {
    Slots<View, OpTask::kInlineViews> list;
    const int count = fill(list.values);
    KernelArgs args{&op,
                    list.values,
                    inputs,
                    list.values + inputs,
                    count - inputs,
                    ctx.attrs,
                    &stream,
                    packed ? packed->get() : nullptr};
    stream.run_here(op.name, [&] { kernel(args); });
  } else {
    auto task = std::make_unique<OpTask>(op, kernel, &stream, ctx.attrs, views);
    task->count = fill(task->views());
    task->input_count = inputs;
    if (packed) task->packed = *packed;
    for (int i = 0; i < 2; ++i) task->forms[i] = cuda_forms(ctx, i);
    ticket = stream.enqueue(task.release());
  }
  after_enqueue(stream, ticket);
}

}  // namespace

bool synchronous_mode() {
  static const bool on = [] {
    const char* value = std::getenv("TILEGRAD_SYNC");
    return value && std::strcmp(value, "1") == 0;
  }();
  return on;
}

Tensor contiguous(const Tensor& tensor) {
  if (tensor.layout.is_contiguous()) return tensor;
  Tensor copy;
  copy.device = tensor.device;
  copy.dtype = tensor.dtype;
  copy.layout = Layout::contiguous(tensor.layout.shape);
  copy.buffer = tensor.device->allocator().allocate(static_cast<size_t>(copy.layout.numel()) *
                                                    dtype_size(copy.dtype));
  Stream& stream = tensor.device->stream();
  uint64_t ticket = 0;
  if (2 * copy.layout.numel() <= immediate_elements(stream)) {
    stream.run_here("contiguous",
                    [&] { tensor.device->copy_strided(view_of(tensor), view_of(copy)); });
  } else {
    auto* task = new CopyTask;
    task->op = "contiguous";
    task->device = tensor.device;
    task->source = view_of(tensor);
    task->target = view_of(copy);
    ticket = stream.enqueue(task);
  }
  after_enqueue(stream, ticket);
  return copy;
}

void run_op(const OpDef& op, const Tensor* const* inputs, int input_count, const Attrs& attrs,
            Device* device, std::vector<Tensor>* outputs) {
  check_inputs(op, inputs, input_count, &device);
  InferContext ctx{op, attrs, inputs, input_count, device, {}};
  op.infer(ctx);

  bool runs = op.in_place, needs_kernel = op.in_place;
  for (int i = 0; i < ctx.output_count; ++i) {
    if (ctx.outputs[i].alias >= 0) continue;
    needs_kernel = true;
    runs |= ctx.outputs[i].layout.numel() > 0 && !is_workspace(ctx, i);
  }
  Kernel kernel = device->is_cuda() ? op.cuda : op.cpu;
  if (needs_kernel && !kernel)
    fail(ErrorCode::unsupported, op.name, ": has no kernel for ", device->name(), " in this build");

  for (int i = 0; i < ctx.output_count; ++i) {
    const auto& spec = ctx.outputs[i];
    BufferRef buffer = spec.alias >= 0
                           ? inputs[spec.alias]->buffer
                           : device->allocator().allocate(static_cast<size_t>(spec.layout.numel()) *
                                                          dtype_size(spec.dtype));
    Tensor& output = outputs->emplace_back();
    output.buffer = std::move(buffer);
    output.layout = spec.layout;
    output.dtype = spec.dtype;
    output.device = device;
  }
  if (runs) launch(ctx, kernel, *outputs);
  if (ctx.output_count > 0 && is_workspace(ctx, ctx.output_count - 1)) outputs->pop_back();
}

}  // namespace tilegrad
