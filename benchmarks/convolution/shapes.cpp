#include "shapes.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "support/training.hpp"

namespace convolution {

using namespace retrace;

namespace {

/// Records every convolution and leaves it to the device.
class Recorder : public ConvolutionBackend {
 public:
  bool convolve(Out, In x, In w, Index stride, const Prologue*, Store) override {
    return record(x.shape(), w.shape(), stride);
  }
  bool input_gradient(Out dx, In, In w, Index stride, Store) override {
    return record(dx.shape(), w.shape(), stride);
  }
  bool weight_gradient(Out dw, In x, In, Index stride, const Prologue*) override {
    return record(x.shape(), dw.shape(), stride);
  }

  const std::set<ConvShape>& shapes() const { return shapes_; }

 private:
  bool record(Shape x, Shape w, Index stride) {
    shapes_.insert({x.h, x.w, w.w, w.c, w.n, stride});
    return false;
  }

  std::set<ConvShape> shapes_;
};

std::set<ConvShape> shapes_of(Architecture architecture, const NetOptions& options) {
  Cpu device = Cpu::dry_device(1);
  Recorder recorder;
  device.set_convolutions(&recorder);
  benchmark::Training training(device, architecture, options);
  training.predict({128, 32, 32, 3});
  return recorder.shapes();
}

}  // namespace

std::string to_string(const ConvShape& shape) {
  const auto text = [](Index number) { return std::to_string(number); };
  std::string result = text(shape.inputs) + " -> " + text(shape.outputs) + ", " +
                       text(shape.height) + " x " + text(shape.width);
  if (shape.kernel != 3) result += ", kernel " + text(shape.kernel);
  if (shape.stride != 1) result += ", stride " + text(shape.stride);
  return result;
}

std::vector<UsedShape> shapes_of_networks() {
  std::map<ConvShape, std::vector<std::string>> used;
  const auto add = [&](const std::string& network, const std::set<ConvShape>& shapes) {
    for (const ConvShape& shape : shapes) used[shape].push_back(network);
  };
  for (Architecture each : {Architecture::resnet, Architecture::revnet, Architecture::irevnet,
                            Architecture::layerwise, Architecture::hybrid})
    add(std::string(name(each)), shapes_of(each, paper_options(each)));
  add("revnet-32", shapes_of(Architecture::revnet, {{32, 64, 128, 256}, {1, 1, 1, 1}}));

  std::vector<UsedShape> list;
  for (const auto& [shape, networks] : used) list.push_back({shape, networks});
  std::stable_sort(list.begin(), list.end(), [](const UsedShape& a, const UsedShape& b) {
    return std::tuple(-a.shape.kernel, -a.shape.height, a.shape.inputs, a.shape.outputs) <
           std::tuple(-b.shape.kernel, -b.shape.height, b.shape.inputs, b.shape.outputs);
  });
  return list;
}

}  // namespace convolution
