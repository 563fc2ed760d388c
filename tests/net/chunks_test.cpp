// Chunked branches: the gradients of stored ones, by way of chunks.
#include "retrace/cpu/operations.hpp"
#include "retrace/layer/batch_norm.hpp"
#include "retrace/layer/dropout.hpp"
#include "retrace/layer/relu.hpp"
#include "retrace/layer/swap_coupling.hpp"
#include "retrace/net/architectures.hpp"
#include "retrace/net/branch.hpp"
#include "retrace/train/loss/mean_squared_error.hpp"
#include "retrace/train/rules/sgd.hpp"
#include "retrace/train/step.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

using Net = Chain<double, Cpu>;
constexpr Index half = 6;
constexpr Shape source_shape{5, 4, 6, half};

using TestBranch = Branch<double, Cpu>;

TestBranch stack(Cpu& device, int depth) {
  Random random(1);
  TestBranch branch;
  for (int i = 0; i < depth; ++i) {
    const Index in = i == 0 ? half : 4 + i, out = i + 1 == depth ? half : 5 + i;
    branch.add("conv" + std::to_string(i), NormActConv<double, Cpu>(device, in, out, random));
  }
  return branch;
}

/// Normalisations in chain and coupling alike, invertible and not, and masks that differ from image
/// to image.
TestBranch chain(Cpu& device) {
  Blocks<double, Cpu> make(device, {.slope = 0.3, .seed = 2});
  Chain<double, Cpu> layers;
  layers.add("conv", make.conv(half, 8)).add("norm", make.norm(8));
  layers.add("drop", Dropout<double, Cpu>(0.2, 7)).add("relu", Relu<double, Cpu>());
  layers.add("block", make.coupling(8)).add("inverted", make.invertible_norm(8));
  layers.add("partition", make.invertible_conv(8)).add("last", make.norm_act_conv(8, half));
  return TestBranch(std::move(layers));
}

/// The block of the hybrid network.
TestBranch hybrid(Cpu& device) {
  Blocks<double, Cpu> make(device, {.slope = 0.3, .seed = 2});
  return TestBranch(make.invertible_chain(half));
}

ParameterList<double, Cpu> parameters(TestBranch& branch) {
  ParameterList<double, Cpu> list;
  branch.collect("", list);
  return list;
}

struct Undone {
  Values target, dsource;
  std::vector<Values> gradients;
};

/// target += H(source), then back.
Undone there_and_back(TestBranch& branch, Cpu& device, Mode mode, Index chunk) {
  branch.set_mode(mode);
  branch.set_chunk(chunk);
  auto list = parameters(branch);
  list.zero_gradients();
  const auto source = normal<double>(device, source_shape, 1);
  auto target = normal<double>(device, source_shape, 2);
  const auto dtarget = normal<double>(device, source_shape, 3, Use::gradient);
  auto dsource = normal<double>(device, source_shape, 4, Use::gradient);
  branch.apply(target.view(), source.view(), preview(training), Store::add);
  branch.undo(target.view(), source.view(), dtarget.view(), dsource.view(), training);
  Undone result{values(target), values(dsource), {}};
  for (auto& named : list.parameters) result.gradients.push_back(values(named.parameter->gradient));
  return result;
}

/// A branch is made anew each time, since one that draws masks draws others in the next step.
template <class Make>
void check_streaming(Make make) {
  Cpu device(2);
  auto first = make(device);
  const Undone whole = there_and_back(first, device, Mode::reversible, 0);
  for (Index chunk : {1, 2, 3}) {
    CAPTURE(chunk);
    auto branch = make(device);
    const Undone chunked = there_and_back(branch, device, Mode::chunked, chunk);
    CHECK(same_bits(chunked.target, whole.target));  // the same values were recomputed
    CHECK(relative_distance(chunked.dsource, whole.dsource) < 1e-12);
    REQUIRE(chunked.gradients.size() == whole.gradients.size());
    for (std::size_t i = 0; i < whole.gradients.size(); ++i) {
      CAPTURE(parameters(branch).parameters[i].name);
      CHECK(relative_distance(chunked.gradients[i], whole.gradients[i]) < 1e-12);
    }
  }
}

