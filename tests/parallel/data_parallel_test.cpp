// Gradients of several ranks compared with those of one process on the whole batch.
#include "retrace/parallel/data_parallel.hpp"

#include "retrace/parallel/thread_communicator.hpp"
#include "retrace/train/rules/adamw.hpp"
#include "retrace/train/rules/sgd.hpp"
#include "support/catch.hpp"
#include "support/nets.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

constexpr Shape whole_batch{12, 8, 12, 3};

/// Images [first, end) of a batch that rank r of `ranks` has.
Chunk part_of(Index images, int ranks, int rank) {
  const Index first = images * rank / ranks, end = images * (rank + 1) / ranks;
  return {first, end - first};
}

struct Part {
  Tensor<double, Cpu> x;
  std::vector<std::int32_t> labels;
};
Part load_part(Cpu& device, Shape batch, Chunk part, unsigned seed = 1) {
  const auto all = images(device, batch, seed);
  const auto all_labels = labels(batch.n);
  return {clone(all.view().images(part.first, part.count)),
          {all_labels.begin() + part.first, all_labels.begin() + part.first + part.count}};
}

struct Results {
  std::vector<Values> gradients, buffers, weights;
};

/// The gradients and running averages of one pass on `ranks` ranks, of each rank.
std::vector<Results> run_parallel(int ranks, Shape batch, const std::function<Net(Cpu&)>& make,
                                  const DataParallelOptions& options = {}) {
  std::vector<Results> results(static_cast<std::size_t>(ranks));
  run_ranks(ranks, [&](ThreadCommunicator communicator) {
    Cpu device(1);
    Net net = make(device);
    DataParallel parallel(net, communicator, options);
    Part part = load_part(device, batch, part_of(batch.n, ranks, communicator.rank()));
    accumulate_gradients(net, part.x, parallel.shared(cross_entropy(part.labels)));
    results[static_cast<std::size_t>(communicator.rank())] = {gradients(net), buffers(net),
                                                              weights(net)};
  });
  return results;
}

}  // namespace

TEST_CASE("several ranks have the gradients of one process on the whole batch, in every mode") {
  Cpu device(1);
  const int ranks = GENERATE(2, 3, 4);
  const auto architecture = GENERATE(from_range(all_architectures));
  for (const Way& each : ways(architecture)) {
    CAPTURE(ranks, name(architecture), each.name);
    const auto make = [&](Cpu& on) {
      Net net = small_net(on, architecture);
      each.choose(net);
      return net;
    };
    Net net = make(device);
    const StepValues whole = step(net, device, whole_batch);
    const auto results = run_parallel(ranks, whole_batch, make);
    const double tolerance = each.inverts ? 1e-13 * noise_gain(architecture) : 1e-13;
    CHECK(relative_distance(results[0].gradients, whole.gradients) < tolerance);
    CHECK(relative_distance(results[0].buffers, whole.buffers) < 1e-13);
    for (const Results& of_rank : results) {
      CHECK(same_bits(of_rank.gradients, results[0].gradients));
      CHECK(same_bits(of_rank.buffers, results[0].buffers));
    }
  }
}

namespace {

Net small_revnet(Cpu& device) { return small_net(device, Architecture::revnet); }
std::string third_parameter() {
  Cpu device(1);
  return small_revnet(device).parameters().parameters[3].name;
}

/// The weights of every rank after three steps.
template <class Optimizer, class Options>
std::vector<std::vector<Values>> train(int ranks, Options optimizer_options,
                                       const DataParallelOptions& options = {}) {
  std::vector<std::vector<Values>> results(static_cast<std::size_t>(ranks));
  run_ranks(ranks, [&](ThreadCommunicator communicator) {
    Cpu device(1);
    Net net = small_revnet(device);
    DataParallel parallel(net, communicator, options);
    Optimizer optimizer(net.parameters(), optimizer_options);
    for (unsigned i = 0; i < 3; ++i) {
      Part part = load_part(device, whole_batch, part_of(12, ranks, communicator.rank()), i);
      if (optimizer.fused()) optimizer.arm(0.05);
      accumulate_gradients(net, part.x, cross_entropy(part.labels));
      if (!optimizer.fused()) optimizer.step(0.05);
      parallel.share_parameters();
    }
    results[static_cast<std::size_t>(communicator.rank())] = weights(net);
  });
  return results;
}

void check_equal(const std::vector<std::vector<Values>>& results,
                 const std::vector<Values>& expected) {
  for (const auto& of_rank : results) CHECK(same_bits(of_rank, expected));
}

}  // namespace

