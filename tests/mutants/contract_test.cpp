// The checks of layers on layers that are broken on purpose: each must be refused,
// and the same layer without the bug accepted.
#include "support/contract.hpp"

#include "retrace/layer/additive_coupling.hpp"
#include "retrace/layer/batch_norm.hpp"
#include "retrace/layer/conv2d.hpp"
#include "retrace/layer/max_pooling.hpp"
#include "retrace/layer/norm_act_conv.hpp"
#include "support/branches.hpp"
#include "support/catch.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

constexpr Shape shape{3, 5, 4, 6};

Tensor<double, Cpu> input(Cpu& device) { return spread<double>(device, shape); }

template <class T>
void multiply(View<T, Cpu> x, double factor) {
  for (Index i = 0; i < x.shape().size(); ++i) x.data()[i] *= static_cast<T>(factor);
}
template <class T>
void multiply(Tensor<T, Cpu>& x, double factor) {
  multiply(x.view(), factor);
}

/// A convolution whose gradients are multiplied by what should be 1.
struct ScaledConv {
  using State = Tensor<double, Cpu>;
  using Gradient = State;
  Conv2d<double, Cpu> conv;
  double dx_factor = 1, dw_factor = 1;

  Shape output_shape(Shape x) const { return conv.output_shape(x); }
  void apply(View<double, Cpu> y, View<const double, Cpu> x, Run run, Store how) {
    conv.apply(y, x, run, how);
  }
  void gradient(View<const double, Cpu> x, View<const double, Cpu> dy, View<double, Cpu> dx,
                Store) {
    conv.gradient(x, dy, dx, Store::set);
    multiply(dx, dx_factor);
    multiply(conv.weight().gradient, dw_factor);
  }
  template <class V>
  void inside(V visit) {
    visit("", conv);
  }
};

ScaledConv scaled_conv(Cpu& device, double dx_factor, double dw_factor) {
  Random random(1);
  return {Conv2d<double, Cpu>(device, 6, 5, random), dx_factor, dw_factor};
}

/// Batch normalisation without scale and shift, with or without the term z·mean(dy·z).
struct PlainNorm {
  using State = Tensor<double, Cpu>;
  using Gradient = State;
  bool complete;
  std::optional<State> z, inverse_deviation, x0;

  Shape output_shape(Shape x) const { return x; }
  void forward(State& x, Run run) {
    const Index channels = x.shape().c;
    x0 = clone(x);
    State mean(x.device(), per_channel(channels)), variance = clone(mean);
    channel_moments(std::as_const(x).view(), mean.view(), variance.view());
    for (Index c = 0; c < channels; ++c)
      variance.data()[c] = 1 / std::sqrt(variance.data()[c] + 1e-5);
    for (Index i = 0; i < x.shape().size(); ++i)
      x.data()[i] = (x.data()[i] - mean.data()[i % channels]) * variance.data()[i % channels];
    z = clone(x);
    inverse_deviation = std::move(variance);
    if (!run.keep) on_abandon();
  }
  void backward(State& y, Gradient& dy) {
    const Index channels = y.shape().c;
    const double count = static_cast<double>(y.shape().pixels());
    Values g(static_cast<std::size_t>(channels), 0.0), gz = g;
    for (Index i = 0; i < y.shape().size(); ++i) {
      const auto c = static_cast<std::size_t>(i % channels);
      g[c] += dy.data()[i] / count;
      gz[c] += dy.data()[i] * z->data()[i] / count;
    }
    for (Index i = 0; i < y.shape().size(); ++i) {
      const auto c = static_cast<std::size_t>(i % channels);
      dy.data()[i] = inverse_deviation->data()[c] *
                     (dy.data()[i] - g[c] - (complete ? z->data()[i] * gz[c] : 0));
    }
    y = std::move(*x0);
    on_abandon();
  }
  template <class V>
  void inside(V) {}
  void on_abandon() {
    z.reset();
    inverse_deviation.reset();
    x0.reset();
  }
};

/// The coupling, with the run and the sign of its second evaluation to be chosen.
struct Coupling {
  using State = Tensor<double, Cpu>;
  using Gradient = State;
  using H = NormActConv<double, Cpu>;
  H f, g;
  Run again = replay(training);
  Store how = Store::subtract;

