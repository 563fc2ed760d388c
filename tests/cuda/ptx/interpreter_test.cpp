// Kernels compiled by nvcc give the same results as their source, and the interpreter finds errors.
#include "cuda/ptx/interpreter.hpp"

#include <cmath>

#include "cuda/emulator/testing.hpp"
#include "cuda/ptx/testing/kernels.cuh"

namespace ptx::test {
namespace {

using emulator::test::Array;
using emulator::test::error_of_device;
using emulator::test::launch;

std::string file_for(int architecture) {
  return std::string(RETRACE_TEST_PTX) + "/kernels_" + std::to_string(architecture) + ".ptx";
}

int any_architecture() { return GENERATE(75, 80, 90, 120); }

template <class T>
std::vector<T> numbers(std::size_t count) {
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<T>((static_cast<double>(i * 7919 % 1000) - 500) / 37);
  return values;
}

/// Runs a kernel on an input: from its source if there is no file, otherwise from its PTX.
template <class T, class From, class Launch>
std::vector<T> result(const std::string& file, const std::vector<From>& from, std::size_t count,
                      Launch&& run) {
  const Array<From> input(from);
  const Array<T> output(std::vector<T>(count, T(0)));
  std::unique_ptr<Interpreter> interpreter;
  if (!file.empty()) interpreter = std::make_unique<Interpreter>(std::vector{file});
  run(input.get(), output.get());
  REQUIRE(error_of_device() == "");
  return output.values();
}

template <class T, class From, class Launch>
void require_same(const std::vector<From>& from, std::size_t count, double tolerance,
                  Launch&& run) {
  const auto expected = result<T>("", from, count, run);
  for (const int architecture : {75, 80, 90, 120}) {
    const auto got = result<T>(file_for(architecture), from, count, run);
    for (std::size_t i = 0; i < count; ++i) {
      CAPTURE(architecture, i);
      REQUIRE(std::abs(static_cast<double>(got[i] - expected[i])) <=
              tolerance * (1 + std::abs(static_cast<double>(expected[i]))));
    }
  }
}

TEST_CASE("loops over elements") {
  require_same<float>(numbers<float>(1000), 1000, 0, [](auto* from, auto* to) {
    launch(scale<float>, 3, 64, from, to, 997, 3.0f);
  });
  require_same<double>(numbers<double>(100), 100, 0, [](auto* from, auto* to) {
    launch(scale<double>, 2, 32, from, to, 100, 3.0);
  });
}

TEST_CASE("accesses of 128 bits") {
  require_same<float>(numbers<float>(400), 400, 0, [](auto* from, auto* to) {
    launch(add_fours, 4, 32, reinterpret_cast<float4*>(to), reinterpret_cast<const float4*>(from),
           100);
  });
}

TEST_CASE("shuffles, shared memory and barriers") {
  require_same<float>(numbers<float>(768), 3, 1e-6,
                      [](auto* from, auto* to) { launch(sum<true>, 3, 256, from, to); });
}

TEST_CASE("functions of floats") {
  require_same<float>(numbers<float>(32), 192, 1e-6,
                      [](auto* from, auto* to) { launch(functions, 1, 32, from, to); });
}

TEST_CASE("halves and back") {
  require_same<float>(numbers<float>(32), 64, 0,
                      [](auto* from, auto* to) { launch(halves, 1, 32, from, to); });
}

TEST_CASE("integers") {
  require_same<std::int64_t>(numbers<int>(32), 160, 0,
                             [](auto* from, auto* to) { launch(integers, 1, 32, from, to); });
}

TEST_CASE("atomic additions") {
  require_same<int>(std::vector<int>{0}, 1, 0, [](auto*, auto* to) { launch(count, 4, 100, to); });
}

TEST_CASE("a missing barrier is reported as a race in any order of warps") {
  const Interpreter interpreter({file_for(any_architecture())});
  const Array<float> from(numbers<float>(256)), to(1);
  launch(sum<false>, 1, 256, from.get(), to.get());
  REQUIRE_THAT(error_of_device(), containing("a race in shared memory between threads"));
}

TEST_CASE("accesses beyond an array are reported with the instruction") {
  const Interpreter interpreter({file_for(any_architecture())});
  const Array<float> from(numbers<float>(100)), to(99);
  launch(scale<float>, 1, 32, from.get(), to.get(), 100, 1.0f);
  REQUIRE_THAT(error_of_device(),
               containing("st.global") && containing("outside of every device allocation"));
  launch(write_shared, 1, 1, to.get(), 63);
  REQUIRE(error_of_device() == "");
  launch(write_shared, 1, 1, to.get(), 64);
  REQUIRE_THAT(error_of_device(), containing("byte 256 of 256 in shared memory"));
}

TEST_CASE("a misaligned access is reported") {
  const Interpreter interpreter({file_for(any_architecture())});
  const Array<float> array(64);
  launch(add_fours, 1, 1, reinterpret_cast<float4*>(array.get() + 1),
         reinterpret_cast<const float4*>(array.get()), 1);
  REQUIRE_THAT(error_of_device(), containing("a misaligned access of 16 bytes"));
}

TEST_CASE("a barrier that some threads do not reach is reported") {
  const Interpreter interpreter({file_for(any_architecture())});
  const Array<float> to(1);
  launch(divergent, 1, 64, to.get(), 64);
  REQUIRE(error_of_device() == "");
  launch(divergent, 1, 64, to.get(), 32);
  REQUIRE_THAT(error_of_device(), containing("barrier"));
}

}  // namespace
}  // namespace ptx::test
