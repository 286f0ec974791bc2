// recurrent: one direction of one layer of an LSTM, a GRU or a plain cell (tanh, relu) over all steps. x (T, N, gates H) is
// what the inputs give to the gates, h0 (and c0) (N, H) the first state, weight (gates H, H) and bias what the hidden state
// adds. Outputs: h (T, N, H), of LSTM and GRU with `gates` what the gradient reads of the gates (T, N, 4 H), and of an LSTM c
// (T, N, H). Gates are input, forget, cell, output of an LSTM; reset, update, new and the hidden state's part of new of a GRU,
// as in PyTorch; a plain cell has one, which is h.
// recurrent_grad gives the gradients of x, h0 and c0, and of a GRU that of the hidden state's part (T, N, 3 H).
#include "ops/recurrent/recurrent.h"

namespace tilegrad {

namespace {

void expect_shape(const InferContext& ctx, int i, const char* what, const Shape& expected) {
  if (ctx.shape(i) != expected)
    ctx.fail(ErrorCode::shape, what, " must have shape ", expected, " but has ", ctx.shape(i));
}

void expect_given(const InferContext& ctx, int i, const char* what, bool wanted) {
  if (ctx.has(i) != wanted)
    ctx.fail(ErrorCode::argument, what, wanted ? " is missing" : " belongs to an LSTM alone");
}

void check_first(const InferContext& ctx, const char* what) {
  ctx.expect_rank(0, what, 3);
  if (ctx.shape(0)[0] == 0) ctx.fail(ErrorCode::shape, what, " without steps: ", ctx.shape(0));
  const DType dtype = ctx.dtype(0);
  if (dtype != DType::f32 && dtype != DType::f64)
    ctx.fail(ErrorCode::dtype, what, " must be f32 or f64 but is ", dtype);
  for (int i = 1; i < ctx.input_count; ++i)
    if (ctx.has(i)) ctx.expect_same_dtype(0, i, what, "another input");
}

void recurrent_infer(InferContext& ctx) {
  check_first(ctx, "the inputs' part");
  ctx.expect_rank(kRnnH0, "h", 2);
  const Shape &x = ctx.shape(kRnnX), &h0 = ctx.shape(kRnnH0);
  const Recurrence r = recurrence(ctx.attrs, x, h0);
  const bool lstm = r.lstm();
  const int64_t hidden = h0[1], width = r.gates() * hidden;
  expect_shape(ctx, kRnnX, "the inputs' part", Shape{x[0], h0[0], width});
  expect_shape(ctx, kRnnWeight, "weight", Shape{width, hidden});
  if (ctx.has(kRnnBias)) expect_shape(ctx, kRnnBias, "bias", Shape{width});
  expect_given(ctx, kRnnC0, "c", lstm);
  if (lstm) expect_shape(ctx, kRnnC0, "c", h0);
  const Shape states{x[0], h0[0], hidden};
  ctx.output(states, ctx.dtype(kRnnX));
  if (keeps_gates(r, ctx.attrs)) ctx.output(Shape{x[0], h0[0], 4 * hidden}, ctx.dtype(kRnnX));
  if (lstm) ctx.output(states, ctx.dtype(kRnnX));
}

void recurrent_grad_infer(InferContext& ctx) {
  check_first(ctx, "a gate");
  ctx.expect_rank(kRnnGradH0, "h", 2);
  const Shape &gates = ctx.shape(kRnnGradGates), &h0 = ctx.shape(kRnnGradH0);
  const Recurrence r = recurrence(ctx.attrs, gates, h0);
  const bool lstm = r.lstm();
  const int64_t hidden = h0[1], width = r.gates() * hidden;
  const Shape states{gates[0], h0[0], hidden}, before{gates[0], h0[0], width};
  expect_shape(ctx, kRnnGradGates, "a gate", Shape{gates[0], h0[0], r.kept() * hidden});
  expect_shape(ctx, kRnnGradWeight, "weight", Shape{width, hidden});
  expect_shape(ctx, kRnnGradH, "the states h", states);
  if (ctx.has(kRnnDh)) expect_shape(ctx, kRnnDh, "the gradient of h", states);
  for (int i : {kRnnGradC0, kRnnGradC}) expect_given(ctx, i, "c", lstm);
  if (lstm) {
    expect_shape(ctx, kRnnGradC0, "c", h0);
    expect_shape(ctx, kRnnGradC, "the states c", states);
    if (ctx.has(kRnnDc)) expect_shape(ctx, kRnnDc, "the gradient of c", states);
  }
  ctx.output(before, ctx.dtype(0));
  ctx.output(h0, ctx.dtype(0));
  if (r.gates() > 1) ctx.output(lstm ? h0 : before, ctx.dtype(0));
}

}  // namespace

Recurrence recurrence(const Attrs& attrs, const Shape& gates, const Shape& h0) {
  return {static_cast<RecurrentCell>(attrs.choice("cell")), attrs.boolean("reverse"), gates[0],
          h0[0], h0[1]};
}

extern const OpDef recurrent_op;
const OpDef recurrent_op = {.name = "recurrent",
                            .inputs = {3, 5},
                            .attrs = {{"cell", AttrType::choice, "lstm|gru|tanh|relu"},
                                      {"reverse", AttrType::boolean},
                                      {"gates", AttrType::boolean}},
                            .infer = recurrent_infer,
                            .cpu = recurrent_cpu,
                            .cuda = TILEGRAD_CUDA_KERNEL(recurrent_cuda),
                            .constant_input = kRnnWeight};

extern const OpDef recurrent_grad_op;
const OpDef recurrent_grad_op = {
    .name = "recurrent_grad",
    .inputs = {4, 8},
    .attrs = {{"cell", AttrType::choice, "lstm|gru|tanh|relu"}, {"reverse", AttrType::boolean}},
    .infer = recurrent_grad_infer,
    .cpu = recurrent_grad_cpu,
    .cuda = TILEGRAD_CUDA_KERNEL(recurrent_grad_cuda)};

}  // namespace tilegrad
