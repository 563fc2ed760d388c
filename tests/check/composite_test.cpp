// Composites of one's own: what inside() does for them, and what happens without it.
#include "retrace/layer/affine_coupling.hpp"
#include "retrace/layer/conv2d.hpp"
#include "retrace/layer/norm_act_conv.hpp"
#include "retrace/net/chain.hpp"
#include "support/branches.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

template <class T>
AdditiveCoupling<Branch<T, Cpu>> coupling(Cpu& device, Random& random) {
  const auto branch = [&] {
    NormActConv<T, Cpu> first(device, 3, 3, random);
    return branch_of(std::move(first), NormActConv<T, Cpu>(device, 3, 3, random));
  };
  auto f = branch();
  return {std::move(f), branch()};
}

/// Two layers, one after the other.
template <class T>
struct Pair {
  using State = Tensor<T, Cpu>;
  using Gradient = State;
  AdditiveCoupling<Branch<T, Cpu>> first, second;

  Shape output_shape(Shape x) const { return second.output_shape(first.output_shape(x)); }
  void forward(State& x, Run run) {
    first.forward(x, run);
    run.restore = true;
    second.forward(x, run);
  }
  void inverse(State& y, Run run) {
    second.inverse(y, run);
    first.inverse(y, run);
  }
  void backward(State& y, Gradient& dy) {
    second.backward(y, dy);
    first.backward(y, dy);
  }
  bool reads_output() const { return second.reads_output(); }
};
template <class T>
struct Composite : Pair<T> {
  template <class V>
  void inside(V visit) {
    visit("first", this->first);
    visit("second", this->second);
  }
};
template <class T>
struct NamesHalf : Pair<T> {
  template <class V>
  void inside(V visit) {
    visit("first", this->first);
  }
};
template <class T>
struct NamesNothing : Pair<T> {
  template <class V>
  void inside(V) {}
};
template <template <class> class Kind, class T>
Kind<T> pair(Cpu& device) {
  Random random(1);
  auto first = coupling<T>(device, random);
  return {{std::move(first), coupling<T>(device, random)}};
}

template <class N>
concept Addable = requires(Chain<float, Cpu> chain, N node) {
  chain.add("layer", std::move(node));
};

// A composite that forgets inside() does not compile where it is used.
static_assert(!Layer<Pair<float>> && !Addable<Pair<float>>);
static_assert(!std::constructible_from<AnyLayer<float>, Pair<float>>);
static_assert(Layer<Composite<float>> && Addable<Composite<float>>);

struct StageWithoutParts {
  using State = Tensor<float, Cpu>;
  using Gradient = State;
  Shape output_shape(Shape x) const { return x; }
  void apply(View<float, Cpu>, View<const float, Cpu>, Run, Store) {}
  void gradient(View<const float, Cpu>, View<const float, Cpu>, View<float, Cpu>, Store) {}
};
struct StageOfParts : StageWithoutParts {
  template <class V>
  void inside(V) {}
};
static_assert(!Stage<StageWithoutParts> && !Addable<StageWithoutParts>);
static_assert(Stage<StageOfParts> && Addable<StageOfParts>);

}  // namespace

TEST_CASE("a composite of one's own keeps the contract in every mode") {
  const auto make = []<class T>(Cpu& device) { return pair<Composite, T>(device); };
  CHECK(check_layer(make, {{2, 5, 3, 6}}, {.inverse = 64, .restored = 64, .agreement = 4096}) ==
        "");
}

TEST_CASE("the modes of what is inside a composite change what is held") {
  Cpu device;
  AnyLayer<double> layer = pair<Composite, double>(device);
  const auto x = normal<double>(device, {2, 5, 3, 6});
  CHECK(kept_bytes(layer, x) == 0);
  layer.set_mode(Mode::stored);
  CHECK(kept_bytes(layer, x) == 2 * 5 * (2 * 5 * 3 * 3) * sizeof(double));
  layer.set_mode(Mode::chunked);
  CHECK(kept_bytes(layer, x) == 0);
}

TEST_CASE("a composite that does not visit every part is noticed") {
  const auto nothing = []<class T>(Cpu& device) { return pair<NamesNothing, T>(device); };
  const auto half = []<class T>(Cpu& device) { return pair<NamesHalf, T>(device); };
  // A branch of two stages: 2 kernels of 9·3·3 weights and 2 normalisations of 4·3 values.
  CHECK(check_layer(nothing, {{2, 5, 3, 6}}, {}) ==
        "inside() visits 0 of the 5952 bytes of parameters and buffers: it must visit every "
        "part\n");
  CHECK(check_layer(half, {{2, 5, 3, 6}}, {}) ==
        "inside() visits 2976 of the 5952 bytes of parameters and buffers: it must visit every "
        "part\n");
}