  Shape output_shape(Shape x) const { return x; }
  void forward(State& x, Run run) {
    auto [x1, x2] = halves(x.view());
    f.apply(x1, x2, preview(run), Store::add);
    g.apply(x2, x1, preview(run), Store::add);
  }
  void backward(State& y, Gradient& dy) {
    auto [y1, y2] = halves(y.view());
    auto [dy1, dy2] = halves(dy.view());
    g.apply(y2, y1, again, how);
    g.gradient(y1, dy2, dy1, Store::add);
    f.apply(y1, y2, again, how);
    f.gradient(y2, dy1, dy2, Store::add);
  }
  template <class V>
  void inside(V visit) {
    visit("f", f);
    visit("g", g);
  }
};

Coupling coupling(Cpu& device, Run again, Store how) {
  Random random(1);
  Coupling::H f(device, 3, 3, random);
  return {std::move(f), Coupling::H(device, 3, 3, random), again, how};
}

/// Max pooling that, if asked to, sends gradients to the mirrored pixel of a window.
struct Pooling {
  using State = Tensor<double, Cpu>;
  using Gradient = State;
  bool swapped;
  std::optional<Tensor<std::uint8_t, Cpu>> largest;
  std::optional<State> x0;

  Shape output_shape(Shape x) const { return {x.n, x.h / 2, x.w / 2, x.c}; }
  template <class V>
  void inside(V) {}
  void forward(State& x, Run) {
    State y(x.device(), {x.shape().n, x.shape().h / 2, x.shape().w / 2, x.shape().c});
    largest.emplace(x.device(), y.shape());
    max_pool(y.view(), largest->view(), x.view());
    x0 = std::move(x);
    x = std::move(y);
  }
  void backward(State& y, Gradient& dy) {
    if (swapped)
      for (Index i = 0; i < largest->shape().size(); ++i) {
        std::uint8_t& at = largest->data()[i];
        at = at == 1 ? 2 : at == 2 ? 1 : at;
      }
    Gradient dx(dy.device(), x0->shape());
    max_pool_backward(dx.view(), dy.view(), largest->view());
    dy = std::move(dx);
    y = std::move(*x0);
  }
};

/// y = s·x, with an epsilon that the way back may have alone.
template <class T>
struct Scale {
  using State = Tensor<T, Cpu>;
  using Gradient = State;
  double s = 0.75, epsilon = 0;

  Shape output_shape(Shape x) const { return x; }
  template <class V>
  void inside(V) {}
  void forward(State& x, Run) { multiply(x, s); }
  void inverse(State& y, Run) { multiply(y, 1 / (s + epsilon)); }
  void backward(State& y, Gradient& dy) {
    inverse(y, training);
    multiply(dy, s);
  }
};

/// A layer with a parameter and a running average that can misbehave in other ways.
struct Careless {
  using State = Tensor<double, Cpu>;
  using Gradient = State;
  enum Bug { none, overwrites, leaks, drifts, counts_inference, other_gradient_unless_restored };
  std::shared_ptr<Parameter<double, Cpu>> shift;
  std::shared_ptr<Tensor<double, Cpu>> average;
  Bug bug;
  std::vector<State> leaked;
  double calls = 0;
  bool restore = true;

  Careless(Cpu& device, Bug which)
      : shift(std::make_shared<Parameter<double, Cpu>>(device, per_channel(1), false)),
        average(std::make_shared<Tensor<double, Cpu>>(device, per_channel(1), Use::parameter)),
        bug(which) {
    average->data()[0] = 1;
  }
  void forward(State& x, Run run) {
    restore = run.restore;
    if (run.update_running || bug == counts_inference) average->data()[0] *= 0.9;
    const double by = shift->value.data()[0] + (bug == drifts ? 1e-13 * ++calls : 0);
    for (Index i = 0; i < x.shape().size(); ++i) x.data()[i] += by;
    if (bug == leaks && run.keep) leaked.push_back(clone(x, Use::stash));
  }
  void backward(State& y, Gradient& dy) {
    for (Index i = 0; i < y.shape().size(); ++i) y.data()[i] -= shift->value.data()[0];
    double sum = 0;
    for (Index i = 0; i < dy.shape().size(); ++i) sum += dy.data()[i];
    if (bug == other_gradient_unless_restored && !restore) multiply(dy, 0.5);
    double& gradient = shift->gradient.data()[0];
    gradient = bug == overwrites ? sum : gradient + sum;
  }
  Shape output_shape(Shape x) const { return x; }
  template <class V>
  void inside(V visit) {
    visit("shift", *shift);
    visit("average", *average);
  }
};

