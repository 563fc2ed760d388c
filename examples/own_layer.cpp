// Defines an invertible layer, checks it against the contract of a layer, and trains it.
#include <cmath>
#include <iostream>
#include <retrace/check.hpp>
#include <retrace/retrace.hpp>

using namespace retrace;

namespace {

/// y = exp(s)·x with one s per channel: the scale of an ActNorm (Kingma and Dhariwal 2018, §3.1).
///
/// Inverse   x = exp(−s)·y.
/// Backward  dx = exp(s)·dy,  ds += Σ dy·y.
/// Stores    nothing.
template <class T>
class ChannelScale {
 public:
  using State = Tensor<T, Cpu>;
  using Gradient = State;

  ChannelScale(Cpu& device, Index channels)
      : log_scale_(device, per_channel(channels), /*decay=*/false) {}

  /// Checks the input shape and returns the output shape. A chain calls this for all its layers
  /// before any of them runs.
  Shape output_shape(Shape x) const {
    require_channels("ChannelScale", "x", x, log_scale_.value.shape().c);
    return x;
  }

  void forward(State& x, Run) { scale(x, 1); }
  void inverse(State& y, Run) { scale(y, -1); }
  void backward(State& y, Gradient& dy) {
    require_same_shape("ChannelScale", "y", y.shape(), "dy", dy.shape());
    log_scale_.accumulate([&](View<T, Cpu> ds) {
      T* to = ds.data();
      const T *from = y.data(), *dfrom = dy.data();
      const Index channels = y.shape().c, size = y.shape().size();
      // Each thread processes its own channels, so the order of a sum does not depend on threads.
      y.device().parallel(channels, {}, [=](Index first, Index last, int) {
        for (Index at = 0; at < size; at += channels)
          for (Index c = first; c < last; ++c) to[c] += dfrom[at + c] * from[at + c];
      });
    });
    scale(dy, 1);
    scale(y, -1);
  }

  /// Gives the optimizer, checkpoints and freeze() access to the parameter.
  template <class V>
  void inside(V visit) {
    visit("log_scale", log_scale_);
  }

 private:
  /// Uses for_each_pixel and `parallel`, which run no loop on a dry device. A dry device predicts
  /// memory and has no elements.
  void scale(State& x, T sign) const {
    const Index channels = output_shape(x.shape()).c;
    const T* s = log_scale_.value.data();
    cpu::for_each_pixel(x.view(), [=](T* pixel) {
      for (Index c = 0; c < channels; ++c) pixel[c] *= std::exp(sign * s[c]);
    });
  }

  Parameter<T, Cpu> log_scale_;
};

}  // namespace

int main() {
  // Compares the inverse with the input and gradients with finite differences, and tests an empty
  // batch, a batch with a NaN, frozen parameters, a dry device and more. Returns one finding for
  // each violation of the contract. Tolerances are in roundings.
  const auto make = []<class T>(Cpu& device) { return ChannelScale<T>(device, 6); };
  const contract::Findings findings = contract::check_layer(
      make, {{3, 5, 4, 6}, {1, 1, 7, 6}}, {.inverse = 4, .restored = 4, .added = 4});
  std::cout << findings << findings.size() << " findings\n";

  // In a chain the layer is used like any other.
  Cpu device;
  Blocks blocks(device);
  Chain<float, Cpu> net;
  net.add("stem", blocks.conv(3, 8));
  net.add("scale1", ChannelScale<float>(device, 8)).add("block1", blocks.coupling(8));
  net.add("scale2", ChannelScale<float>(device, 8)).add("block2", blocks.coupling(8));
  net.add("average", GlobalAverage<float, Cpu>()).add("linear", blocks.linear(8, 10));
  std::cout << summary(net, device, {32, 32, 32, 3});

  Sgd<float, Cpu> optimizer(net.parameters(), {.momentum = 0.9});
  const ImageSet images = synthetic_images(32, /*seed=*/1);
  const std::vector<Index> all = shuffled(images.size(), /*seed=*/1, /*epoch=*/0);
  double first = 0, last = 0;
  for (int step = 0; step < 20; ++step) {
    auto [x, labels] = load_batch<float>(device, images, all, pixel_statistics(images));
    last = accumulate_gradients(net, x, cross_entropy(labels)).mean();
    if (step == 0) first = last;
    optimizer.step(0.05);
  }
  std::cout << "loss " << first << ", after 20 steps on one batch " << last << '\n';
  return findings.empty() && last < first ? 0 : 1;
}
