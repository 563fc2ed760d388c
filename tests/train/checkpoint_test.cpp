// Checkpoints: the same bits again, every damage noticed, nothing lost when the disk is full.
#include "retrace/train/checkpoint.hpp"

#include "retrace/cpu/signal_noise.hpp"
#include "retrace/layer/dropout.hpp"
#include "retrace/net/fixed_stream.hpp"
#include "retrace/train/checkpoint_folder.hpp"
#include "retrace/train/drift_guard.hpp"
#include "retrace/train/rules/sgd.hpp"
#include "support/catch.hpp"
#include "support/file_limit.hpp"
#include "support/nets.hpp"
#include "support/scratch.hpp"

using namespace retrace;
using namespace retrace::test;
namespace fs = std::filesystem;

namespace {

/// A network with its optimizer, and the one list of all that training changes.
struct Training {
  Net net;
  Sgd<double, Cpu> sgd;

  explicit Training(Cpu& device, Architecture architecture = Architecture::revnet)
      : net(small_net(device, architecture)), sgd(net.parameters(), {.momentum = 0.9}) {}

  ParameterList<double, Cpu> list() {
    auto all = net.parameters();
    sgd.collect("momentum", all);
    return all;
  }
  void take_step(Cpu& device, unsigned seed) {
    auto x = images(device, small_batch, seed);
    accumulate_gradients(net, x, cross_entropy(labels(small_batch.n)));
    sgd.step(0.05);
  }
  std::vector<Values> state() {
    std::vector<Values> all;
    for (auto& named : list().parameters) all.push_back(values(named.parameter->value));
    for (auto& named : list().buffers) all.push_back(values(*named.tensor));
    return all;
  }
};

}  // namespace

TEST_CASE("a checkpoint gives weights, running averages and momentum back, bit for bit") {
  const Scratch scratch;
  Cpu device(2);
  for (Architecture architecture : all_architectures) {
    CAPTURE(name(architecture));
    Training one(device, architecture);
    for (unsigned seed : {1u, 2u}) one.take_step(device, seed);
    write_checkpoint(scratch.directory / "c", one.list(), {{"step", "2"}, {"note", "\"\n"}});
    const std::vector<Values> saved = one.state();
    for (unsigned seed : {3u, 4u}) one.take_step(device, seed);

    Training other(device, architecture);
    other.take_step(device, 9);
    Checkpoint checkpoint(scratch.directory / "c");
    CHECK(checkpoint.number<int>("step") == 2);
    CHECK(checkpoint.metadata("note") == "\"\n");
    checkpoint.restore(other.list());
    CHECK(same_bits(other.state(), saved));
    for (unsigned seed : {3u, 4u}) other.take_step(device, seed);
    CHECK(same_bits(other.state(), one.state()));
  }
}

