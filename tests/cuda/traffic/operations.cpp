#include "cuda/traffic/operations.hpp"

#include <functional>

#include "cuda/devices.hpp"
#include "cuda/emulator/control.hpp"

namespace retrace::test {
namespace {

constexpr Shape shape{8, 16, 16, 32};
constexpr Shape pooled{8, 8, 8, 32};

/// Further operands of the operations.
struct Beside {
  Tensor<float, Cuda> numbers;  ///< mean, 1/σ, scale, shift
  Tensor<double, Cuda> sums;    ///< [2, C]
  Tensor<double, Cuda> moments;
  Tensor<std::uint8_t, Cuda> largest;
  Tensor<std::int16_t, Cuda> narrow;
  Tensor<std::int32_t, Cuda> wide;

  explicit Beside(Cuda& device)
      : numbers(device, {4, 1, 1, shape.c}),
        sums(device, {1, 1, 2, shape.c}),
        moments(device, {2, 1, 1, shape.c}),
        largest(device, pooled),
        narrow(device, shape),
        wide(device, shape) {
    fill(numbers.view(), 0.5f);
    fill(sums.view(), 0.);
    fill(largest.view(), std::uint8_t{1});
    fill(narrow.view(), std::int16_t{1});
    fill(wide.view(), 1);
  }
  View<float, Cuda> number(Index i) { return numbers.view().images(i, 1); }
  ChannelNorm<float, Cuda> norm() { return {number(0), number(1), number(2), number(3)}; }
  GradientSums<Cuda> gradient_sums() { return {sums.view(), shape.pixels()}; }
};

using On = const Operands<float, Cuda>&;

struct Operation {
  std::string name;
  std::vector<Shape> operands;
  bool fused = false, pitched = true;
  std::function<void(On, Beside&)> run;
};

using List = std::vector<Operation>;

const std::vector<Shape> one{shape}, two{shape, shape}, three{shape, shape, shape};
const Activation rectifier = leaky_relu(0.25);

void add_elementwise(List& list) {
  const auto add_one = [&](const char* name, const std::vector<Shape>& operands, auto run) {
    list.push_back({name, operands, false, true, run});
  };
  add_one("fill", one, [](On x, Beside&) { fill(x[0], 3.f); });
  add_one("copy", two, [](On x, Beside&) { copy(x[0], x[1]); });
  add_one("coupling add", two, [](On x, Beside&) { add(x[0], x[1]); });
  add_one("coupling subtract", two, [](On x, Beside&) { add(x[0], x[1], Store::subtract); });
  add_one("exchange of halves", two, [](On x, Beside&) { swap_halves(x[0], x[1]); });
  const Shape values = with_channels(shape, 2 * shape.c);
  add_one("affine coupling", {shape, values},
          [](On x, Beside&) { scale_and_shift(x[0], x[1], 1.5); });
  add_one("affine coupling, inverse", {shape, values},
          [](On x, Beside&) { unscale_and_unshift(x[0], x[1], 1.5); });
  add_one("affine coupling, backward", {shape, shape, values},
          [](On x, Beside&) { scale_and_shift_backward(x[0], x[1], x[2], 1.5); });
  add_one("bias of channels", one, [](On x, Beside& all) { add_to_pixels(x[0], all.number(0)); });
  add_one("all finite", one, [](On x, Beside&) { all_finite(x[0]); });
  add_one("largest magnitude", one, [](On x, Beside&) { largest_magnitude(x[0]); });
  add_one("signal and noise", two, [](On x, Beside&) { signal_noise(x[0], x[1]); });
}

void add_normalisations(List& list) {
  const auto add_one = [&](const char* name, const std::vector<Shape>& operands, bool fused,
                           auto run) {
    list.push_back({name, operands, fused, true, run});
  };
  add_one("channel moments", one, true, [](On x, Beside& all) {
    channel_moments(x[0], all.moments.view().images(0, 1), all.moments.view().images(1, 1));
  });
  add_one("pixel sums", one, true, [](On x, Beside& all) { add_pixel_sums(all.number(0), x[0]); });
  add_one("normalise + activate", two, true,
          [](On x, Beside& all) { normalise_activate(x[0], x[1], all.norm(), rectifier); });
  add_one("normalise + activate in place", one, true,
          [](On x, Beside& all) { normalise_activate(x[0], x[0], all.norm(), rectifier); });
  add_one("inverse of both", one, true,
          [](On x, Beside& all) { invert_normalise_activate(x[0], all.norm(), rectifier); });
  add_one("gradient sums", two, true, [](On x, Beside& all) {
    normalise_activate_sums(all.sums.view(), x[0], x[1], all.norm(), rectifier);
  });
  add_one("inverse + gradient sums", two, true, [](On x, Beside& all) {
    invert_normalise_activate_sums(all.sums.view(), x[0], x[1], all.norm(), rectifier);
  });
  for (const auto& [name, how] : {std::pair{"backward of both", Store::set},
                                  std::pair{"backward of both, added", Store::add}})
    add_one(name, three, true, [how = how](On x, Beside& all) {
      normalise_activate_backward(x[0], x[1], x[2], all.gradient_sums(), all.norm(), rectifier,
                                  how);
    });
  add_one("gradient means taken off", two, true, [](On x, Beside& all) {
    take_off_gradient_means(x[0], x[1], all.gradient_sums(), all.norm());
  });
  add_one("activate", one, false, [](On x, Beside&) { activate(x[0], rectifier); });
  add_one("activate, inverse", one, false, [](On x, Beside&) { deactivate(x[0], rectifier); });
  add_one("activate, backward", two, false,
          [](On x, Beside&) { activate_backward(x[0], x[1], rectifier); });
}

void add_poolings(List& list) {
  const auto add_one = [&](const char* name, const std::vector<Shape>& operands, bool pitched,
                           auto run) {
    list.push_back({name, operands, false, pitched, run});
  };
  add_one("channel pooling", one, false, [](On x, Beside&) { channel_pool(x[0]); });
  add_one("channel pooling, inverse", one, false, [](On x, Beside&) { channel_unpool(x[0]); });
  add_one("batch pooling", one, false, [](On x, Beside&) { batch_pool(x[0]); });
  add_one("batch pooling, inverse", one, false, [](On x, Beside&) { batch_unpool(x[0]); });
  add_one("max pooling", {pooled, shape}, true,
          [](On x, Beside& all) { max_pool(x[0], all.largest.view(), x[1]); });
  add_one("max pooling, backward", {shape, pooled}, true, [](On x, Beside& all) {
    max_pool_backward(x[0], x[1], View<const std::uint8_t, Cuda>(all.largest.view()));
  });
  const Shape averages{shape.n, 1, 1, shape.c};
  add_one("global average", {averages, shape}, true,
          [](On x, Beside&) { global_average(x[0], x[1]); });
  add_one("global average, backward", {shape, averages}, true,
          [](On x, Beside&) { global_average_backward(x[0], x[1]); });
}

void add_training(List& list) {
  const auto add_one = [&](const char* name, const std::vector<Shape>& operands, bool fused,
                           auto run) {
    list.push_back({name, operands, fused, false, run});
  };
  add_one("SGD update", three, true, [](On x, Beside&) {
    update_parameter(UpdateTerm{x[0], x[1], x[2], x[2], 1e-4}, 0.1, Momentum{0.9});
  });
  // Two kernels: one for the rows, and one that adds up their losses.
  add_one("softmax cross-entropy", {{256, 1, 1, 10}, {256, 1, 1, 10}}, false, [](On x, Beside&) {
    const std::vector<std::int32_t> labels(256, 3);
    softmax_cross_entropy(x[0], x[1], std::span<const std::int32_t>(labels), {},
                          CrossEntropyTerms{.divisor = 256});
  });
  add_one("sum of squares", one, false, [](On x, Beside&) { sum_of_squares(x[0]); });
  add_one("scale", one, false, [](On x, Beside&) { scale(x[0], 0.5); });
  add_one("dropout", one, false, [](On x, Beside&) { drop_elements(x[0], 0.3, 7, 3); });
}

void add_fixed_point(List& list) {
  const auto add_for = [&](const std::string& type, auto state) {
    for (const auto& [verb, how] : {std::pair{"set", Store::set}, std::pair{"add", Store::add}})
      list.push_back(
          {"fixed point, " + type + ", " + verb, one, true, true,
           [=, how = how](On x, Beside& all) { store_rounded(state(all), x[0], 0x1p-10, how); }});
    list.push_back({"fixed point, " + type + ", widen", one, true, true,
                    [=](On x, Beside& all) { widen(x[0], state(all), 0x1p-10); }});
  };
  add_for("16 bits", [](Beside& all) { return all.narrow.view(); });
  add_for("32 bits", [](Beside& all) { return all.wide.view(); });
}

/// Returns the bytes transferred since `before`.
double transferred(const emulator::Memory& now, const emulator::Memory& before) {
  // A dry device also counts the host's side of a copy.
  return 2 * static_cast<double>(now.to_device + now.to_host - before.to_device - before.to_host);
}

OperationTraffic measure(const Operation& operation, const char* layout, Margin margin) {
  Cuda gpu;
  Beside beside(gpu);
  const Operands<float, Cuda> operands(gpu, operation.operands, margin);
  gpu.synchronize();
  OperationTraffic found{.name = operation.name, .layout = layout, .fused = operation.fused};
  {
    const Cuda::Rehearsal rehearsal(gpu);
    operation.run(operands, beside);
    found.least = gpu.work().bytes;
  }
  emulator::reset_stats();
  const emulator::Memory before = emulator::memory();
  operation.run(operands, beside);
  gpu.synchronize();
  const double copies = transferred(emulator::memory(), before);
  found.asked = found.moved = copies;
  for (const emulator::KernelStats& kernel : emulator::stats())
    for (const emulator::Traffic& traffic : {kernel.read, kernel.write}) {
      found.asked += static_cast<double>(traffic.bytes);
      found.moved += static_cast<double>(traffic.unique_bytes);
    }
  return found;
}

}  // namespace

std::vector<OperationTraffic> measure_operations() {
  const bool traced = emulator::options().trace;
  emulator::options().trace = true;
  List list;
  add_elementwise(list);
  add_normalisations(list);
  add_poolings(list);
  add_training(list);
  add_fixed_point(list);
  std::vector<OperationTraffic> found;
  for (const Operation& each : list) {
    found.push_back(measure(each, "packed", {0, 0}));
    if (each.pitched) found.push_back(measure(each, "half the channels", {shape.c, 0}));
  }
  emulator::options().trace = traced;
  return found;
}

}  // namespace retrace::test
