// The CIFAR-10 reader on good files, and on files that are not what they should be.
#include "retrace/train/cifar10.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace retrace;
namespace fs = std::filesystem;

namespace {

/// Byte i of record r is told by r and i; its label is (r + first) mod 10.
std::string records(std::size_t count, std::size_t first = 0) {
  std::string bytes(count * 3073, '\0');
  for (std::size_t r = 0; r < count; ++r) {
    bytes[r * 3073] = static_cast<char>((r + first) % 10);
    for (std::size_t i = 0; i < 3072; ++i)
      bytes[r * 3073 + 1 + i] = static_cast<char>((i * 7 + i / 256 + r) % 256);
  }
  return bytes;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a good CIFAR-10 file is read record by record, its planes interleaved") {
  const Scratch scratch;
  const ImageSet set = read_cifar10_file(scratch.write("good.bin", records(13)));
  CHECK(set.name == "CIFAR-10");
  CHECK_FALSE(set.synthetic);
  REQUIRE(set.size() == 13);
  REQUIRE(set.pixels.size() == 13 * 3072);
  bool same = true;
  for (std::size_t r = 0; r < 13; ++r) {
    CHECK(set.labels[r] == static_cast<std::int32_t>(r % 10));
    for (std::size_t channel = 0; channel < 3; ++channel)
      for (std::size_t pixel = 0; pixel < 1024; ++pixel) {
        const std::size_t i = channel * 1024 + pixel;
        same = same &&
               set.image(static_cast<Index>(r))[pixel * 3 + channel] == (i * 7 + i / 256 + r) % 256;
      }
  }
  CHECK(same);
}

TEST_CASE("the training set is five files in a row, the test set one") {
  const Scratch scratch;
  for (std::size_t digit = 1; digit <= 5; ++digit)
    scratch.write("data_batch_" + std::to_string(digit) + ".bin", records(10000, digit));
  scratch.write("test_batch.bin", records(10000));
  const ImageSet training = read_cifar10_training(scratch.directory);
  REQUIRE(training.size() == 50000);
  CHECK(training.pixels.size() == std::size_t{50000} * 3072);
  for (std::size_t digit = 1; digit <= 5; ++digit)
    CHECK(training.labels[(digit - 1) * 10000] == static_cast<std::int32_t>(digit));
  CHECK(read_cifar10_test(scratch.directory).size() == 10000);

  SECTION("a missing file is named") {
    fs::remove(scratch.directory / "data_batch_4.bin");
    CHECK(contains(complaint<DataError>([&] { read_cifar10_training(scratch.directory); }),
                   (scratch.directory / "data_batch_4.bin").string()));
  }
  SECTION("a file of whole records, but too few, is refused") {
    scratch.write("data_batch_5.bin", records(9999));
    const auto message = complaint<DataError>([&] { read_cifar10_training(scratch.directory); });
    CHECK(contains(message, "data_batch_5.bin"));
    CHECK(contains(message, "30726927"));  // its size
    CHECK(contains(message, "30730000"));  // the size it should have
  }
}

TEST_CASE("files that are not CIFAR-10 are refused, with their name and what is wrong") {
  const Scratch scratch;
  std::string bytes = records(3);

  SECTION("missing") {
    const fs::path path = scratch.directory / "absent.bin";
    CHECK_THROWS_AS(read_cifar10_file(path), DataError);
    CHECK(contains(complaint<DataError>([&] { read_cifar10_file(path); }), path.string()));
  }
  SECTION("a directory") { CHECK_THROWS_AS(read_cifar10_file(scratch.directory), DataError); }
  SECTION("empty") {
    CHECK_THROWS_AS(read_cifar10_file(scratch.write("empty.bin", "")), DataError);
  }
  SECTION("truncated by a byte") {
    bytes.pop_back();
    const fs::path path = scratch.write("short.bin", bytes);
    const auto message = complaint<DataError>([&] { read_cifar10_file(path); });
    CHECK(contains(message, path.string()));
    CHECK(contains(message, "9218"));
    CHECK(contains(message, "3073"));
    CHECK(contains(complaint<DataError>([&] { read_cifar10_file(path, 3); }), "9219"));
  }
  SECTION("longer by a byte") {
    bytes.push_back(0);
    const fs::path path = scratch.write("long.bin", bytes);
    CHECK(contains(complaint<DataError>([&] { read_cifar10_file(path); }), "9220"));
    CHECK(contains(complaint<DataError>([&] { read_cifar10_file(path, 3); }), "9219"));
  }
  SECTION("longer by a record") {
    const fs::path path = scratch.write("long.bin", records(4));
    CHECK(contains(complaint<DataError>([&] { read_cifar10_file(path, 3); }), "12292"));
    CHECK(read_cifar10_file(path, 4).size() == 4);
  }
  SECTION("an unknown label") {
    const int label = GENERATE(10, 255);
    bytes[2 * 3073] = static_cast<char>(label);
    const fs::path path = scratch.write("mislabelled.bin", bytes);
    const auto message = complaint<DataError>([&] { read_cifar10_file(path); });
    CHECK(contains(message, path.string()));
    CHECK(contains(message, "record 2 "));
    CHECK(contains(message, "label " + std::to_string(label)));
  }
}

TEST_CASE("images read when they are wanted are those of the same files in memory") {
  const Scratch scratch;
  Cifar10Files files(
      {scratch.write("a.bin", records(1500)), scratch.write("b.bin", records(7, 3))});
  const ImageSet all = read_all(files);
  REQUIRE(files.size() == 1507);
  CHECK(all.labels[1499] == 9);
  CHECK(all.labels[1500] == 3);

  const std::vector<Index> wanted{1500, 0, 1499, 1506, 1506};
  const ImageSet some = files.read(wanted);
  REQUIRE(some.size() == 5);
  for (Index i = 0; i < 5; ++i) {
    const Index from = wanted[static_cast<std::size_t>(i)];
    CHECK(some.labels[static_cast<std::size_t>(i)] == all.labels[static_cast<std::size_t>(from)]);
    CHECK(std::ranges::equal(some.image(i), all.image(from)));
  }
  CHECK(pixel_statistics(files).mean == pixel_statistics(all).mean);
  CHECK(pixel_statistics(files).inverse_deviation == pixel_statistics(all).inverse_deviation);

  files.keep_first(1501);
  CHECK(files.size() == 1501);
  CHECK(contains(complaint<DataError>([&] { files.read(wanted); }), "there is no image 1506"));
  CHECK_THROWS_AS(files.read(std::vector<Index>{-1}), DataError);
  files.keep_first(0);
  CHECK_THROWS_AS(pixel_statistics(files), DataError);
}

TEST_CASE("a file that shrinks while it is used is told by its name and record") {
  const Scratch scratch;
  const fs::path path = scratch.write("shrinks.bin", records(200));
  const Cifar10Files files({path});
  scratch.write("shrinks.bin", records(2));
  const auto message = complaint<DataError>([&] { files.read(std::vector<Index>{150}); });
  CHECK(contains(message, path.string()));
  CHECK(contains(message, "record 150"));
}

TEST_CASE("normalisation is the mean and the inverse deviation of each channel") {
  ImageSet set{.name = "small", .height = 1, .width = 2, .channels = 3};
  set.labels = {0, 1};
  set.pixels = {0, 7, 10, 255, 7, 20, 0, 7, 30, 255, 7, 40};
  const PixelStatistics stats = pixel_statistics(set);
  CHECK(stats.mean == std::vector<double>{127.5, 7, 25});
  REQUIRE(stats.inverse_deviation.size() == 3);
  CHECK(std::abs(stats.inverse_deviation[0] - 1 / 127.5) < 1e-15);
  CHECK(stats.inverse_deviation[1] == 1);  // a channel that does not vary is only shifted
  CHECK(std::abs(stats.inverse_deviation[2] - 1 / std::sqrt(125.0)) < 1e-15);
  CHECK_THROWS_AS(pixel_statistics(ImageSet{}), DataError);
}
