// A training that is broken off anywhere and continued gives the bits of one that was not.
#include "retrace/train/buffer_snapshot.hpp"
#include "retrace/train/checkpoint_folder.hpp"
#include "retrace/train/rules/sgd.hpp"
#include "support/catch.hpp"
#include "support/nets.hpp"
#include "support/scratch.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

constexpr std::size_t steps = 6, between = 2;

/// A training whose every step is told by its number alone, as a seed and Philox make it.
class Training {
 public:
  explicit Training(Cpu& device)
      : device_(device),
        net_(small_net(device, Architecture::revnet)),
        sgd_(net_.parameters(), {.momentum = 0.9, .weight_decay = 1e-3}) {}

  Net& net() { return net_; }
  std::size_t step() const { return step_; }

  ParameterList<double, Cpu> list() {
    auto all = net_.parameters();
    sgd_.collect("momentum", all);
    return all;
  }
  void take_step() {
    {
      auto x = images(device_, small_batch, static_cast<unsigned>(step_));
      accumulate_gradients(net_, x, cross_entropy(labels(small_batch.n)));
    }
    sgd_.step(0.05);
    ++step_;
  }
  void train(CheckpointFolder& folder) {
    while (step_ < steps) {
      take_step();
      if (step_ % between == 0) folder.save(step_, list(), {{"step", std::to_string(step_)}});
    }
  }
  void resume(const CheckpointFolder& folder) {
    auto checkpoint = folder.newest().checkpoint;
    if (!checkpoint) return;
    checkpoint->restore(list());
    step_ = checkpoint->number<std::size_t>("step");
  }
  std::vector<Values> state() {
    std::vector<Values> all;
    for (auto& named : list().parameters) all.push_back(values(named.parameter->value));
    for (auto& named : list().buffers) all.push_back(values(*named.tensor));
    return all;
  }

 private:
  Cpu& device_;
  Net net_;
  Sgd<double, Cpu> sgd_;
  std::size_t step_ = 0;
};

std::vector<Values> undisturbed() {
  Cpu device(2);
  Training one(device);
  while (one.step() < steps) one.take_step();
  return one.state();
}

}  // namespace

TEST_CASE(
    "memory that runs out in any layer of any step costs no more than the steps since a save") {
  const std::vector<Values> expected = undisturbed();
  std::size_t faults = 0;
  for (std::size_t visit = 0;; ++visit) {
    const Scratch scratch;
    CheckpointFolder folder(scratch.directory);
    bool failed = false;
    {
      Cpu device(2);
      Training one(device);
      std::size_t visits = 0;
      one.net().observe([&](const Net::Visit&) {
        if (visits++ == visit * 7) device.memory().set_limit(device.memory().live().total());
      });
      try {
        one.train(folder);
      } catch (const OutOfMemory&) {
        failed = true;
        const auto saved = folder.steps();
        CHECK(one.step() - (saved.empty() ? 0 : saved.front()) < between);
      }
    }
    if (!failed) break;
    ++faults;
    Cpu device(2);
    Training one(device);
    one.resume(folder);
    one.train(folder);
    CAPTURE(visit);
    CHECK(same_bits(one.state(), expected));
  }
  CHECK(faults > 10);
}

TEST_CASE("a batch that is not to count leaves no trace, whatever is not finite in it") {
  Cpu device(2);
  for (bool in_the_image : {true, false}) {
    CAPTURE(in_the_image);
    Training one(device), clean(device);
    one.take_step();
    clean.take_step();
    auto parameters = one.net().parameters();
    BufferSnapshot<double, Cpu> before(parameters);
    {
      auto x = images(device, small_batch, 99);
      if (in_the_image) x.data()[7] = std::numeric_limits<double>::quiet_NaN();
      accumulate_gradients(one.net(), x, cross_entropy(labels(small_batch.n)));
      if (!in_the_image)
        parameters.parameters[3].parameter->gradient.data()[0] =
            std::numeric_limits<double>::infinity();
    }
    CHECK(first_nonfinite_gradient(parameters) != "");
    // A batch that is not finite does not enter the running averages; the other one did.
    CHECK(same_bits(one.state(), clean.state()) == in_the_image);
    before.give_back();
    CHECK(same_bits(one.state(), clean.state()));
    one.take_step();
    clean.take_step();
    CHECK(same_bits(one.state(), clean.state()));
    before.take();
    before.give_back();
    CHECK(same_bits(one.state(), clean.state()));
  }
}