/// y = x², whose backward gives the last input back, or the first one.
struct Queue {
  using State = Tensor<double, Cpu>;
  using Gradient = State;
  std::vector<State> inputs{};
  bool first;

  Shape output_shape(Shape x) const { return x; }
  void forward(State& x, Run run) {
    if (run.keep) inputs.push_back(clone(x));
    for (Index i = 0; i < x.shape().size(); ++i) x.data()[i] *= x.data()[i];
  }
  void backward(State& y, Gradient& dy) {
    y = std::move(first ? inputs.front() : inputs.back());
    inputs.clear();
    for (Index i = 0; i < y.shape().size(); ++i) dy.data()[i] *= 2 * y.data()[i];
  }
  void on_abandon() { inputs.clear(); }
  template <class V>
  void inside(V) {}
};

/// y = 2·x by plain loops.
struct Loop {
  using State = Tensor<double, Cpu>;
  using Gradient = State;
  Shape output_shape(Shape x) const { return x; }
  void apply(View<double, Cpu> y, View<const double, Cpu> x, Run, Store) {
    for (Index i = 0; i < x.shape().size(); ++i) y.data()[i] = 2 * x.data()[i];
  }
  void gradient(View<const double, Cpu>, View<const double, Cpu> dy, View<double, Cpu> dx, Store) {
    for (Index i = 0; i < dy.shape().size(); ++i) dx.data()[i] = 2 * dy.data()[i];
  }
  template <class V>
  void inside(V) {}
};

}  // namespace

TEST_CASE("a gradient scaled by 1.001 is refused") {
  Cpu device;
  const auto x = input(device);
  AnyLayer<double> good = scaled_conv(device, 1, 1), dx = scaled_conv(device, 1.001, 1),
                   dw = scaled_conv(device, 1, 1.001);
  CHECK(check_gradients(good, x) == "");
  CHECK(check_taylor(good, x) == "");
  CHECK_THAT(check_gradients(dx, x).text(), containing("dx is") && !containing("weight"));
  CHECK_THAT(check_gradients(dw, x).text(), containing("weight is") && !containing("dx"));
  CHECK_THAT(check_taylor(dx, x).text(), containing("instead of 2"));
  CHECK_THAT(check_taylor(dw, x).text(), containing("instead of 2"));
}

TEST_CASE("a gradient scaled by 1 + 1e-6 is refused") {
  Cpu device;
  AnyLayer<double> layer = scaled_conv(device, 1 + 1e-6, 1);
  CHECK(check_gradients(layer, input(device)) != "");
}

TEST_CASE("a dropped z·mean(dy·z) is refused") {
  Cpu device;
  const auto x = input(device);
  AnyLayer<double> good = PlainNorm{true, {}, {}, {}}, bad = PlainNorm{false, {}, {}, {}};
  CHECK(check_gradients(good, x) == "");
  CHECK(check_taylor(good, x) == "");
  CHECK_THAT(check_gradients(bad, x).text(), containing("dx is"));
  CHECK_THAT(check_taylor(bad, x).text(), containing("instead of 2"));
}

TEST_CASE("a running average that moves again in the replay is refused") {
  Cpu device;
  const auto x = input(device);
  AnyLayer<double> good = coupling(device, replay(training), Store::subtract),
                   bad = coupling(device, {Statistics::recorded, true, true}, Store::subtract),
                   worse = coupling(device, training, Store::subtract);
  CHECK(check_buffers_move_once(good, x) == "");
  // Recorded statistics are not measured, so they cannot move an average; a batch's are.
  CHECK(check_buffers_move_once(bad, x) == "");
  CHECK_THAT(check_buffers_move_once(worse, x).text(), containing("backward moves a buffer"));
}

