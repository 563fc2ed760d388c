// Compares the predicted memory, the measured memory and the time of one network in three modes.
#include <chrono>
#include <cstdio>
#include <retrace/retrace.hpp>

using namespace retrace;
using Net = Chain<float, Cpu>;

namespace {

constexpr Shape images{64, 32, 32, 3};

struct Choice {
  const char* name;
  void (*set)(Net&);
};
constexpr Choice choices[] = {
    {"stored", [](Net& net) { net.set_mode(Mode::stored); }},
    {"checkpoint", [](Net& net) { net.checkpoint_sqrt(); }},
    {"reversible", [](Net& net) { net.set_mode(Mode::reversible); }},
};

double milliseconds_of_step(Net& net, Sgd<float, Cpu>& optimizer,
                            LabelledBatch<float, Cpu>& batch) {
  const auto start = std::chrono::steady_clock::now();
  accumulate_gradients(net, batch.x, cross_entropy(batch.labels));
  optimizer.step(0.01);
  const auto end = std::chrono::steady_clock::now();
  return std::chrono::duration<double, std::milli>(end - start).count();
}

/// Returns the shortest time of a few steps after a warm-up step.
double shortest_step(Net& net, Sgd<float, Cpu>& optimizer, LabelledBatch<float, Cpu>& batch) {
  milliseconds_of_step(net, optimizer, batch);
  double shortest = milliseconds_of_step(net, optimizer, batch);
  for (int step = 0; step < 4; ++step)
    shortest = std::min(shortest, milliseconds_of_step(net, optimizer, batch));
  return shortest;
}

double megabytes(const Bytes& bytes) { return static_cast<double>(bytes.total()) / 1e6; }

}  // namespace

int main() {
  Cpu device;
  Net net = revnet<float>(device);
  Sgd<float, Cpu> optimizer(net.parameters(), {});
  const ImageSet set = synthetic_images(images.n, /*seed=*/1);
  const auto order = shuffled(images.n, /*seed=*/1, /*epoch=*/0);

  std::printf("A RevNet on %s:\n", to_string(images).c_str());
  std::printf("%-12s %18s %18s %12s\n", "mode", "predicted peak", "measured peak", "step");
  for (const Choice& choice : choices) {
    choice.set(net);
    const PeakMemory predicted = peak_memory(net, device, images);

    device.memory().restart_peak();
    auto batch = load_batch<float>(device, set, order, pixel_statistics(set));
    const double time = shortest_step(net, optimizer, batch);
    std::printf("%-12s %15.1f MB %15.1f MB %9.0f ms\n", choice.name, megabytes(predicted.bytes),
                megabytes(device.memory().peak()), time);
  }
}
