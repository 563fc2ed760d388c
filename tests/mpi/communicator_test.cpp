// Sums, gathers and broadcasts between the ranks of mpirun, and a training step.
#include "retrace/parallel/data_parallel.hpp"
#include "retrace/parallel/mpi_communicator.hpp"
#include "retrace/parallel/thread_communicator.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// MPI can be initialised once in a process.
MpiCommunicator& world() {
  static MpiCommunicator ranks({.program = "test_mpi"});
  return ranks;
}

std::vector<float> part(int rank, std::size_t count) {
  std::vector<float> values(count);
  std::uint32_t state = static_cast<std::uint32_t>(rank) + 1;
  for (float& value : values) {  // Numerical Recipes' generator: quick and rough
    state = state * 1664525 + 1013904223;
    value = static_cast<float>(state) * 1e-9f;
  }
  return values;
}

}  // namespace

TEST_CASE("a sum over MPI has the bits of a sum of threads, on every rank") {
  MpiCommunicator& ranks = world();
  // From less than an element a rank to several slices with a remainder.
  for (const std::size_t count :
       {std::size_t{1}, std::size_t{3}, std::size_t{1000},
        5 * static_cast<std::size_t>(ranks.size()) * ring::segment_bytes / sizeof(float) + 13}) {
    CAPTURE(count, ranks.size());
    std::vector<std::vector<float>> parts;
    std::vector<float*> vectors;
    for (int r = 0; r < ranks.size(); ++r) parts.push_back(part(r, count));
    auto own = parts[static_cast<std::size_t>(ranks.rank())];
    for (auto& each : parts) vectors.push_back(each.data());
    ring::sum_in_place(std::span<float* const>(vectors), count);
    ranks.start_sum(std::span(own)).wait();
    CHECK(std::memcmp(own.data(), parts[0].data(), count * sizeof(float)) == 0);
  }
}

TEST_CASE("a sum sends 2(R − 1)/R times the vector") {
  MpiCommunicator& ranks = world();
  const auto size = static_cast<std::size_t>(ranks.size());
  std::vector<double> values(size * 120'000, 1.0);
  const auto before = ranks.bytes_sent();
  ranks.start_sum(std::span(values)).wait();
  CHECK(ranks.bytes_sent() - before == values.size() * sizeof(double) * 2 * (size - 1) / size);
}

TEST_CASE("several sums and exchanges may be on their way at once") {
  MpiCommunicator& ranks = world();
  const int size = ranks.size(), rank = ranks.rank();
  std::vector<std::vector<double>> values;
  std::vector<Transfer> transfers;
  for (int i = 0; i < 5; ++i)
    values.emplace_back(static_cast<std::size_t>(100'000 + i), double(rank + i));
  for (auto& each : values) transfers.push_back(ranks.start_sum(std::span(each)));
  std::vector<int> all(static_cast<std::size_t>(size));
  for (int i = 0; i < 20; ++i) {
    gather_values(ranks, 10 * rank + i, std::span(all));
    for (int r = 0; r < size; ++r) CHECK(all[static_cast<std::size_t>(r)] == 10 * r + i);
  }
  for (int i = 5; i-- > 0;) {
    transfers[static_cast<std::size_t>(i)].wait();
    const double sum = size * (size - 1) / 2.0 + size * i;
    for (double value : values[static_cast<std::size_t>(i)]) REQUIRE(value == sum);
  }
}

TEST_CASE("a broadcast reaches all ranks from any of them") {
  MpiCommunicator& ranks = world();
  for (int root = 0; root < ranks.size(); ++root)
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, 3 * ring::segment_bytes + 5}) {
      std::vector<std::byte> values(bytes, std::byte(ranks.rank() == root ? 7 : 0));
      ranks.broadcast(values, root);
      CHECK(std::count(values.begin(), values.end(), std::byte{7}) ==
            static_cast<std::ptrdiff_t>(bytes));
    }
}

TEST_CASE("a rank without data answers the exchanges of the others with NaN") {
  MpiCommunicator& ranks = world();
  if (ranks.size() == 1) return;
  std::vector<double> all(static_cast<std::size_t>(ranks.size()));
  for (int round = 0; round < 3; ++round) {
    if (ranks.rank() == 0)
      while (!ranks.answer_gather()) std::this_thread::yield();
    else
      gather_values(ranks, double(ranks.rank()), std::span(all));
  }
  gather_values(ranks, double(ranks.rank()), std::span(all));
  for (int r = 0; r < ranks.size(); ++r) CHECK(all[static_cast<std::size_t>(r)] == r);
}