TEST_CASE("a coupling that adds where it must subtract is refused") {
  Cpu device;
  const auto x = input(device);
  AnyLayer<double> good = coupling(device, replay(training), Store::subtract),
                   bad = coupling(device, replay(training), Store::add);
  CHECK(check_backward_restores_input(good, x, 16) == "");
  CHECK(check_gradients(good, x) == "");
  CHECK_THAT(check_backward_restores_input(bad, x, 16).text(),
             containing("the reconstructed input is off"));
  CHECK(check_gradients(bad, x) != "");
}

TEST_CASE("a swapped pooling index is refused") {
  Cpu device;
  const auto x = spread<double>(device, {2, 4, 6, 3});
  AnyLayer<double> good = Pooling{false, {}, {}}, bad = Pooling{true, {}, {}};
  CHECK(check_gradients(good, x) == "");
  CHECK_THAT(check_gradients(bad, x).text(), containing("dx is"));
}

TEST_CASE("an epsilon only on the way back is refused") {
  Cpu device;
  const auto x = input(device);
  AnyLayer<double> good = Scale<double>{}, bad = Scale<double>{0.75, 1e-12};
  CHECK(check_inverse(good, x, 2) == "");
  CHECK_THAT(check_inverse(bad, x, 2).text(),
             containing("by the batch") && containing("by the averages"));
  CHECK(check_backward_restores_input(bad, x, 2) != "");
}

TEST_CASE("an inverse or a gradient of another shape is refused") {
  struct Reshapes : Scale<double> {
    void inverse(State& y, Run) { y.reshape({1, 1, 1, y.shape().size()}); }
    void backward(State& y, Gradient& dy) {
      inverse(y, training);
      inverse(dy, training);
    }
  };
  Cpu device;
  AnyLayer<double> bad = Reshapes{};
  CHECK_THAT(check_inverse(bad, input(device), 1e9).text(), containing("gives shape 1x1x1x360"));
  CHECK_THAT(check_backward_restores_input(bad, input(device), 1e9).text(),
             containing("1x1x1x360"));
}

TEST_CASE("float that disagrees with double is refused") {
  Cpu device;
  const auto x = spread<float>(device, shape);
  AnyLayer<float> single = Scale<float>{}, off = Scale<float>{0.75 * (1 + 1e-5)};
  AnyLayer<double> exact = Scale<double>{};
  CHECK(check_agreement(single, exact, x, 2) == "");
  CHECK_THAT(check_agreement(off, exact, x, 2).text(),
             containing("y in float") && containing("dx in"));
}

TEST_CASE("gradients that are overwritten, not added, are refused") {
  Cpu device;
  AnyLayer<double> good = Careless(device, Careless::none),
                   bad = Careless(device, Careless::overwrites);
  CHECK(check_gradients_are_added(good, input(device)) == "");
  CHECK(check_gradients_are_added(bad, input(device)) != "");
}

TEST_CASE("a gradient that is never complete, or complete too often, is refused") {
  struct Eager : ScaledConv {
    void gradient(View<const double, Cpu> x, View<const double, Cpu> dy, View<double, Cpu> dx,
                  Store how) {
      ScaledConv::gradient(x, dy, dx, how);
      if (conv.weight().on_complete) conv.weight().on_complete(conv.weight());
    }
  };
  Cpu device;
  AnyLayer<double> good = scaled_conv(device, 1, 1), bad = Careless(device, Careless::none),
                   eager = Eager{scaled_conv(device, 1, 1)};
  CHECK(check_completion(good, input(device)) == "");
  CHECK_THAT(check_completion(bad, input(device)).text(),
             containing("shift is said to be complete 0 times"));
  CHECK_THAT(check_completion(eager, input(device)).text(),
             containing("weight is said to be complete 2 times") &&
                 containing("weight is said to be complete where a part was added"));
}

TEST_CASE("what is left behind is noticed") {
  Cpu device;
  AnyLayer<double> good = Careless(device, Careless::none), bad = Careless(device, Careless::leaks);
  CHECK(check_nothing_is_left(good, input(device)) == "");
  CHECK(kept_bytes(good, input(device)) == 0);
  CHECK_THAT(check_nothing_is_left(bad, input(device)).text(),
             containing("backward leaves something stored") &&
                 containing("abandon leaves something stored"));
  CHECK(kept_bytes(bad, input(device)) == 360 * sizeof(double));
}