TEST_CASE("a checkpoint is longer than the pieces it is written in, and of floats too") {
  const Scratch scratch;
  Cpu device;
  const auto numbers = [&](double first) {
    Parameter<float, Cpu> parameter(device, {1, 1, 600, 1000}, true);
    for (Index i = 0; i < 600'000; ++i)
      parameter.value.data()[i] = static_cast<float>(first + static_cast<double>(i));
    return parameter;
  };
  auto one = numbers(0), other = numbers(5);
  ParameterList<float, Cpu> list, another;
  list.add("numbers", one);
  another.add("numbers", other);
  write_checkpoint(scratch.directory / "c", list, {});
  Checkpoint(scratch.directory / "c").restore(another);
  CHECK(values(other.value) == values(one.value));
}

TEST_CASE("a dropout layer goes on with the masks that it would have drawn") {
  const Scratch scratch;
  Cpu device;
  Chain<double, Cpu> one, other;
  one.add("drop", Dropout<double, Cpu>(0.5, 3));
  other.add("drop", Dropout<double, Cpu>(0.5, 3));
  const auto masked = [&](Chain<double, Cpu>& chain) {
    auto x = images(device);
    chain.forward(x, training);
    return values(x);
  };
  masked(one);
  masked(one);
  write_checkpoint(scratch.directory / "c", one.parameters(), {});
  Checkpoint(scratch.directory / "c").restore(other.parameters());
  const Values third = masked(one);
  CHECK(masked(other) == third);
  CHECK(masked(other) != third);
}

TEST_CASE("a stream in fixed point goes on with the fraction bits that it had chosen") {
  const Scratch scratch;
  Cpu device(2);
  FixedStream<std::int16_t, double, Cpu> one, other;
  const auto run = [&](auto& stream, double scale) {
    auto x = images(device);
    for (Index i = 0; i < x.shape().size(); ++i) x.data()[i] *= scale;
    stream.forward(x, inference);
    return values(x);
  };
  const auto save = [&] {
    ParameterList<double, Cpu> list;
    inside::collect(one, "stream", list);
    write_checkpoint(scratch.directory / "c", list, {});
    ParameterList<double, Cpu> into;
    inside::collect(other, "stream", into);
    Checkpoint(scratch.directory / "c").restore(into);
  };
  save();  // before any are chosen
  run(one, 1e-3);
  const Values expected = run(one, 0.1);
  save();
  CHECK(run(other, 0.1) == expected);
  CHECK(other.format()->fraction_bits == one.format()->fraction_bits);
}

TEST_CASE("layers that a drift guard has made anchors are anchors again") {
  const Scratch scratch;
  Cpu device(2);
  const DriftOptions never_good{.warn_below = 1000, .discard_below = 1000};
  Net one = small_net(device, Architecture::layerwise);
  Net other = small_net(device, Architecture::layerwise);
  DriftGuard<double, Cpu> guard(one, never_good), other_guard(other, never_good);
  const auto take_step = [&](Net& net, DriftGuard<double, Cpu>& its_guard) {
    step(net, device);
    its_guard.verdict();
  };
  take_step(one, guard);
  REQUIRE(guard.anchors().size() == 1);
  write_checkpoint(scratch.directory / "c", one.parameters(), {});
  Checkpoint(scratch.directory / "c").restore(other.parameters());
  take_step(one, guard);
  take_step(other, other_guard);
  REQUIRE(guard.anchors().size() == 2);
  CHECK(other_guard.anchors() == std::vector<std::string>{guard.anchors()[1]});
}

TEST_CASE("a thousand flipped bytes are all noticed") {
  const Scratch scratch;
  Cpu device(2);
  Training one(device);
  one.take_step(device, 1);
  const fs::path path = scratch.directory / "c";
  write_checkpoint(path, one.list(), {{"step", "1"}});
  const std::string sound = read_bytes(path);
  const std::size_t header = sound.find("}}");
  Random random(5);
  int missed = 0;
  for (int i = 0; i < 1000; ++i) {
    // Every other one in the header, where a flip can mean most.
    const auto end = static_cast<std::uint32_t>(i % 2 == 0 ? sound.size() : header);
    const std::size_t at = random.below(end);
    const auto flip = static_cast<char>(1 + random.below(255));
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto put = [&](char byte) {
      file.seekp(static_cast<std::streamoff>(at)).put(byte).flush();
    };
    put(static_cast<char>(sound[at] ^ flip));
    if (complaint<DataError>([&] { Checkpoint checkpoint(path); }).empty()) {
      UNSCOPED_INFO("byte " << at << " flipped by " << int{flip});
      ++missed;
    }
    put(sound[at]);
  }
  CHECK(missed == 0);
  Checkpoint(path).restore(one.list());
}

TEST_CASE("a checkpoint that is cut off or lengthened is noticed") {
  const Scratch scratch;
  Cpu device(2);
  Training one(device);
  write_checkpoint(scratch.directory / "c", one.list(), {});
  const std::string sound = read_bytes(scratch.directory / "c");
  for (std::size_t length = 0; length < sound.size(); length += 1 + sound.size() / 97) {
    CAPTURE(length);
    const fs::path path = scratch.write("short", sound.substr(0, length));
    CHECK_THROWS_AS(Checkpoint(path), DataError);
  }
  CHECK_THROWS_AS(Checkpoint(scratch.write("long", sound + '\0')), DataError);
}

TEST_CASE("a sound safetensors file of somebody else is no checkpoint") {
  const Scratch scratch;
  const fs::path path = scratch.write(
      "f", format_safetensors_header({{{"key", "v"}}, {{"w", "U8", {2}, 0, 2}}}) + "ab");
  CHECK_THROWS_WITH(Checkpoint(path), containing("no checkpoint of Retrace"));
}

TEST_CASE("another network is refused by name, and nothing of it is changed") {
  const Scratch scratch;
  Cpu device(2);
  Training one(device), other(device, Architecture::resnet);
  write_checkpoint(scratch.directory / "c", one.list(), {{"step", "1e3"}});
  Checkpoint checkpoint(scratch.directory / "c");
  const std::vector<Values> before = other.state();
  CHECK_THROWS_AS(checkpoint.restore(other.list()), CheckpointMismatch);
  CHECK(same_bits(other.state(), before));

  auto fewer = one.list();
  fewer.buffers.pop_back();
  CHECK_THROWS_WITH(checkpoint.restore(fewer), containing("has a tensor 'momentum."));
  auto more = one.list();
  more.add(
      "drop.step", [] { return 0; }, [](std::int64_t) { FAIL("nothing is restored"); });
  CHECK_THROWS_WITH(checkpoint.restore(more), containing("no 'number.drop.step'"));
  auto renamed = one.list();
  renamed.parameters[0].name = "trunk.weight";
  CHECK_THROWS_WITH(checkpoint.restore(renamed), containing("has no tensor 'trunk.weight'"));
  Net wide = deep_net(device, Architecture::revnet, 1);
  CHECK_THROWS_WITH(checkpoint.restore(wide.parameters()),
                    containing("is 16 of F64, but the network has 8 of F64"));
  CHECK_THROWS_WITH(checkpoint.number<int>("step"), containing("'1e3', which is no such number"));
  CHECK_THROWS_WITH(checkpoint.metadata("seed"), containing("has no 'seed'"));
}

TEST_CASE("names and keys that come twice are not written") {
  const Scratch scratch;
  Cpu device(2);
  Training one(device);
  auto twice = one.list();
  Parameter<double, Cpu> other(device, {1, 1, 2, 3}, true);
  twice.add(twice.parameters[0].name, other);
  CHECK_THROWS_WITH(write_checkpoint(scratch.directory / "c", twice, {}), containing("twice"));
  CHECK_THROWS_WITH(write_checkpoint(scratch.directory / "c", one.list(), {{"crc64", ""}}),
                    containing("twice"));
  CHECK_FALSE(fs::exists(scratch.directory / "c"));
}

TEST_CASE("a disk that is full at any byte leaves the last checkpoints as they are") {
  const Scratch scratch;
  Cpu device(2);
  Training one(device);
  CheckpointFolder folder(scratch.directory / "folder");
  one.take_step(device, 1);
  folder.save(1, one.list(), {});
  folder.save(2, one.list(), {});
  const std::string first = read_bytes(folder.path_of(1)), second = read_bytes(folder.path_of(2));
  one.take_step(device, 2);
  for (std::size_t room = 0; room < second.size(); room += 1 + second.size() / 53) {
    CAPTURE(room);
    {
      const FileLimit limit(room);
      CHECK_THROWS_AS(folder.save(3, one.list(), {}), std::system_error);
    }
    CHECK(folder.steps() == std::vector<std::size_t>{2, 1});
    CHECK(read_bytes(folder.path_of(1)) == first);
    CHECK(read_bytes(folder.path_of(2)) == second);
  }
  folder.save(3, one.list(), {});
  CHECK(folder.steps() == std::vector<std::size_t>{3, 2});
}
