// The folder of a training: the last two kept, the newest sound one found, one user at a time.
#include "retrace/train/checkpoint_folder.hpp"

#include "retrace/cpu/elementwise.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace retrace;
namespace fs = std::filesystem;

namespace {

/// A state of one number.
struct Tiny {
  Cpu device;
  Parameter<float, Cpu> number{device, per_channel(1), false};

  ParameterList<float, Cpu> list() {
    ParameterList<float, Cpu> all;
    all.add("number", number);
    return all;
  }
  void save(CheckpointFolder& folder, std::size_t step) {
    number.value.data()[0] = static_cast<float>(step);
    folder.save(step, list(), {{"step", std::to_string(step)}});
  }
};

void damage(const fs::path& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end).put('x');
}

}  // namespace

TEST_CASE("the last two checkpoints are kept, and nothing else is touched") {
  const Scratch scratch;
  scratch.write("checkpoint-1.safetensors", "another's");
  scratch.write("best.safetensors", "best");
  Tiny tiny;
  CheckpointFolder folder(scratch.directory);
  CHECK_FALSE(folder.newest().checkpoint);
  for (std::size_t step : {9u, 10u, 100u, 123456789u}) tiny.save(folder, step);
  CHECK(folder.steps() == std::vector<std::size_t>{123456789, 100});
  CHECK(folder.path_of(100) == scratch.directory / "checkpoint-00000100.safetensors");
  CHECK(read_bytes(scratch.directory / "checkpoint-1.safetensors") == "another's");
  CHECK(read_bytes(folder.best()) == "best");
  auto newest = folder.newest();
  REQUIRE(newest.checkpoint);
  CHECK(newest.checkpoint->number<int>("step") == 123456789);
}

TEST_CASE("a damaged newest checkpoint gives way to the one before, and is kept aside") {
  const Scratch scratch;
  Tiny tiny;
  CheckpointFolder folder(scratch.directory);
  for (std::size_t step : {1u, 2u}) tiny.save(folder, step);
  damage(folder.path_of(2));
  auto [checkpoint, damaged] = folder.newest();
  REQUIRE(checkpoint);
  checkpoint->restore(tiny.list());
  CHECK(tiny.number.value.data()[0] == 1);
  REQUIRE(damaged.size() == 1);
  CHECK_THAT(damaged[0],
             containing("checkpoint-00000002.safetensors: is damaged: its checksum is"));
  CHECK(fs::exists(scratch.directory / "checkpoint-00000002.safetensors.damaged"));

  for (std::size_t step : {2u, 3u}) tiny.save(folder, step);
  CHECK(folder.steps() == std::vector<std::size_t>{3, 2});
  for (std::size_t step : {2u, 3u}) damage(folder.path_of(step));
  CHECK_THROWS_WITH(folder.newest(), containing("can be used") && containing("00000003"));
  CHECK(folder.steps() == std::vector<std::size_t>{3, 2});
}

TEST_CASE("what a killed process left half written is removed") {
  const Scratch scratch;
  scratch.write("checkpoint-00000002.safetensors.tmp", "half");
  CheckpointFolder folder(scratch.directory / "deeper" / "folder");
  CheckpointFolder here(scratch.directory);
  CHECK_FALSE(fs::exists(scratch.directory / "checkpoint-00000002.safetensors.tmp"));
  CHECK(here.steps().empty());
}

TEST_CASE("a folder serves one training at a time") {
  const Scratch scratch;
  {
    CheckpointFolder folder(scratch.directory);
    CHECK_THROWS_WITH(CheckpointFolder(scratch.directory),
                      containing("in use by another training"));
  }
  CheckpointFolder folder(scratch.directory);
}

TEST_CASE("a place that is no folder is refused") {
  const Scratch scratch;
  scratch.write("file", "");
  CHECK_THROWS_AS(CheckpointFolder(scratch.directory / "file"), std::system_error);
  CHECK_THROWS_AS(CheckpointFolder(scratch.directory / "file" / "folder"), std::system_error);
}