TEST_CASE("parts of different sizes, even empty ones, count by their images") {
  Cpu device(1);
  Net net = small_revnet(device);
  const Shape batch{GENERATE(Index{2}, Index{7}), 8, 12, 3};
  const StepValues whole = step(net, device, batch);
  const auto results = run_parallel(3, batch, small_revnet);
  for (const Results& of_rank : results) {
    CHECK(relative_distance(of_rank.gradients, whole.gradients) < 1e-13);
    CHECK(relative_distance(of_rank.buffers, whole.buffers) < 1e-13);
  }
}

TEST_CASE("without common statistics each rank normalises its own part") {
  const auto make = small_revnet;
  const auto results = run_parallel(2, whole_batch, make, {.sync_batch_norm = false});
  CHECK(!same_bits(results[0].buffers, results[1].buffers));
  CHECK(same_bits(results[0].gradients, results[1].gradients));
  // The mean of the gradients that each part has by itself.
  Cpu device(1);
  std::vector<Values> sum;
  for (int rank : {0, 1}) {
    Net net = make(device);
    Part part = load_part(device, whole_batch, part_of(12, 2, rank));
    accumulate_gradients(net, part.x, cross_entropy(part.labels));
    auto own = gradients(net);
    for (std::size_t i = 0; i < own.size(); ++i) {
      if (sum.size() <= i) sum.emplace_back(own[i].size());
      for (std::size_t k = 0; k < own[i].size(); ++k) sum[i][k] += own[i][k] / 2;
    }
  }
  CHECK(relative_distance(results[0].gradients, sum) < 1e-13);
}

TEST_CASE("a training repeats its bits, fused or not, with any buckets") {
  const int ranks = GENERATE(2, 3);
  const SgdOptions apart{.momentum = 0.9, .weight_decay = 1e-3, .clip_each = 0.5};
  SgdOptions fused = apart;
  fused.fused = true;
  const auto first = train<Sgd<double, Cpu>>(ranks, apart);
  check_equal(train<Sgd<double, Cpu>>(ranks, apart), first[0]);
  check_equal(train<Sgd<double, Cpu>>(ranks, fused), first[0]);
  check_equal(train<Sgd<double, Cpu>>(ranks, apart, {.overlap = false}), first[0]);
  // Segments of other buckets begin at other ranks, so the bits differ for more than two.
  for (const auto& of_rank : train<Sgd<double, Cpu>>(ranks, apart, {.bucket = 1}))
    CHECK(relative_distance(of_rank, first[0]) < 1e-13);
}

TEST_CASE("sharded optimizers give the same weights, and each holds its share of the moments") {
  const auto sharding = GENERATE(Sharding::optimizer, Sharding::gradients);
  const AdamWOptions options{.weight_decay = 1e-2};
  const auto whole = train<AdamW<double, Cpu>>(3, options);
  check_equal(train<AdamW<double, Cpu>>(3, options, {.sharding = sharding}), whole[0]);
  AdamWOptions fused = options;
  fused.fused = true;
  check_equal(train<AdamW<double, Cpu>>(3, fused, {.sharding = sharding}), whole[0]);

  run_ranks(3, [&](ThreadCommunicator communicator) {
    Cpu device(1);
    Net net = small_revnet(device);
    DataParallel parallel(net, communicator, {.sharding = sharding});
    AdamW<double, Cpu> optimizer(net.parameters(), options);
    const auto all = static_cast<std::size_t>(net.parameters().count()) * sizeof(double);
    const std::size_t largest = 16 * 16 * 9 * sizeof(double);
    CHECK(device.memory().live()[Use::optimizer] <= 2 * (all / 3 + largest));
    Part part = load_part(device, whole_batch, part_of(12, 3, communicator.rank()));
    accumulate_gradients(net, part.x, cross_entropy(part.labels));
    if (sharding == Sharding::gradients)
      CHECK(device.memory().live()[Use::parameter_gradient] <= all / 3 + largest);
    optimizer.step(0.1);
  });
}

TEST_CASE("micro-batches are summed once, and the bytes are 2(R − 1)/R of the parameters") {
  run_ranks(2, [&](ThreadCommunicator communicator) {
    Cpu device(1);
    Net net = small_revnet(device);
    DataParallel parallel(net, communicator, {.sync_batch_norm = false, .check_every = 0});
    const auto before = communicator.bytes_sent();
    const Chunk mine = part_of(12, 2, communicator.rank());
    accumulate_gradients(net, 6, 2, [&](Index first, Index count) {
      return load_part(device, whole_batch, {mine.first + first, count});
    });
    CHECK(communicator.bytes_sent() - before ==
          static_cast<std::uint64_t>(net.parameters().count()) * sizeof(double));
  });
}

