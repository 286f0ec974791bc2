// The oneDNN side of npm run bench:peers. Tensors arrive and leave in their plain layouts; where the library likes
// another one, the conversions are part of the time, and the faster of both ways counts.
#include <omp.h>

#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <random>
#include <stdexcept>
#include <utility>

#include "answer.h"

using dnnl::memory;
using dnnl::prop_kind;
using Dims = memory::dims;
using Tag = memory::format_tag;
using Type = memory::data_type;
using Run = std::function<void()>;

static dnnl::engine& engine() {
  static auto* made = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *made;
}
static dnnl::stream& stream() {
  static auto* made = new dnnl::stream(engine());
  return *made;
}

static std::mt19937 g_random(1);

static memory::desc described(const Dims& dims, Tag tag = Tag::abcd, Type type = Type::f32) {
  return {dims, type, tag};
}
// f32 in [-1, 1), or whole numbers from low to high.
static memory drawn(const memory::desc& desc, int low = 0, int high = 0) {
  memory made(desc, engine());
  const size_t bytes = desc.get_size();
  if (desc.data.data_type == dnnl_f32) {
    auto* values = static_cast<float*>(made.get_data_handle());
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (size_t i = 0; i < bytes / 4; ++i) values[i] = uniform(g_random);
  } else {
    auto* values = static_cast<char*>(made.get_data_handle());
    std::uniform_int_distribution<int> uniform(low, high);
    for (size_t i = 0; i < bytes; ++i) values[i] = static_cast<char>(uniform(g_random));
  }
  return made;
}

/// A primitive with its operands, given in plain layouts and converted to those that it wants.
class Call {
 public:
  explicit Call(dnnl::primitive primitive) : primitive_(std::move(primitive)) {}

  void input(int index, const memory& plain, const memory::desc& wanted) {
    operand(index, plain, wanted, before_, true);
  }
  void output(int index, const memory& plain, const memory::desc& wanted) {
    operand(index, plain, wanted, after_, false);
  }
  void keep(int index, const memory& any) { arguments_.insert({index, any}); }

  Run run() const {
    return [call = *this]() mutable {
      for (auto& [reorder, from, to] : call.before_) reorder.execute(stream(), from, to);
      call.primitive_.execute(stream(), call.arguments_);
      for (auto& [reorder, from, to] : call.after_) reorder.execute(stream(), from, to);
      stream().wait();
    };
  }

 private:
  struct Conversion {
    dnnl::reorder reorder;
    memory from, to;
  };
  void operand(int index, const memory& plain, const memory::desc& wanted,
               std::vector<Conversion>& list, bool in) {
    if (plain.get_desc() == wanted) return keep(index, plain);
    memory own(wanted, engine());
    const auto& from = in ? plain : own;
    const auto& to = in ? own : plain;
    list.push_back({dnnl::reorder(from, to), from, to});
    keep(index, own);
  }

  dnnl::primitive primitive_;
  std::unordered_map<int, memory> arguments_;
  std::vector<Conversion> before_, after_;
};

static double fastest(const Run& run) {
  run();
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const double start = wall_seconds();
    run();
    best = std::min(best, wall_seconds() - start);
  }
  return best;
}

/// The faster of the plain layouts and those of the library's choice.
static Run faster_layout(const std::function<Run(bool any)>& make) {
  Run plain = make(false), any = make(true);
  return fastest(plain) < fastest(any) ? plain : any;
}

static Run matmul(std::istringstream& words, Type a_type, Type b_type, Type c_type) {
  int m, k, n, low = 0, high = 0;
  words >> m >> k >> n >> low >> high;
  const auto a = described({m, k}, Tag::ab, a_type), b = described({k, n}, Tag::ab, b_type);
  const auto c = described({m, n}, Tag::ab, c_type);
  const memory x = drawn(a, 0, 255), y(c, engine());
  memory w = drawn(b, low, high);
  // The weights of an int8 product do not change: their conversion, if any, happens once.
  const bool constant = b_type == Type::s8;
  return faster_layout([&](bool any) {
    const auto wanted = described({k, n}, any ? Tag::any : Tag::ab, b_type);
    const dnnl::matmul::primitive_desc pd({a, wanted, c}, engine());
    Call call{dnnl::matmul(pd)};
    call.input(DNNL_ARG_SRC, x, a);
    if (constant) {
      memory packed(pd.weights_desc(), engine());
      dnnl::reorder(w, packed).execute(stream(), w, packed);
      stream().wait();
      call.keep(DNNL_ARG_WEIGHTS, packed);
    } else {
      call.input(DNNL_ARG_WEIGHTS, w, pd.weights_desc());
    }
    call.output(DNNL_ARG_DST, y, c);
    return call.run();
  });
}

struct ConvShape {
  Dims x, w, w_plain, y, pad;
  bool grouped;
};

