// Ranks that skip the same steps: NaN, overflow and noise on one of them.
#include <atomic>

#include "retrace/cpu/signal_noise.hpp"
#include "retrace/parallel/data_parallel.hpp"
#include "retrace/parallel/thread_communicator.hpp"
#include "retrace/train/guarded_step.hpp"
#include "retrace/train/rules/sgd.hpp"
#include "support/catch.hpp"
#include "support/nets.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

constexpr Shape part{4, 8, 12, 3};

/// The weights, buffers and reasons of all ranks after some steps. spoil(rank, step, x) changes a
/// batch.
struct Outcome {
  std::vector<Values> weights, buffers;
  std::vector<std::string> reasons;
};
std::vector<Outcome> train(int ranks, const std::function<Net(Cpu&)>& make, int steps,
                           const std::function<void(int, int, Tensor<double, Cpu>&)>& spoil) {
  std::vector<Outcome> outcomes(static_cast<std::size_t>(ranks));
  run_ranks(ranks, [&](ThreadCommunicator communicator) {
    Cpu device(1);
    Net net = make(device);
    DataParallel parallel(net, communicator, {.check_every = 1});
    Sgd<double, Cpu> optimizer(net.parameters());
    GuardedStep step(net, optimizer, {.peers = &parallel});
    Outcome& outcome = outcomes[static_cast<std::size_t>(communicator.rank())];
    for (int i = 0; i < steps; ++i) {
      struct Batch {
        Tensor<double, Cpu> x;
        std::vector<std::int32_t> labels;
      };
      const auto load = [&](Index, Index) {  // this rank's part of `ranks` parts
        Batch batch{images(device, part, static_cast<unsigned>(10 * i + communicator.rank())),
                    labels(part.n)};
        spoil(communicator.rank(), i, batch.x);
        return batch;
      };
      const auto result = step(ranks * part.n, ranks * part.n, load, CrossEntropyOfLabels{}, 0.05);
      outcome.reasons.push_back(result.discarded.value_or(""));
    }
    outcome.weights = weights(net);
    outcome.buffers = buffers(net);
  });
  return outcomes;
}

void check_all_equal(const std::vector<Outcome>& outcomes) {
  for (const Outcome& each : outcomes) {
    CHECK(same_bits(each.weights, outcomes[0].weights));
    CHECK(same_bits(each.buffers, outcomes[0].buffers));
    CHECK(each.reasons == outcomes[0].reasons);
  }
}

}  // namespace

TEST_CASE("if one rank's batch is not finite, all ranks skip the step") {
  const auto make = [](Cpu& device) { return small_net(device, Architecture::revnet); };
  const auto outcomes = train(3, make, 3, [](int rank, int i, Tensor<double, Cpu>& x) {
    if (rank == 1 && i == 1) x.data()[5] = std::numeric_limits<double>::quiet_NaN();
  });
  check_all_equal(outcomes);
  CHECK(outcomes[0].reasons[0].empty());
  CHECK_THAT(outcomes[0].reasons[1], containing("rank 1 of 3") && containing("the loss is NaN"));
  CHECK(outcomes[0].reasons[2].empty());
  // The step has left no trace.
  const auto without = train(3, make, 1, [](int, int, Tensor<double, Cpu>&) {});
  const auto skipped = train(3, make, 2, [](int rank, int i, Tensor<double, Cpu>& x) {
    if (rank == 1 && i == 1) x.data()[5] = std::numeric_limits<double>::quiet_NaN();
  });
  CHECK(same_bits(without[0].weights, skipped[2].weights));
  CHECK(same_bits(without[0].buffers, skipped[2].buffers));
}

TEST_CASE("a pass that throws on one rank is skipped by all, in every phase") {
  // A stage that throws in its n-th call on rank 1, as a stream that overflows would.
  const int at = GENERATE(0, 1, 2, 3);
  std::atomic<int> calls = 0;
  const auto outcomes = [&] {
    std::vector<Outcome> results(3);
    run_ranks(3, [&](ThreadCommunicator communicator) {
      Cpu device(1);
      Net net = small_net(device, Architecture::revnet);
      DataParallel parallel(net, communicator, {.check_every = 1});
      Sgd<double, Cpu> optimizer(net.parameters());
      GuardedStep step(net, optimizer, {.drift = {}, .peers = &parallel});
      int pass = 0, visits = 0;
      net.observe([&](const Net::Visit&) {
        if (communicator.rank() == 1 && pass == 1 && visits++ == 3 * at) {
          ++calls;
          throw std::domain_error("values that are infinite");
        }
      });
      Outcome& outcome = results[static_cast<std::size_t>(communicator.rank())];
      for (; pass < 3; ++pass) {
        auto x = images(device, part, static_cast<unsigned>(10 * pass + communicator.rank()));
        const auto result = step(x, cross_entropy(labels(part.n)), 0.05);
        outcome.reasons.push_back(result.discarded.value_or(""));
      }
      outcome.weights = weights(net);
      outcome.buffers = buffers(net);
    });
    return results;
  }();
  CHECK(calls == 1);
  check_all_equal(outcomes);
  CHECK(outcomes[0].reasons[0].empty());
  CHECK_THAT(outcomes[0].reasons[1], containing("of 3"));
  CHECK(outcomes[0].reasons[2].empty());
}