/// Multiply-adds of an evaluation, and of undoing it.
std::pair<double, double> multiply_adds(TestBranch& branch, Cpu& device) {
  Cpu::Rehearsal rehearsal(device);
  Tensor<double, Cpu> source(device, source_shape), target(device, source_shape),
      dsource(device, source_shape);
  branch.apply(target.view(), source.view(), preview(training), Store::add);
  const double forward = device.work().multiply_adds;
  branch.undo(target.view(), source.view(), target.view(), dsource.view(), training);
  return {forward, device.work().multiply_adds - forward};
}

}  // namespace

TEST_CASE("a chunked stack gives the gradients of a reversible one") {
  for (int depth : {1, 2, 3}) {
    CAPTURE(depth);
    check_streaming([=](Cpu& device) { return stack(device, depth); });
  }
}

TEST_CASE("a chunked stack of convolutions alone gives the gradients of a reversible one") {
  using Conv = Conv2d<double, Cpu>;
  check_streaming([](Cpu& device) {
    Random random(1);
    TestBranch branch;
    branch.add("conv0", Conv(device, half, 7, random)).add("conv1", Conv(device, 7, half, random));
    return branch;
  });
}

TEST_CASE("a chunked chain of any layers gives the gradients of a stored one") {
  check_streaming([](Cpu& device) { return chain(device); });
  check_streaming([](Cpu& device) { return hybrid(device); });
}

TEST_CASE("a swap coupling passes its mode on") {
  Cpu device(2);
  const auto x = normal<double>(device, {5, 4, 6, 2 * half});
  const auto run = [&](Mode mode) {
    SwapCoupling layer(stack(device, 2));
    inside::set_mode(layer, mode);
    inside::set_chunk(layer, 2);
    AnyLayer<double> any = std::move(layer);
    return pass(any, x);
  };
  CHECK(compare(run(Mode::chunked), run(Mode::reversible), 1e-12) == "");
}

TEST_CASE("undoing a chunked stack of two takes eight convolutions") {
  Cpu device(1);
  TestBranch branch = stack(device, 2);
  branch.set_mode(Mode::reversible);
  const auto [forward, reversible] = multiply_adds(branch, device);
  CHECK(reversible == 3 * forward);
  branch.set_mode(Mode::chunked);
  branch.set_chunk(2);
  CHECK(multiply_adds(branch, device).second == 4 * forward);  // 13/2 with passes of their own
}

TEST_CASE("a hybrid branch streams in eleven halves of its convolutions") {
  Cpu device(1);
  TestBranch branch = hybrid(device);
  branch.set_mode(Mode::chunked);
  branch.set_chunk(2);
  const auto [forward, chunked] = multiply_adds(branch, device);
  CHECK(chunked == 11 * forward / 2);
}

TEST_CASE("a chunk that is the whole batch is not chunked") {
  Cpu device(1);
  TestBranch branch = stack(device, 2);
  branch.set_mode(Mode::chunked);
  branch.set_chunk(5);
  CHECK(multiply_adds(branch, device).second == 3 * multiply_adds(branch, device).first);
  branch.set_chunk(0);  // of small images the cache holds more than five
  CHECK(multiply_adds(branch, device).second == 3 * multiply_adds(branch, device).first);
}

TEST_CASE("the scratch of a chunked branch does not grow with the batch") {
  const auto peak = [](auto make, Index batch) {
    Cpu device(2);
    auto branch = make(device);
    branch.set_mode(Mode::chunked);
    branch.set_chunk(2);
    const Shape shape{batch, 4, 6, half};
    const auto source = normal<double>(device, shape);
    auto target = clone(source), dsource = clone(source);
    branch.apply(target.view(), source.view(), preview(training), Store::add);
    const std::size_t before = device.memory().live().total();
    device.memory().restart_peak();
    branch.undo(target.view(), source.view(), source.view(), dsource.view(), training);
    CHECK(device.memory().live().total() == before);
    return device.memory().peak().total() - before;
  };
  const auto check = [&](auto make) { CHECK(peak(make, 12) == peak(make, 4)); };
  check([](Cpu& device) { return stack(device, 3); });
  check([](Cpu& device) { return hybrid(device); });
  check([](Cpu& device) { return chain(device); });
}