static ConvShape conv_shape(std::istringstream& words) {
  int n, c, h, w, outputs, kernel, pad, groups;
  words >> n >> c >> h >> w >> outputs >> kernel >> pad >> groups;
  ConvShape shape;
  shape.x = {n, c, h, w};
  shape.grouped = groups > 1;
  shape.w = shape.grouped ? Dims{groups, outputs / groups, c / groups, kernel, kernel}
                          : Dims{outputs, c, kernel, kernel};
  shape.y = {n, outputs, h + 2 * pad - kernel + 1, w + 2 * pad - kernel + 1};
  shape.pad = {pad, pad};
  return shape;
}

static Run conv2d(std::istringstream& words) {
  std::string direction;
  words >> direction;
  const ConvShape s = conv_shape(words);
  const Tag weights = s.grouped ? Tag::abcde : Tag::abcd;
  const memory x = drawn(described(s.x)), w = drawn(described(s.w, weights)),
               y = drawn(described(s.y));
  return faster_layout([&](bool any) {
    const auto xd = described(s.x, any ? Tag::any : Tag::abcd),
               yd = described(s.y, any ? Tag::any : Tag::abcd);
    const auto wd = described(s.w, any ? Tag::any : weights);
    const auto algorithm = dnnl::algorithm::convolution_direct;
    const Dims one{1, 1};
    const dnnl::convolution_forward::desc forward(prop_kind::forward_training, algorithm, xd, wd,
                                                  yd, one, s.pad, s.pad);
    const dnnl::convolution_forward::primitive_desc fpd(forward, engine());
    if (direction == "forward") {
      Call call{dnnl::convolution_forward(fpd)};
      call.input(DNNL_ARG_SRC, x, fpd.src_desc());
      call.input(DNNL_ARG_WEIGHTS, w, fpd.weights_desc());
      call.output(DNNL_ARG_DST, y, fpd.dst_desc());
      return call.run();
    }
    if (direction == "input") {
      const dnnl::convolution_backward_data::primitive_desc pd(
          {algorithm, xd, wd, yd, one, s.pad, s.pad}, engine(), fpd);
      Call call{dnnl::convolution_backward_data(pd)};
      call.input(DNNL_ARG_DIFF_DST, y, pd.diff_dst_desc());
      call.input(DNNL_ARG_WEIGHTS, w, pd.weights_desc());
      call.output(DNNL_ARG_DIFF_SRC, x, pd.diff_src_desc());
      return call.run();
    }
    const dnnl::convolution_backward_weights::primitive_desc pd(
        {algorithm, xd, wd, yd, one, s.pad, s.pad}, engine(), fpd);
    Call call{dnnl::convolution_backward_weights(pd)};
    call.input(DNNL_ARG_SRC, x, pd.src_desc());
    call.input(DNNL_ARG_DIFF_DST, y, pd.diff_dst_desc());
    call.output(DNNL_ARG_DIFF_WEIGHTS, w, pd.diff_weights_desc());
    return call.run();
  });
}

static Run max_pool2d(std::istringstream& words) {
  std::string direction;
  int n, c, h, w, kernel;
  words >> direction >> n >> c >> h >> w >> kernel;
  const auto xd = described({n, c, h, w}), yd = described({n, c, h / kernel, w / kernel});
  const memory x = drawn(xd), y = drawn(yd);
  const auto algorithm = dnnl::algorithm::pooling_max;
  const Dims side{kernel, kernel}, none{0, 0};
  const bool forward = direction == "forward";
  const auto kind = forward ? prop_kind::forward_inference : prop_kind::forward_training;
  const dnnl::pooling_forward::primitive_desc fpd({kind, algorithm, xd, yd, side, side, none, none},
                                                  engine());
  Call call{dnnl::pooling_forward(fpd)};
  call.keep(DNNL_ARG_SRC, x);
  call.keep(DNNL_ARG_DST, y);
  if (forward) return call.run();
  const memory workspace(fpd.workspace_desc(), engine());
  call.keep(DNNL_ARG_WORKSPACE, workspace);
  call.run()();
  const dnnl::pooling_backward::primitive_desc pd({algorithm, xd, yd, side, side, none, none},
                                                  engine(), fpd);
  Call back{dnnl::pooling_backward(pd)};
  back.keep(DNNL_ARG_DIFF_DST, y);
  back.keep(DNNL_ARG_DIFF_SRC, memory(xd, engine()));
  back.keep(DNNL_ARG_WORKSPACE, workspace);
  return back.run();
}

static Run elementwise(std::istringstream& words, dnnl::algorithm algorithm) {
  Dims dims(4);
  for (auto& dim : dims) words >> dim;
  const auto desc = described(dims);
  const dnnl::eltwise_forward::primitive_desc pd(
      {prop_kind::forward_inference, algorithm, desc, 0, 0}, engine());
  Call call{dnnl::eltwise_forward(pd)};
  call.keep(DNNL_ARG_SRC, drawn(desc));
  call.keep(DNNL_ARG_DST, memory(desc, engine()));
  return call.run();
}

