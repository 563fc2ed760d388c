// Every architecture in every way to spend memory: the same gradients, the same averages.
#include "retrace/net/architectures.hpp"

#include "support/catch.hpp"
#include "support/nets.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("architectures have the paper's parameters") {
  Cpu device = Cpu::dry_device();
  const std::pair<Architecture, Index> counts[] = {
      {Architecture::resnet, 3140778},   {Architecture::revnet, 3063090},
      {Architecture::irevnet, 42819690}, {Architecture::layerwise, 7404650},
      {Architecture::hybrid, 3710058},   {Architecture::resnet_inplace_abn, 3140778}};
  for (const auto& [architecture, count] : counts) {
    CAPTURE(name(architecture));
    Net net = build<double, Cpu>(device, architecture, paper_options(architecture));
    CHECK(net.parameters().count() == count);
    CHECK(device.memory().live()[Use::parameter_gradient] ==
          static_cast<std::size_t>(count) * sizeof(double));
  }
  CHECK(device.allocations() == 0);
}

TEST_CASE("architectures give ten logits an image, of any extents their poolings divide") {
  Cpu device;
  for (Architecture architecture : all_architectures) {
    CAPTURE(name(architecture));
    Net net = small_net(device, architecture);
    for (Shape batch : {Shape{2, 8, 12, 3}, Shape{1, 4, 4, 3}, Shape{0, 8, 8, 3}}) {
      auto x = images(device, batch);
      net.forward(x, inference);
      CHECK(x.shape() == Shape{batch.n, 1, 1, 10});
      CHECK(all_finite(x.view()));
    }
    auto odd = images(device, {2, 7, 8, 3}), grey = images(device, {2, 8, 8, 1});
    CHECK_THROWS_WITH(net.forward(odd, training), containing("2x7x8x8 cannot be halved"));
    CHECK_THROWS_WITH(net.forward(grey, training),
                      "stem: Conv2d: x is 2x8x8x1 but must have 3 channels");
    CHECK(step(net, device, {0, 8, 8, 3}).loss.mean() == 0);
  }
}

TEST_CASE("parameters have unique names that say where they are") {
  Cpu device;
  for (Architecture architecture : all_architectures) {
    Net net = small_net(device, architecture);
    std::vector<std::string> names;
    const auto list = net.parameters();
    for (const auto& named : list.parameters) names.push_back(named.name);
    for (const auto& named : list.buffers) names.push_back(named.name);
    CHECK(names.front() == "stem.weight");
    std::sort(names.begin(), names.end());
    CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
  }
  Net net = small_net(device, Architecture::revnet);
  const auto list = net.parameters();
  CHECK(std::any_of(list.parameters.begin(), list.parameters.end(), [](const auto& named) {
    return named.name == "level1.block1.f.conv0.norm.gamma";
  }));
}

TEST_CASE("every way to spend memory gives the same gradients") {
  Cpu device(2);
  for (Architecture architecture : all_architectures) {
    Net stored = small_net(device, architecture), net = small_net(device, architecture);
    stored.set_mode(Mode::stored);
    const StepValues expected = step(stored, device);
    const Values batch = values(images(device));
    CHECK(same_bits(expected.x, batch));
    for (const Way& each : ways(architecture)) {
      CAPTURE(name(architecture), each.name);
      const double tolerance =
          each.inverts ? 1000 * noise_gain(architecture) * std::numeric_limits<double>::epsilon()
                       : 1e-9;
      each.choose(net);
      const StepValues result = step(net, device);
      CHECK(result.loss.mean() == expected.loss.mean());
      CHECK(result.loss.correct == expected.loss.correct);
      CHECK(relative_distance(result.gradients, expected.gradients) < tolerance);
      CHECK(relative_distance(result.x, batch) < 1e-12);  // the batch is there again
      if (each.name.starts_with("checkpoint"))
        CHECK(same_bits(result.gradients, expected.gradients));
    }
  }
}

TEST_CASE("running averages are counted once a step, whatever is recomputed") {
  Cpu device(2);
  for (Architecture architecture : all_architectures) {
    Net forward_only = small_net(device, architecture);
    for (unsigned seed : {1u, 2u, 3u}) {
      auto x = images(device, small_batch, seed);
      forward_only.forward(x, preview(training));
    }
    for (const Way& each : ways(architecture)) {
      CAPTURE(name(architecture), each.name);
      Net net = small_net(device, architecture);
      each.choose(net);
      for (unsigned seed : {1u, 2u, 3u}) step(net, device, small_batch, seed);
      CHECK(same_bits(buffers(net), buffers(forward_only)));
    }
  }
}

