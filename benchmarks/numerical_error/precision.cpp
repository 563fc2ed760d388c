// The error of a state after N blocks forward and back, for each number format of the state.
#include <cmath>
#include <memory>
#include <span>
#include <string>

#include "figure.hpp"

namespace numerical_error {

using namespace retrace;

namespace {

constexpr Shape batch{4, 16, 16, 32};

/// Returns the images that all formats start from.
template <class T>
Tensor<T, Cpu> start(Cpu& device) {
  Tensor<T, Cpu> x(device, batch);
  Random random(1, substream("numerical_error"));
  for (T& value : std::span(x.data(), static_cast<std::size_t>(batch.size())))
    value = static_cast<T>(static_cast<float>(random.normal()));
  return x;
}

/// Returns the decibels after the blocks and their inverses, for a floating-point state in the
/// branches' type.
template <class T>
double floating_ratio(Cpu& device, Index blocks) {
  Blocks<T, Cpu> make(device, NetOptions{});
  Chain<T, Cpu> chain;
  for (Index i = 0; i < blocks; ++i) chain.add("block" + std::to_string(i), make.coupling(batch.c));
  const auto before = start<T>(device);
  auto x = clone(before);
  chain.forward(x, training);
  chain.inverse(x, training);
  return signal_noise(before.view(), x.view()).decibels();
}

/// Returns the decibels for a state with elements E between float branches.
template <class E>
double stored_ratio(Cpu& device, Index blocks, int fraction_bits) {
  Blocks<float, Cpu> make(device, NetOptions{});
  const auto format = std::make_shared<StreamFormat>();
  format->fraction_bits = fraction_bits;
  Chain<float, Cpu, E> chain;
  for (Index i = 0; i < blocks; ++i) {
    auto coupling = make.coupling(batch.c);
    using Rounded = RoundedBranch<Branch<float, Cpu>, E, Cpu>;
    chain.add("block" + std::to_string(i),
              AdditiveCoupling<Rounded>(Rounded(std::move(coupling.f()), format),
                                        Rounded(std::move(coupling.g()), format)));
  }
  const auto image = start<float>(device);
  Tensor<E, Cpu> q(device, batch);
  Tensor<float, Cpu> before(device, batch), after(device, batch);
  store_rounded(q.view(), image.view(), format->step(), Store::set);
  widen(before.view(), std::as_const(q).view(), format->step());
  chain.forward(q, training);
  chain.inverse(q, training);
  widen(after.view(), std::as_const(q).view(), format->step());
  return signal_noise(std::as_const(before).view(), after.view()).decibels();
}

Figure by_depth(const Settings& settings) {
  Cpu device(settings.threads);
  Series of_double{.label = "float64"}, of_float{.label = "float32"},
      of_bfloat16{.label = "bfloat16 state, float32 branches"}, of_fixed32{.label = "fixed32"},
      of_fixed16{.label = "fixed16"};
  bool exact = true;
  for (Index blocks : {1, 2, 5, 10, 20, 50, 100, 200}) {
    const auto depth = static_cast<double>(blocks);
    of_double.add(depth, floating_ratio<double>(device, blocks));
    of_float.add(depth, floating_ratio<float>(device, blocks));
    of_bfloat16.add(depth, stored_ratio<math::Bfloat16>(device, blocks, 0));
    of_fixed32.add(depth, stored_ratio<std::int32_t>(device, blocks, 20));
    of_fixed16.add(depth, stored_ratio<std::int16_t>(device, blocks, 8));
    exact = exact && std::isinf(of_fixed32.y.back()) && std::isinf(of_fixed16.y.back());
  }
  for (Series* each : {&of_fixed32, &of_fixed16})
    each->label += exact ? ": exact at every depth, so no point" : ": NOT exact";
  return {
      "Input reconstructed from the output of a chain of reversible blocks",
      "4 images of 16 x 16, 32 channels, blocks of two normalised 3 x 3 convolutions per branch",
      {{"signal to noise over depth",
        {"blocks", true},
        {"dB"},
        {of_double, of_float, of_bfloat16, of_fixed32, of_fixed16}}}};
}

}  // namespace

std::vector<FigureMaker> precision_figures() {
  return {{"precision", "reconstruction over depth in float64, float32, bfloat16 and fixed point",
           by_depth}};
}

}  // namespace numerical_error
