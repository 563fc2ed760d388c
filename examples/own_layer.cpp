// An invertible layer of one's own: written, checked against the contract of a layer, trained.
#include <cmath>
#include <iostream>
#include <retrace/check.hpp>
#include <retrace/retrace.hpp>

using namespace retrace;

namespace {

/// y = exp(s)·x with one s a channel: the scale of an ActNorm (Kingma and Dhariwal 2018, §3.1).
///
/// Inverse   x = exp(−s)·y.
/// Backward  dx = exp(s)·dy,  ds = Σ dy·y.
/// Stores    nothing.
template <class T>
class ChannelScale {
 public:
  using State = Tensor<T, Cpu>;
  using Gradient = State;

  ChannelScale(Cpu& device, Index channels)
      : log_scale_(device, per_channel(channels), /*decay=*/false) {}

  void forward(State& x, Run) { scale(x, 1); }
  void inverse(State& y, Run) { scale(y, -1); }
  void backward(State& y, Gradient& dy) {
    require_same_shape("ChannelScale::backward", "y", y.shape(), "dy", dy.shape());
    if (log_scale_.adds != Adds::none) {
      T* ds = log_scale_.accumulator().data();
      for (Index i = 0; i < y.shape().size(); ++i)
        ds[i % y.shape().c] += dy.data()[i] * y.data()[i];
      log_scale_.complete();
    }
    scale(dy, 1);
    scale(y, -1);
  }

  /// The optimizer finds the parameter by this.
  void collect(const std::string& prefix, ParameterList<T, Cpu>& list) {
    list.add(joined(prefix, "log_scale"), log_scale_);
  }

 private:
  void scale(State& x, T sign) const {
    const Index channels = x.shape().c;
    require_channels("ChannelScale", "x", x.shape(), log_scale_.value.shape().c);
    const T* s = log_scale_.value.data();
    cpu::for_each_pixel(x.view(), [=](T* pixel) {
      for (Index c = 0; c < channels; ++c) pixel[c] *= std::exp(sign * s[c]);
    });
  }

  Parameter<T, Cpu> log_scale_;
};

}  // namespace

int main() {
  // The inverse, gradients beside differences, what is left behind, an empty batch, and more: the
  // findings say what is not as it should be. Tolerances are in roundings.
  const auto make = []<class T>(Cpu& device) { return ChannelScale<T>(device, 6); };
  const check::Findings findings = check::check_layer(make, {{3, 5, 4, 6}, {1, 1, 7, 6}},
                                                      {.inverse = 4, .restored = 4, .added = 4});
  std::cout << findings << findings.size() << " findings\n";

  // In a chain it is a layer like any other.
  Cpu device;
  Blocks<float, Cpu> blocks(device, NetOptions{});
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
    auto [x, labels] = load_batch<float>(device, images, all, normalisation(images));
    last = accumulate_gradients(net, x, cross_entropy(labels)).mean();
    if (step == 0) first = last;
    optimizer.step(0.05);
  }
  std::cout << "loss " << first << ", after 20 steps on one batch " << last << '\n';
  return findings.empty() && last < first ? 0 : 1;
}
