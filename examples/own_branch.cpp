// A coupling around functions of one's own: F has no inverse, and needs none.
#include <cmath>
#include <iostream>
#include <retrace/check.hpp>
#include <retrace/retrace.hpp>

using namespace retrace;

namespace {

/// H(x) = a·sin(x) with one a a channel.
template <class T>
class Sine {
 public:
  using State = Tensor<T, Cpu>;
  using Gradient = State;

  Sine(Cpu& device, Index channels) : amplitude_(device, per_channel(channels), /*decay=*/true) {
    fill(amplitude_.value.view(), T(0.5));
  }

  /// target =, += or −= H(source). What differentiate needs beside the source would be kept here.
  void add_to(View<T, Cpu> target, View<const T, Cpu> source, Run, Store how) {
    require_same_shape("Sine::add_to", "target", target.shape(), "source", source.shape());
    const T* a = amplitude_.value.data();
    const Index channels = source.shape().c;
    cpu::for_each_pixel(
        target,
        [=](T* to, const T* x) {
          for (Index c = 0; c < channels; ++c) store(to[c], a[c] * std::sin(x[c]), how);
        },
        source);
  }

  /// dsource += a·cos(source)·dtarget,  da += Σ sin(source)·dtarget.
  void differentiate(View<const T, Cpu> source, View<const T, Cpu> dtarget, View<T, Cpu> dsource) {
    const T* a = amplitude_.value.data();
    const Index channels = source.shape().c;
    cpu::for_each_pixel(
        dsource,
        [=](T* dx, const T* x, const T* dy) {
          for (Index c = 0; c < channels; ++c) dx[c] += a[c] * std::cos(x[c]) * dy[c];
        },
        source, dtarget);
    if (amplitude_.adds == Adds::none) return;
    T* da = amplitude_.accumulator().data();
    for (Index pixel = 0; pixel < source.shape().pixels(); ++pixel)
      for (Index c = 0; c < channels; ++c)
        da[c] += std::sin(source.pixel(pixel)[c]) * dtarget.pixel(pixel)[c];
    amplitude_.complete();
  }

  void collect(const std::string& prefix, ParameterList<T, Cpu>& list) {
    list.add(joined(prefix, "amplitude"), amplitude_);
  }

 private:
  Parameter<T, Cpu> amplitude_;
};

/// y₁ = x₁ + sine(x₂),  y₂ = x₂ + convolutions(y₁).
auto block(Cpu& device, Blocks<float, Cpu>& make, Index channels) {
  const Index half = channels / 2;
  auto convolution = make.norm_act_conv(half, half);
  StackBranch g(std::move(convolution), make.norm_act_conv(half, half));
  return AdditiveCoupling(Sine<float>(device, half), std::move(g));
}

}  // namespace

int main() {
  const auto make = []<class T>(Cpu& device) { return Sine<T>(device, 5); };
  const check::Findings findings = check::check_branch(make, {{3, 4, 6, 5}, {1, 1, 7, 5}},
                                                       {.inverse = 4, .restored = 4, .added = 4});
  std::cout << findings << findings.size() << " findings\n";

  Cpu device;
  Blocks<float, Cpu> blocks(device, NetOptions{});
  Chain<float, Cpu> net;
  net.add("stem", blocks.conv(3, 16));
  net.add("block1", block(device, blocks, 16)).add("block2", block(device, blocks, 16));
  net.add("average", GlobalAverage<float, Cpu>()).add("linear", blocks.linear(16, 10));

  // Of the blocks nothing is kept; the gradients are those of stored activations all the same.
  const ImageSet images = synthetic_images(16, /*seed=*/1);
  const std::vector<Index> all = shuffled(images.size(), /*seed=*/1, /*epoch=*/0);
  const auto [x, labels] = load_batch<float>(device, images, all, normalisation(images));
  std::cout << summary(net, device, x.shape());
  const StoredComparison comparison = compare_with_stored(net, x, cross_entropy(labels));
  std::cout << "relative difference from a stored step:\n" << comparison;
  return findings.empty() && comparison.worst() < 1e-4 ? 0 : 1;
}
