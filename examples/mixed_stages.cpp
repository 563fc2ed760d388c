// Mixes reversible blocks with ordinary layers, and prints the bytes that each layer stores.
#include <iostream>
#include <retrace/retrace.hpp>

using namespace retrace;
using Net = Chain<float, Cpu>;

namespace {

/// Builds couplings at 32 x 32, then a max pooling and a convolution, then couplings at 16 x 16.
/// The pooling and the convolution have no inverse, so they store their inputs. A chain detects
/// which of its layers have an inverse.
Net mixed_net(Cpu& device) {
  Blocks make(device);
  Net net;
  net.add("stem", make.conv(3, 32));
  for (const char* name : {"level1.block0", "level1.block1", "level1.block2"})
    net.add(name, make.coupling(32));
  net.add("pool", make.max_pooling()).add("widen", make.norm_act_conv(32, 64));
  for (const char* name : {"level2.block0", "level2.block1", "level2.block2"})
    net.add(name, make.coupling(64));
  net.add("norm", make.norm(64)).add("average", make.average());
  net.add("linear", make.linear(64, 10));
  return net;
}

void choose_reversible(Net& net) { net.set_mode(Mode::reversible); }
/// Sets the mode of single layers: the small level stores its activations and is not evaluated
/// again.
void choose_second_level_stored(Net& net) {
  net.set_mode(Mode::reversible);
  for (std::size_t i = 0; i < net.size(); ++i)
    if (net.name(i).starts_with("level2.")) net.set_mode(i, Mode::stored);
}
void choose_stored(Net& net) { net.set_mode(Mode::stored); }

}  // namespace

int main() {
  Cpu device;
  Net net = mixed_net(device);
  const ImageSet images = synthetic_images(32, /*seed=*/1);
  const std::vector<Index> all = shuffled(images.size(), /*seed=*/1, /*epoch=*/0);

  std::size_t kept_before = 0;
  bool as_predicted = true, rising = true;
  for (const auto choose : {choose_reversible, choose_second_level_stored, choose_stored}) {
    choose(net);
    auto [x, labels] = load_batch<float>(device, images, all, pixel_statistics(images));
    const Summary table = summary(net, device, x.shape());
    std::cout << table;
    rising = rising && table.kept() > kept_before;
    kept_before = table.kept();

    accumulate_gradients(net, x, cross_entropy(labels));  // the first step creates buffers
    const PeakMemory predicted = peak_memory(net, device, x.shape());
    device.memory().restart_peak();
    accumulate_gradients(net, x, cross_entropy(labels));
    const Bytes& peak = device.memory().peak();
    // The prediction includes a batch of its own in addition to the existing one.
    const std::size_t batch = static_cast<std::size_t>(x.shape().size()) * sizeof(float);
    as_predicted = as_predicted && peak.total() + batch == predicted.bytes.total();
    std::cout << "peak of a step " << format_bytes(double(peak.total())) << ", in "
              << device.memory().peak_place() << "\n\n";
  }
  return as_predicted && rising ? 0 : 1;
}