TEST_CASE("a rank needs two buckets beside what one process needs") {
  Cpu alone(1);
  Net net = small_revnet(alone);
  const std::size_t one = peak_memory(net, alone, {6, 8, 12, 3}).bytes.total();
  const auto all = static_cast<std::size_t>(net.parameters().count()) * sizeof(double);
  run_ranks(2, [&](ThreadCommunicator communicator) {
    Cpu device(1);
    Net each = small_revnet(device);
    DataParallel parallel(each, communicator);
    device.memory().restart_peak();
    const PeakMemory predicted = peak_memory(each, device, {6, 8, 12, 3});
    Part part = load_part(device, whole_batch, part_of(12, 2, communicator.rank()));
    accumulate_gradients(each, part.x, cross_entropy(part.labels));
    CHECK(device.memory().peak().total() <= predicted.bytes.total());
    CHECK(predicted.bytes.total() - one <= 2 * all / 4);
  });
}

TEST_CASE("statistics are exchanged once in forward and once in backward, in every mode") {
  std::uint64_t stored = 0;
  for (const Way& each : ways(Architecture::revnet)) {
    CAPTURE(each.name);
    run_ranks(2, [&](ThreadCommunicator communicator) {
      Cpu device(1);
      Net net = small_revnet(device);
      each.choose(net);
      DataParallel parallel(net, communicator, {.check_every = 0});
      const auto before = communicator.bytes_sent();
      Part part = load_part(device, whole_batch, part_of(12, 2, communicator.rank()));
      accumulate_gradients(net, part.x, cross_entropy(part.labels));
      if (communicator.rank() != 0) return;
      if (stored == 0) stored = communicator.bytes_sent() - before;
      CHECK(communicator.bytes_sent() - before == stored);
    });
  }
}

TEST_CASE("what would be wrong in silence is refused") {
  const auto message = [](const std::function<void(ThreadCommunicator&, Cpu&, Net&)>& body) {
    try {
      run_ranks(2, [&](ThreadCommunicator communicator) {
        Cpu device(1);
        Net net = small_revnet(device);
        body(communicator, device, net);
      });
    } catch (const std::exception& error) {
      return std::string(error.what());
    }
    return std::string("nothing");
  };
  const auto pass = [](ThreadCommunicator& ranks, Cpu& device, Net& net) {
    Part part = load_part(device, whole_batch, part_of(12, 2, ranks.rank()));
    accumulate_gradients(net, part.x, cross_entropy(part.labels));
  };
  CHECK_THAT(message([&](ThreadCommunicator& ranks, Cpu& device, Net& net) {
               DataParallel parallel(net, ranks);
               pass(ranks, device, net);
               pass(ranks, device, net);
             }),
             containing("is already the sum over all ranks"));
  CHECK_THAT(message([&](ThreadCommunicator& ranks, Cpu& device, Net& net) {
               DataParallel parallel(net, ranks, {.check_every = 1});
               pass(ranks, device, net);
               net.parameters().zero_gradients();
               auto list = net.parameters();
               if (ranks.rank() == 1) list.parameters[3].parameter->value.data()[0] += 1e-9;
               pass(ranks, device, net);
             }),
             containing(third_parameter()) &&
                 containing("does not have the same bits on all ranks: rank 1 of 2"));
  CHECK_THAT(message([&](ThreadCommunicator& ranks, Cpu& device, Net&) {
               NetOptions options = small_options(Architecture::revnet);
               if (ranks.rank() == 1) options.channels = {8, 24};
               Net net = build<double>(device, Architecture::revnet, options);
               DataParallel parallel(net, ranks);
             }),
             containing("has another name or shape on another rank"));
  CHECK_THAT(message([&](ThreadCommunicator& ranks, Cpu&, Net& net) {
               DataParallel parallel(net, ranks);
               DataParallel second(net, ranks);
             }),
             containing("belongs to another DataParallel"));
  CHECK_THAT(message([&](ThreadCommunicator& ranks, Cpu&, Net&) {
               std::vector<double> values(ranks.rank() == 0 ? 3 : 4);
               ranks.start_sum(std::span(values)).wait();
             }),
             containing("brings"));
}

TEST_CASE("all ranks start with the state of rank 0") {
  std::vector<std::vector<Values>> results(3);
  run_ranks(3, [&](ThreadCommunicator communicator) {
    Cpu device(1);
    NetOptions options = small_options(Architecture::revnet);
    options.seed = static_cast<std::uint64_t>(communicator.rank());
    Net net = build<double>(device, Architecture::revnet, options);
    DataParallel parallel(net, communicator);
    results[static_cast<std::size_t>(communicator.rank())] = weights(net);
  });
  check_equal(results, results[0]);
}

TEST_CASE("if a rank throws, the others do not wait for it") {
  CHECK_THROWS_WITH(run_ranks(3,
                              [](ThreadCommunicator ranks) {
                                if (ranks.rank() == 1) throw std::runtime_error("no such file");
                                std::vector<double> values(10);
                                ranks.start_sum(std::span(values)).wait();
                              }),
                    containing("no such file"));
}