static Run softmax(std::istringstream& words) {
  std::string direction;
  int rows, classes;
  words >> direction >> rows >> classes;
  const auto desc = described({rows, classes}, Tag::ab);
  const memory x = drawn(desc), y(desc, engine());
  const dnnl::softmax_forward::primitive_desc fpd({prop_kind::forward_training, desc, 1}, engine());
  Call call{dnnl::softmax_forward(fpd)};
  call.keep(DNNL_ARG_SRC, x);
  call.keep(DNNL_ARG_DST, y);
  if (direction == "forward") return call.run();
  call.run()();
  const dnnl::softmax_backward::primitive_desc pd({desc, desc, 1}, engine(), fpd);
  Call back{dnnl::softmax_backward(pd)};
  back.keep(DNNL_ARG_DST, y);
  back.keep(DNNL_ARG_DIFF_DST, x);
  back.keep(DNNL_ARG_DIFF_SRC, memory(desc, engine()));
  return back.run();
}

// Layer and batch normalisation take the same operands.
template <class Forward, class Backward>
static Run normalization(const std::string& direction, const memory::desc& desc,
                         const typename Forward::desc& forward,
                         const typename Backward::desc& backward) {
  const memory x = drawn(desc), y = drawn(desc);
  const typename Forward::primitive_desc fpd(forward, engine());
  const auto scale_desc = fpd.weights_desc();
  const memory scale = drawn(scale_desc), shift = drawn(scale_desc);
  const memory mean(fpd.mean_desc(), engine()), variance(fpd.variance_desc(), engine());
  Call call{Forward(fpd)};
  const std::pair<int, memory> arguments[] = {
      {DNNL_ARG_SRC, x},       {DNNL_ARG_DST, y},     {DNNL_ARG_SCALE, scale},
      {DNNL_ARG_SHIFT, shift}, {DNNL_ARG_MEAN, mean}, {DNNL_ARG_VARIANCE, variance}};
  for (const auto& [index, operand] : arguments) call.keep(index, operand);
  if (direction == "forward") return call.run();
  call.run()();
  const typename Backward::primitive_desc pd(backward, engine(), fpd);
  Call back{Backward(pd)};
  for (const auto& [index, operand] : arguments)
    if (index != DNNL_ARG_DST) back.keep(index, operand);
  back.keep(DNNL_ARG_DIFF_DST, y);
  back.keep(DNNL_ARG_DIFF_SRC, memory(desc, engine()));
  back.keep(DNNL_ARG_DIFF_SCALE, memory(scale_desc, engine()));
  back.keep(DNNL_ARG_DIFF_SHIFT, memory(scale_desc, engine()));
  return back.run();
}

static const auto kAffine =
    dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift;

static Run layer_norm(std::istringstream& words) {
  std::string direction;
  int rows, features;
  words >> direction >> rows >> features;
  const auto desc = described({rows, features}, Tag::ab);
  return normalization<dnnl::layer_normalization_forward, dnnl::layer_normalization_backward>(
      direction, desc, {prop_kind::forward_training, desc, 1e-5f, kAffine},
      {prop_kind::backward, desc, desc, 1e-5f, kAffine});
}

static Run batch_norm(std::istringstream& words) {
  std::string direction;
  Dims dims(4);
  words >> direction;
  for (auto& dim : dims) words >> dim;
  const auto desc = described(dims);
  return normalization<dnnl::batch_normalization_forward, dnnl::batch_normalization_backward>(
      direction, desc, {prop_kind::forward_training, desc, 1e-5f, kAffine},
      {prop_kind::backward, desc, desc, 1e-5f, kAffine});
}

static Run prepare(std::istringstream& words, int threads) {
  omp_set_num_threads(threads);
  std::string kind;
  words >> kind;
  if (kind == "matmul") return matmul(words, Type::f32, Type::f32, Type::f32);
  if (kind == "int8_matmul") return matmul(words, Type::u8, Type::s8, Type::s32);
  if (kind == "conv2d") return conv2d(words);
  if (kind == "max_pool2d") return max_pool2d(words);
  if (kind == "relu") return elementwise(words, dnnl::algorithm::eltwise_relu);
  if (kind == "gelu") return elementwise(words, dnnl::algorithm::eltwise_gelu_erf);
  if (kind == "softmax") return softmax(words);
  if (kind == "layer_norm") return layer_norm(words);
  if (kind == "batch_norm") return batch_norm(words);
  throw std::invalid_argument("no such case: " + kind);
}

int main(int argc, char**) {
  const dnnl_version_t& v = *dnnl_version();
  std::ostringstream version;
  version << v.major << '.' << v.minor << '.' << v.patch;
  return serve(argc, version.str(), prepare);
}
