// A coupling with a user-defined stage F, which needs no inverse.
#include <cmath>
#include <iostream>
#include <retrace/check.hpp>
#include <retrace/retrace.hpp>

using namespace retrace;

namespace {

/// H(x) = a·sin(x) with one a per channel.
template <class T>
class Sine {
 public:
  using State = Tensor<T, Cpu>;
  using Gradient = State;

  Sine(Cpu& device, Index channels) : amplitude_(device, per_channel(channels), /*decay=*/true) {
    fill(amplitude_.value.view(), T(0.5));
  }

  Shape output_shape(Shape x) const {
    require_channels("Sine", "x", x, amplitude_.value.shape().c);
    return x;
  }

  /// y =, += or −= H(x).
  void apply(View<T, Cpu> y, View<const T, Cpu> x, Run, Store how) {
    require_same_shape("Sine", "y", y.shape(), "x", output_shape(x.shape()));
    const T* a = amplitude_.value.data();
    const Index channels = x.shape().c;
    cpu::for_each_pixel(
        y,
        [=](T* to, const T* from) {
          for (Index c = 0; c < channels; ++c) store(to[c], a[c] * std::sin(from[c]), how);
        },
        x);
  }

  /// dx =, += or −= a·cos(x)·dy,  da += Σ sin(x)·dy.
  void gradient(View<const T, Cpu> x, View<const T, Cpu> dy, View<T, Cpu> dx, Store how) {
    const T* a = amplitude_.value.data();
    const Index channels = x.shape().c;
    cpu::for_each_pixel(
        dx,
        [=](T* to, const T* from, const T* dfrom) {
          for (Index c = 0; c < channels; ++c)
            store(to[c], a[c] * std::cos(from[c]) * dfrom[c], how);
        },
        x, dy);
    amplitude_.accumulate([&](View<T, Cpu> da) {
      // On a dry device, which has no elements, `parallel` runs no loop. Each thread processes its
      // own channels.
      x.device().parallel(channels, {}, [=](Index first, Index last, int) {
        for (Index pixel = 0; pixel < x.shape().pixels(); ++pixel)
          for (Index c = first; c < last; ++c)
            da.data()[c] += std::sin(x.pixel(pixel)[c]) * dy.pixel(pixel)[c];
      });
    });
  }

  /// Gives the optimizer, checkpoints and freeze() access to the parameter.
  template <class V>
  void inside(V visit) {
    visit("amplitude", amplitude_);
  }

 private:
  Parameter<T, Cpu> amplitude_;
};

/// y₁ = x₁ + sine(x₂),  y₂ = x₂ + convolutions(y₁).
auto block(Cpu& device, Blocks<float, Cpu>& make, Index channels) {
  const Index half = channels / 2;
  Branch<float, Cpu> g;
  g.add("conv0", make.norm_act_conv(half, half)).add("conv1", make.norm_act_conv(half, half));
  return AdditiveCoupling(Sine<float>(device, half), std::move(g));
}

}  // namespace

int main() {
  const auto make = []<class T>(Cpu& device) { return Sine<T>(device, 5); };
  const contract::Findings findings = contract::check_branch(
      make, {{3, 4, 6, 5}, {1, 1, 7, 5}}, {.inverse = 4, .restored = 4, .added = 4});
  std::cout << findings << findings.size() << " findings\n";

  Cpu device;
  Blocks blocks(device);
  Chain<float, Cpu> net;
  net.add("stem", blocks.conv(3, 16));
  net.add("block1", block(device, blocks, 16)).add("block2", block(device, blocks, 16));
  net.add("average", GlobalAverage<float, Cpu>()).add("linear", blocks.linear(16, 10));

  // The blocks store nothing. Their gradients equal those of stored activations.
  const ImageSet images = synthetic_images(16, /*seed=*/1);
  const std::vector<Index> all = shuffled(images.size(), /*seed=*/1, /*epoch=*/0);
  const auto [x, labels] = load_batch<float>(device, images, all, pixel_statistics(images));
  std::cout << summary(net, device, x.shape());
  const StoredComparison comparison = compare_with_stored(net, x, cross_entropy(labels));
  std::cout << "relative difference from a stored step:\n" << comparison;
  return findings.empty() && comparison.worst() < 1e-4 ? 0 : 1;
}