TEST_CASE("a layer that gives other bits each time is refused") {
  Cpu device;
  AnyLayer<double> good = Careless(device, Careless::none),
                   bad = Careless(device, Careless::drifts);
  CHECK(check_repeats(good, input(device)) == "");
  CHECK(check_repeats(bad, input(device)) != "");
}

TEST_CASE("an inference that moves an average is refused") {
  Cpu device;
  AnyLayer<double> good = Careless(device, Careless::none),
                   bad = Careless(device, Careless::counts_inference);
  CHECK(check_buffers_move_once(good, input(device)) == "");
  CHECK_THAT(check_buffers_move_once(bad, input(device)).text(), containing("a run that must not"));
}

TEST_CASE("gradients that depend on whether the input is restored are refused") {
  Cpu device;
  AnyLayer<double> bad = Careless(device, Careless::other_gradient_unless_restored);
  CHECK_THAT(check_backward_restores_input(bad, input(device), 16).text(),
             containing("the gradients differ"));
}

TEST_CASE("a step across a kink is avoided, and a function of kinks alone refused") {
  struct Rough : Scale<double> {  // a kink every 1e-6
    void forward(State& x, Run) {
      for (Index i = 0; i < x.shape().size(); ++i)
        x.data()[i] += 1e-6 * std::abs(std::remainder(x.data()[i] * 1e6, 1.0));
    }
  };
  Cpu device;
  AnyLayer<double> rough = Rough{};
  CHECK_THAT(check_gradients(rough, input(device)).text(), containing("every step meets a kink"));
  CHECK_THAT(check_taylor(rough, input(device)).text(), containing("every step meets a kink"));
}

TEST_CASE("a layer that adds to gradients that are not wanted is refused") {
  struct Eager : Careless {  // looks at `adds` alone
    using Careless::Careless;
    void backward(State&, Gradient& dy) {
      if (shift->adds == Adds::none) return;
      shift->accumulator().data()[0] += dy.data()[0];
      if (shift->on_complete) shift->on_complete(*shift);
    }
  };
  Cpu device;
  AnyLayer<double> good = scaled_conv(device, 1, 1), bad = Careless(device, Careless::none),
                   eager = Eager(device, Careless::none);
  CHECK(check_frozen(good, input(device)) == "");
  CHECK(check_frozen(bad, input(device)) ==
        "the gradient of shift is added to although no gradients are requested\n");
  CHECK(check_frozen(eager, input(device)) ==
        "shift is frozen but gets a gradient\nshift is frozen but said to be complete\n");
}

TEST_CASE("averages that move although they are held are refused") {
  struct Restless : Careless, BatchStatistics {
    using Careless::Careless;
    bool is_held = false;
    void gather() override {}
    void settle() override {}
    void release() noexcept override {}
    void fold() override {}
    void exchange_with(StatisticsExchange*) override {}
    void hold(bool to) override { is_held = to; }
    bool held() const override { return is_held; }
  };
  Cpu device;
  Random random(1);
  AnyLayer<double> good = NormActConv<double, Cpu>(device, 6, 5, random),
                   bad = Restless(device, Careless::none);
  CHECK(check_held_averages(good, input(device)) == "");
  CHECK_THAT(check_held_averages(bad, input(device)).text(),
             containing("training moves held averages"));
}

TEST_CASE("a layer that gives back the input of the first of two passes is refused") {
  Cpu device;
  AnyLayer<double> good = Queue{.first = false}, bad = Queue{.first = true};
  CHECK(check_two_passes(good, input(device)) == "");
  CHECK(check_two_passes(bad, input(device)) ==
        "a forward pass without a backward changes the next pass\n");
}

TEST_CASE("a gradient that forward adds to before its backward is refused is noticed") {
  struct Hasty : Careless {
    using Careless::Careless;
    void forward(State& x, Run run) {
      shift->gradient.data()[0] += 1;
      Careless::forward(x, run);
    }
  };
  Cpu device;
  AnyLayer<double> good = Careless(device, Careless::none), bad = Hasty(device, Careless::none);
  CHECK(check_two_passes(good, input(device)) == "");
  CHECK_THAT(check_two_passes(bad, input(device)).text(),
             containing("after another batch, a refused backward adds") &&
                 containing("after an inference, a refused backward adds"));
}

