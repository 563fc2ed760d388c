#include "retrace/cpu/profile.hpp"

#include <chrono>

#include "support/catch.hpp"
#include "support/operations.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// Returns the operations that took time.
std::vector<Operation> seen(const Profile& profile) {
  std::vector<Operation> list;
  for (Operation operation : all_operations)
    if (profile.seconds(operation) > 0) list.push_back(operation);
  return list;
}

}  // namespace

TEST_CASE("an operation's time is counted under its name") {
  Cpu device(1);
  const auto x = normal<float>(device, {1, 4, 4, 3});
  const auto w = normal<float>(device, {3, 3, 3, 3}, 2);
  Tensor<float, Cpu> y(device, x.shape()), dw(device, w.shape());
  const auto of = [&](auto operation) {
    Profile profile;
    device.set_profile(&profile);
    operation();
    device.set_profile(nullptr);
    return seen(profile);
  };
  using List = std::vector<Operation>;
  CHECK(of([&] { conv2d(y.view(), x.view(), w.view(), 1); }) == List{Operation::convolution});
  CHECK(of([&] { conv2d_input_gradient(y.view(), x.view(), w.view(), 1); }) ==
        List{Operation::input_gradient});
  CHECK(of([&] { conv2d_weight_gradient(dw.view(), x.view(), y.view(), 1); }) ==
        List{Operation::weight_gradient});
  CHECK(of([&] { copy(y.view(), x.view()); }) == List{Operation::movement});
  CHECK(of([&] { activate(y.view(), relu); }) == List{Operation::normalisation});
}

TEST_CASE("a device stops counting without its profile") {
  Cpu device(1);
  Tensor<float, Cpu> x(device, {1, 4, 4, 3});
  Profile profile;
  device.set_profile(&profile);
  fill(x.view(), 0.0f);
  const double seconds = profile.total();
  CHECK(seconds > 0);
  device.set_profile(nullptr);
  fill(x.view(), 0.0f);
  CHECK(profile.total() == seconds);
}

TEST_CASE("the time of a nested operation counts for the outer one") {
  Profile profile;
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  {
    const Profile::Timed outer(&profile, Operation::convolution);
    const Profile::Timed inner(&profile, Operation::movement);
  }
  const double passed = std::chrono::duration<double>(Clock::now() - start).count();
  CHECK(profile.seconds(Operation::movement) == 0);
  CHECK(profile.seconds(Operation::convolution) > 0);
  CHECK(profile.seconds(Operation::convolution) <= passed);
}

TEST_CASE("operations have distinct names") {
  for (Operation a : all_operations)
    for (Operation b : all_operations) CHECK((name(a) == name(b)) == (a == b));
}
