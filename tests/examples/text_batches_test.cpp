#include "text_batches.hpp"

#include <cstdlib>
#include <fstream>
#include <map>

#include "retrace/core/error.hpp"
#include "support/catch.hpp"

namespace {

namespace fs = std::filesystem;

/// A folder that is removed again.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "text.XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  fs::path write(const fs::path& name, const std::string& text) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
    return path_ / name;
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Returns bytes of which each is its position modulo 251.
std::string counting(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += static_cast<char>(i % 251);
  return text;
}

}  // namespace

TEST_CASE("A corpus is all files of a folder in the order of their paths") {
  const Folder folder;
  const std::string text = counting(1000);
  folder.write("b/second", text.substr(300, 1));
  folder.write("a", text.substr(0, 300));
  folder.write("empty", "");
  folder.write("c", text.substr(301));
  folder.write(".hidden/file", "not read");
  const Corpus corpus(folder.path());
  REQUIRE(corpus.size() == 1000);
  CHECK(corpus.files() == 3);
  for (std::uint64_t first : {0, 1, 299, 300, 301, 500, 999}) {
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(1000 - first));
    corpus.read(first, bytes);
    CHECK(std::string(bytes.begin(), bytes.end()) == text.substr(first));
  }
  const std::string before = corpus.checksum();
  CHECK(Corpus(folder.path()).checksum() == before);
  folder.write("c", text.substr(302) + "x");
  CHECK(Corpus(folder.path()).checksum() != before);
}

TEST_CASE("Training windows lie within the training part and depend on seed and step alone") {
  const Folder folder;
  const Corpus corpus(folder.write("text", counting(2000)));
  const TextSplit split(corpus, 0.1, 20);
  CHECK(split.training_bytes() == 1800);
  for (Windows windows : {Windows::random, Windows::segments}) {
    const TextBatchOptions options{.batch = 6, .length = 20, .windows = windows, .seed = 3};
    std::map<std::int32_t, int> places;
    for (std::size_t step = 0; step < 300; ++step) {
      const TextBatch batch = training_batch(split, options, step, 0, 6);
      REQUIRE(batch.tokens.size() == 120);
      for (std::size_t i = 0; i < 120; ++i) {
        CHECK(batch.labels[i] == (batch.tokens[i] + 1) % 251);
        if (i % 20 != 19) CHECK(batch.tokens[i + 1] == batch.labels[i]);
      }
      ++places[batch.tokens[0]];
      const TextBatch part = training_batch(split, options, step, 2, 3);
      CHECK(std::equal(part.tokens.begin(), part.tokens.end(), batch.tokens.begin() + 40));
      if (windows == Windows::segments && batch.tokens[100] == (batch.tokens[0] + 100) % 251)
        CHECK(batch.tokens[20] == batch.labels[19]);
    }
    CHECK(places.size() > 150);  // of 251 first bytes
    TextBatchOptions other = options;
    other.seed = 4;
    CHECK(training_batch(split, other, 0, 0, 6).tokens !=
          training_batch(split, options, 0, 0, 6).tokens);
    CHECK(training_batch(split, options, 1, 0, 6).tokens !=
          training_batch(split, options, 0, 0, 6).tokens);
  }
}

TEST_CASE("Held-out windows predict every byte but the first once") {
  const Folder folder;
  const Corpus corpus(folder.write("text", counting(1000)));
  const TextSplit split(corpus, 0.25, 16);
  for (std::uint64_t bytes : {2, 16, 17, 18, 100, 250, 9999}) {
    const std::size_t windows = held_out_windows(split, 16, bytes);
    const TextBatch batch = held_out_batch(split, 16, bytes, 0, windows);
    REQUIRE(batch.labels.size() == windows * 16);
    std::vector<std::int32_t> predicted;
    for (std::size_t i = 0; i < batch.labels.size(); ++i) {
      if (batch.labels[i] == no_label) continue;
      predicted.push_back(batch.labels[i]);
      CHECK(batch.labels[i] == (batch.tokens[i] + 1) % 251);
    }
    REQUIRE(predicted.size() == std::min<std::uint64_t>(bytes, 250) - 1);
    for (std::size_t i = 0; i < predicted.size(); ++i)
      CHECK(predicted[i] == static_cast<std::int32_t>((751 + i) % 251));
  }
}

TEST_CASE("A length that is too long for the text is refused") {
  const Folder folder;
  const Corpus corpus(folder.write("text", counting(100)));
  CHECK_NOTHROW(TextSplit(corpus, 0.1, 9));
  CHECK_THROWS_WITH(TextSplit(corpus, 0.1, 10),
                    containing("has 10 bytes: the length must be at most 9"));
  CHECK_THROWS_AS(TextSplit(corpus, 0, 10), retrace::DataError);
  CHECK_THROWS_WITH(Corpus(folder.write("empty", "")), containing("empty is empty"));
  CHECK_THROWS_WITH(Corpus(folder.path() / "gone"), containing("does not exist"));
}
