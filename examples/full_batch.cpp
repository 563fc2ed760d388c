// Runs one training step of the hybrid network on all of CIFAR-10's training images at once, within
// 16 GB. Every normalisation uses the statistics of all 50,000 images.
//
//   full_batch                  50,000 synthetic images
//   full_batch --data DIR       CIFAR-10 in its binary layout
//   full_batch --images 5000    the first 5000 images
#include <chrono>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <optional>
#include <retrace/retrace.hpp>
#include <string>

using namespace retrace;
using Net = Chain<float, Cpu>;

namespace {

constexpr double gigabyte = 1e9;

struct Options {
  std::string data;
  Index images = 50'000;
};

/// @throws std::invalid_argument if an option is invalid; the message lists the valid ones.
Options parse(int count, char** arguments) {
  const std::string usage = "usage: full_batch [--data DIR] [--images N], N from 2 to 50000";
  Options options;
  for (int i = 1; i < count; i += 2) {
    const std::string name = arguments[i];
    if (i + 1 == count) throw std::invalid_argument(usage);
    const std::string value = arguments[i + 1];
    if (name == "--data") {
      options.data = value;
    } else if (name == "--images" && value.size() < 6 &&
               value.find_first_not_of("0123456789") == std::string::npos) {
      options.images = std::stol(value);
    } else {
      throw std::invalid_argument(usage);
    }
  }
  if (options.images < 2 || options.images > 50'000) throw std::invalid_argument(usage);
  return options;
}

/// Returns the peak resident memory of the process, or 0 if the operating system does not report
/// it.
double resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return 1024 * std::stod(line.substr(6));
  return 0;
}

/// Prints one line for each layer that a pass has finished.
class Progress {
 public:
  explicit Progress(std::size_t layers) : layers_(layers) {}

  void operator()(const Net::Visit& visit) {
    ++done_;
    std::printf("%6.0f s  %2zu/%zu  %s %s, %.2f GB resident at most\n", seconds(), done_,
                2 * layers_, visit.pass == Net::Pass::forward ? "forward " : "backward",
                visit.layer.c_str(), resident_bytes() / gigabyte);
    std::fflush(stdout);
  }
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::size_t layers_, done_ = 0;
};

double total_gigabytes(const Bytes& bytes) { return static_cast<double>(bytes.total()) / gigabyte; }

void run(const Options& options) {
  const ImageSet set = options.data.empty() ? synthetic_images(options.images, /*seed=*/1)
                                            : read_cifar10_training(options.data);
  std::vector<Index> all(static_cast<std::size_t>(options.images));
  std::iota(all.begin(), all.end(), Index{0});

  Cpu device;
  Net net = hybrid<float>(device);
  net.set_mode(Mode::chunked);
  Sgd<float, Cpu> optimizer(net.parameters(), {.momentum = 0.9, .weight_decay = 5e-4});
  const Shape shape{options.images, set.height, set.width, set.channels};
  const PeakMemory predicted = peak_memory(net, device, shape);
  std::printf("%zu %s images%s as one batch: %.2f GB predicted, at the peak in %s\n", all.size(),
              set.name.c_str(), set.synthetic ? ", drawn by the program," : "",
              total_gigabytes(predicted.bytes), predicted.place.c_str());

  device.memory().restart_peak();
  Progress progress(net.size());
  net.observe([&](const Net::Visit& visit) { progress(visit); });
  auto [x, labels] = load_batch<float>(device, set, all, pixel_statistics(set));
  const LossValue loss = accumulate_gradients(net, x, cross_entropy(labels));
  optimizer.step(0.1);
  std::printf("loss %.4f, %td of %td right; %.0f s, %.2f GB by the meter, %.2f GB resident\n",
              loss.mean(), static_cast<std::ptrdiff_t>(loss.correct),
              static_cast<std::ptrdiff_t>(loss.count), progress.seconds(),
              total_gigabytes(device.memory().peak()), resident_bytes() / gigabyte);
}

}  // namespace

int main(int count, char** arguments) {
  try {
    run(parse(count, arguments));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "full_batch: %s\n", error.what());
    return 2;
  }
}