TEST_CASE("a running average that takes a NaN in is refused") {
  struct Trusting : Careless {
    using Careless::Careless;
    void forward(State& x, Run run) {
      if (run.update_running) average->data()[0] += 0.1 * (x.data()[0] - average->data()[0]);
      for (Index i = 0; i < x.shape().size(); ++i) x.data()[i] += shift->value.data()[0];
    }
  };
  Cpu device;
  Random random(1);
  AnyLayer<double> good = NormActConv<double, Cpu>(device, 6, 5, random),
                   bad = Trusting(device, Careless::none);
  CHECK(check_bad_batch(good, input(device)) == "");
  CHECK(check_bad_batch(bad, input(device)) ==
        "a batch with nan makes average nan\na batch with inf makes average inf\n");
}

TEST_CASE("a bad batch that changes the next pass is refused") {
  struct Remembers : Scale<double> {
    bool seen = false;
    void forward(State& x, Run run) {
      Scale<double>::forward(x, run);
      if (seen) multiply(x, 2);
      seen = seen || std::isnan(x.data()[0]);
    }
  };
  Cpu device;
  AnyLayer<double> bad = Remembers{};
  CHECK_THAT(check_bad_batch(bad, input(device)).text(),
             containing("a batch with nan changes the next pass"));
}

TEST_CASE("a plain loop over elements that a dry device does not have is refused") {
  Cpu device;
  AnyLayer<double> good = scaled_conv(device, 1, 1), loop = Loop{},
                   careless = Careless(device, Careless::none);
  randomise(careless);
  const std::size_t before = device.memory().live().total();
  CHECK_THAT(check_rehearsal(loop, input(device)).text(), containing("a rehearsal computes"));
  CHECK_THAT(check_rehearsal(careless, input(device)).text(),
             containing("a rehearsal computes") &&
                 containing("a rehearsal adds to the gradient of shift"));
  CHECK(device.memory().live().total() == before);
}

TEST_CASE("memory that a rehearsal does not predict, and a shape that is not said, are refused") {
  struct Hoards : Scale<double> {
    void forward(State& x, Run) {
      const Shape shape = x.shape();
      if (!x.device().dry()) State more(x.device(), {2 * shape.n, shape.h, shape.w, shape.c});
    }
    void backward(State&, Gradient&) {}
  };
  struct Misleads : Hoards {
    void forward(State&, Run) {}
    Shape output_shape(Shape x) const { return {x.n, x.h, x.w, x.c + 1}; }
  };
  Cpu device;
  AnyLayer<double> hoards = Hoards{}, misleads = Misleads{};
  CHECK(check_rehearsal(hoards, input(device)) ==
        "a rehearsal predicts 5784 bytes, but a pass takes 8664\n");
  CHECK_THAT(check_rehearsal(misleads, input(device)).text(),
             containing("forward gives a 3x5x4x6, output_shape says 3x5x4x7"));
}

TEST_CASE("modes that differ are refused") {
  struct Choosy : Scale<double> {
    Mode mode = Mode::reversible;
    std::optional<State> input{};
    void on_mode(Mode to) { mode = to; }
    bool reads_output() const { return true; }  // in mode stored too: it stores nothing there
    void forward(State& x, Run run) {
      if (mode == Mode::chunked && run.keep) input.emplace(clone(x, Use::stash));
      Scale<double>::forward(x, run);
      if (mode == Mode::inverted) multiply(x, 2);
    }
    void backward(State& y, Gradient& dy) {
      Scale<double>::backward(y, dy);
      input.reset();
    }
    void on_abandon() { input.reset(); }
  };
  Cpu device;
  AnyLayer<double> good = scaled_conv(device, 1, 1), bad = Choosy{{0.7}};
  CHECK(check_modes(good, input(device)) == "");
  CHECK_THAT(check_modes(bad, input(device)).text(),
             containing("mode stored does not restore the input's bits") &&
                 containing("in mode inverted: y differs by 1") &&
                 containing("in mode chunked the layer holds 2880 bytes, but 0 in mode stored"));
}