TEST_CASE("the chunks of large images take the bytes they may") {
  // What a chunk takes beyond what one image more or less makes of it.
  const auto scratch = [](auto make, Shape shape) {
    Cpu device = Cpu::dry_device(1);
    auto branch = make(device);
    branch.set_mode(Mode::chunked);
    Tensor<double, Cpu> source(device, shape), target(device, shape), dsource(device, shape);
    branch.apply(target.view(), source.view(), preview(training), Store::add);
    const std::size_t before = device.memory().live().total();
    device.memory().restart_peak();
    branch.undo(target.view(), source.view(), source.view(), dsource.view(), training);
    Bytes peak = device.memory().peak();
    return static_cast<double>(peak.total() - before);
  };
  const Shape large{1000, 64, 64, half};
  CHECK(scratch([](Cpu& device) { return stack(device, 2); }, large) <= 1.3 * chunk_scratch_bytes);
  const double of_hybrid = scratch([](Cpu& device) { return hybrid(device); }, large);
  CHECK(of_hybrid <= 1.3 * chunk_scratch_bytes);
  CHECK(of_hybrid >= 0.5 * chunk_scratch_bytes);
}

TEST_CASE("a chunked gradient is complete once, when nothing needs its parameter any more") {
  Cpu device;
  TestBranch branch = stack(device, 2);
  std::vector<std::string> completed;
  auto list = parameters(branch);
  const Undone expected = there_and_back(branch, device, Mode::chunked, 2);
  for (auto& named : list.parameters)
    named.parameter->on_complete = [&completed, name = named.name](Parameter<double, Cpu>& done) {
      completed.push_back(name);
      fill(done.value.view(), 0);  // as an optimizer may do
    };
  const Undone result = there_and_back(branch, device, Mode::chunked, 2);
  CHECK(completed == std::vector<std::string>{"conv1.weight", "conv1.norm.beta", "conv1.norm.gamma",
                                              "conv0.weight", "conv0.norm.beta",
                                              "conv0.norm.gamma"});
  CHECK(same_bits(result.dsource, expected.dsource));
  CHECK(result.gradients == expected.gradients);
}

TEST_CASE("a chunked pass that fails leaves the branch as it was") {
  Cpu device;
  TestBranch branch = stack(device, 2);
  const Undone expected = there_and_back(branch, device, Mode::chunked, 2);
  const auto source = normal<double>(device, source_shape);
  auto target = clone(source), dsource = clone(source);
  branch.apply(target.view(), source.view(), preview(training), Store::add);
  device.memory().set_limit(device.memory().live().total() + 2000);
  CHECK_THROWS_AS(
      branch.undo(target.view(), source.view(), source.view(), dsource.view(), training),
      OutOfMemory);
  device.memory().set_limit(MemoryMeter::unlimited);
  branch.abandon();
  for (auto& named : parameters(branch).parameters) CHECK(named.parameter->adds == Adds::all);
  const Undone again = there_and_back(branch, device, Mode::chunked, 2);
  CHECK(same_bits(again.dsource, expected.dsource));
  CHECK(again.gradients == expected.gradients);
}

TEST_CASE(
    "a fused optimizer updates the parameters of a branch in chunks as those of a whole one") {
  const auto trained = [](Mode mode) {
    Cpu device(2);
    Net net;
    net.add("block", AdditiveCoupling(stack(device, 2), hybrid(device)));
    net.set_mode(mode);
    net.set_chunk(2);
    Sgd optimizer(net.parameters(), {.momentum = 0.5, .fused = true});
    std::vector<Values> weights;
    for (int step = 0; step < 2; ++step) {
      auto x = normal<double>(device, {5, 4, 6, 2 * half});
      optimizer.arm(0.1);
      accumulate_gradients(net, x, mean_squared_error(normal<double>(device, x.shape(), 2)));
      CHECK(device.memory().live()[Use::parameter_gradient] == 0);
    }
    for (auto& named : net.parameters().parameters)
      weights.push_back(values(named.parameter->value));
    return weights;
  };
  const auto chunked = trained(Mode::chunked), whole = trained(Mode::reversible);
  for (std::size_t i = 0; i < whole.size(); ++i)
    CHECK(relative_distance(chunked[i], whole[i]) < 1e-11);
}