TEST_CASE("a network repeats bit for bit, and on two threads to 1e-12") {
  Cpu one(1), two(2), same(2);
  for (Architecture architecture : all_architectures) {
    CAPTURE(name(architecture));
    const auto run = [&](Cpu& device) {
      Net net = small_net(device, architecture);
      return step(net, device);
    };
    const StepValues expected = run(two), again = run(same), single = run(one);
    CHECK(same_bits(again.gradients, expected.gradients));
    CHECK(same_bits(again.buffers, expected.buffers));
    CHECK(again.loss.mean() == expected.loss.mean());
    CHECK(same_bits(again.x, expected.x));
    CHECK(single.loss.mean() == Approx(expected.loss.mean()).epsilon(1e-12));
    CHECK(relative_distance(single.gradients, expected.gradients) < 1e-12);
    CHECK(relative_distance(single.buffers, expected.buffers) < 1e-12);
  }
}

TEST_CASE("options that make no network are refused") {
  Cpu device;
  NetOptions options = small_options(Architecture::revnet);
  const auto make = [&](Architecture architecture, const NetOptions& chosen) {
    build<double>(device, architecture, chosen);
  };
  options.blocks = {1};
  CHECK_THROWS_WITH(make(Architecture::revnet, options),
                    "a network needs as many channel counts as block counts, got 2 and 1");
  options.blocks = options.channels = {};
  CHECK_THROWS_AS(make(Architecture::revnet, options), std::invalid_argument);
  options = small_options(Architecture::irevnet);
  options.channels = {8, 16};
  CHECK_THROWS_WITH(make(Architecture::irevnet, options),
                    "an invertible pooling keeps the number of channels or multiplies it by 4, "
                    "but level1 has 8 and level2 16");
  options = small_options(Architecture::layerwise);
  options.channels = {7, 28, 28};
  CHECK_THROWS_AS(make(Architecture::layerwise, options), ShapeError);
  options.channels = {8, 32, 32};
  options.slope = 0;
  CHECK_THROWS_WITH(make(Architecture::layerwise, options),
                    containing("slope 0.000000 has no inverse"));
}

TEST_CASE("architectures are named as on a command line") {
  CHECK(name(Architecture::resnet_inplace_abn) == "resnet-inplace-abn");
  CHECK(name(Architecture::layerwise) == "layerwise");
}

TEST_CASE("a chunked network needs its state, the state's gradient and the images") {
  // 128 + 128 + 12 bytes per input pixel, and the labels' logits; 64 + 128 + 12 in fixed point.
  const auto bytes_per_pixel = [](auto make, Index from, Index to) {
    Cpu device = Cpu::dry_device(2);
    auto net = make(device);
    net.set_mode(Mode::chunked);
    const auto peak = [&](Index batch) {
      return static_cast<double>(peak_memory(net, device, {batch, 32, 32, 3}).bytes.total());
    };
    return (peak(to) - peak(from)) / static_cast<double>((to - from) * 32 * 32);
  };
  const auto fixed = [](Architecture architecture) {
    NetOptions options = paper_options(architecture);
    options.stream = Stream::fixed16;
    return options;
  };
  const auto make_irevnet = [](Cpu& device) { return irevnet<float>(device); };
  const auto make_fixed_irevnet = [&](Cpu& device) {
    return irevnet<float>(device, fixed(Architecture::irevnet));
  };
  const auto make_fixed_hybrid = [&](Cpu& device) {
    return hybrid<float>(device, fixed(Architecture::hybrid));
  };
  const auto make_hybrid = [](Cpu& device) { return hybrid<float>(device); };
  CHECK(bytes_per_pixel(make_irevnet, 256, 512) <= 269);
  CHECK(bytes_per_pixel(make_irevnet, 64, 256) <= 272);
  CHECK(bytes_per_pixel(make_hybrid, 256, 512) <= 269);
  CHECK(bytes_per_pixel(make_fixed_irevnet, 256, 512) <= 208);
  CHECK(bytes_per_pixel(make_fixed_irevnet, 64, 256) <= 208);
  CHECK(bytes_per_pixel(make_fixed_hybrid, 256, 512) <= 205);
}

TEST_CASE("a network that is built on a dry device takes no memory of the machine") {
  Cpu dry = Cpu::dry_device();
  auto net = irevnet<float>(dry);
  CHECK(dry.memory().live()[Use::parameter] > 4 * 42'000'000u);
  CHECK(peak_memory(net, dry, {256, 32, 32, 3}).bytes.total() > 400'000'000u);
  CHECK(dry.allocations() == 0);
}
