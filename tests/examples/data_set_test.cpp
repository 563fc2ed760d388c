// Data sets of every format: found by what is there, read, split and refused by name.
#include "data_set.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "picture_writer.hpp"
#include "retrace/core/error.hpp"
#include "retrace/train/synthetic.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using retrace::DataError, retrace::Index, retrace::Shape;
namespace fs = std::filesystem;

namespace {

/// A folder in the scratch folder, whose files may lie in folders of their own.
struct Folder {
  Scratch scratch;
  fs::path directory;

  Folder() {
    static int number = 0;
    directory = scratch.directory / std::to_string(++number);
    fs::create_directories(directory);
  }
  void add(const std::string& name, std::string_view bytes) const {
    fs::create_directories((directory / name).parent_path());
    std::ofstream(directory / name, std::ios::binary) << bytes;
  }
  void add(const std::string& name, const Bytes& bytes) const { add(name, text(bytes)); }
  fs::path operator/(const std::string& name) const { return directory / name; }
};

DataSet read(const fs::path& path, const DataOptions& options = {}) {
  return read_data_set(path, options);
}

std::string complaint_about(const fs::path& path, const DataOptions& options = {}) {
  return complaint<DataError>([&] { read(path, options); });
}

std::vector<float> values(const Samples& samples, Index sample) {
  std::vector<float> result(static_cast<std::size_t>(samples.shape().size()));
  samples.read(sample, result);
  return result;
}

std::vector<std::int32_t> labels(const Samples& samples) {
  std::vector<std::int32_t> result;
  for (Index i = 0; i < samples.size(); ++i) result.push_back(label(samples, i));
  return result;
}

bool has_note(const DataSet& set, const std::string& part) {
  return std::any_of(set.notes.begin(), set.notes.end(),
                     [&](const std::string& note) { return note.find(part) != note.npos; });
}

/// Records of CIFAR: value i of record r is (r + i) mod 251.
std::string cifar_records(int count, int label_bytes, int classes) {
  std::string bytes;
  for (int r = 0; r < count; ++r) {
    for (int i = 1; i < label_bytes; ++i) bytes += '\5';
    bytes += static_cast<char>(r % classes);
    for (int i = 0; i < 3072; ++i) bytes += static_cast<char>((r + i) % 251);
  }
  return bytes;
}

Bytes idx_header(std::initializer_list<int> extents, int type = 8) {
  Bytes bytes{0, 0, std::uint8_t(type), std::uint8_t(extents.size())};
  for (const int extent : extents)
    for (const int shift : {24, 16, 8, 0}) bytes.push_back(std::uint8_t(extent >> shift));
  return bytes;
}

/// Image i is full of i; its label is i mod 3.
Bytes idx_images(int count, int side = 10) {
  Bytes bytes = idx_header({count, side, side});
  for (int i = 0; i < count; ++i)
    bytes.insert(bytes.end(), std::size_t(side * side), std::uint8_t(i));
  return bytes;
}
Bytes idx_labels(int count) {
  Bytes bytes = idx_header({count});
  for (int i = 0; i < count; ++i) bytes.push_back(std::uint8_t(i % 3));
  return bytes;
}

/// Two classes of six PNG files each of 16x16.
void add_classes(const Folder& folder, const std::string& part = "") {
  for (int i = 0; i < 6; ++i) {
    folder.add(part + "cat/" + std::to_string(i) + ".png", png_of(pattern(16, 16, 3, i)));
    folder.add(part + "dog/" + std::to_string(i) + ".png", png_of(pattern(16, 16, 3, i + 10)));
  }
}

DataOptions skipping() { return {.skip_bad = true}; }

}  // namespace

TEST_CASE("CIFAR-10 may have any number of batches of any length") {
  const Folder folder;
  folder.add("data_batch_1.bin", cifar_records(7, 1, 10));
  folder.add("data_batch_2.bin", cifar_records(5, 1, 10));
  folder.add("test_batch.bin", cifar_records(4, 1, 10));
  for (const bool in_files : {false, true}) {
    const DataSet set = read(folder.directory, {.in_files = in_files});
    CHECK(set.name == "CIFAR-10");
    CHECK(set.classes[3] == "cat");
    REQUIRE(set.train->size() == 12);
    CHECK(set.test->size() == 4);
    CHECK(labels(*set.train) == std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4});
    const std::vector<float> image = values(*set.train, 8);  // record 1 of the second file
    CHECK((image[0] == 1 && image[1] == (1 + 1024) % 251 && image[3] == 2));
    CHECK_THAT(set.train->name(8), containing("data_batch_2.bin: record 1"));
  }
  SECTION("a file that is not of whole records is refused") {
    folder.add("data_batch_2.bin", std::string(3072, '\0'));
    CHECK_THAT(complaint_about(folder.directory),
               containing("data_batch_2.bin: has 3072 bytes, but must have a multiple of 3073"));
  }
  SECTION("a label over 9 is refused") {
    folder.add("data_batch_2.bin", cifar_records(20, 1, 15));
    CHECK_THAT(
        complaint_about(folder.directory),
        containing("data_batch_2.bin: record 10 has label 10, but labels must be from 0 to 9"));
  }
}

TEST_CASE("CIFAR-100 has fine labels and their names") {
  const Folder folder;
  folder.add("train.bin", cifar_records(100, 2, 100));
  folder.add("test.bin", cifar_records(10, 2, 100));
  folder.add("fine_label_names.txt", "apple\naquarium_fish\n");
  const DataSet set = read(folder.directory);
  CHECK(set.name == "CIFAR-100");
  REQUIRE(set.classes.size() == 100);
  CHECK((set.classes[1] == "aquarium_fish" && set.classes[99] == "99"));
  CHECK(label(*set.train, 57) == 57);
  CHECK(values(*set.train, 57)[0] == 57);
}

TEST_CASE("IDX files are read, compressed or not") {
  const Folder folder;
  folder.add("train-images-idx3-ubyte.gz", gzip_of(idx_images(30)));
  folder.add("train-labels-idx1-ubyte", idx_labels(30));
  folder.add("t10k-images.idx3-ubyte", idx_images(6));
  folder.add("t10k-labels-idx1-ubyte.gz", gzip_of(idx_labels(6)));
  const DataSet set = read(folder.directory);
  CHECK(set.train->shape() == Shape{1, 10, 10, 1});
  CHECK((set.train->size() == 30 && set.test->size() == 6));
  CHECK(values(*set.train, 17) == std::vector<float>(100, 17));
  CHECK(labels(*set.test) == std::vector<std::int32_t>{0, 1, 2, 0, 1, 2});
  CHECK(set.classes == std::vector<std::string>{"0", "1", "2"});
  CHECK(set.class_counts == std::vector<std::uint64_t>{10, 10, 10});
  CHECK(set.normalisation.mean.at(0) == 14.5);

  SECTION("names of classes are in classes.txt") {
    folder.add("classes.txt", "a\r\nb\r\nc\r\n");
    CHECK(read(folder.directory).classes == std::vector<std::string>{"a", "b", "c"});
    folder.add("classes.txt", "a\nb\n");
    CHECK_THAT(complaint_about(folder.directory), containing("has label 2, but 2 names"));
  }
  const auto complaint_with = [&](const std::string& name, const Bytes& bytes) {
    folder.add(name, bytes);
    return complaint_about(folder.directory);
  };
  SECTION("a compressed file that is cut off is refused") {
    Bytes cut = gzip_of(idx_images(30));
    cut.resize(cut.size() / 2);
    CHECK_THAT(complaint_with("train-images-idx3-ubyte.gz", cut),
               containing("train-images-idx3-ubyte.gz: its compressed data is damaged or cut off"));
  }
  SECTION("a header that claims more than there is, is refused") {
    Bytes images = idx_header({1 << 30, 1 << 10, 1 << 10});
    images.resize(1000);
    CHECK_THAT(complaint_with("t10k-images.idx3-ubyte", images), containing("which cannot be"));
    images = idx_header({7, 10, 10});
    images.resize(16 + 600);
    CHECK_THAT(complaint_with("t10k-images.idx3-ubyte", images),
               containing("its header says 700 bytes, but 600 follow"));
  }
  SECTION("other types, other files and other numbers are refused") {
    CHECK_THAT(complaint_with("train-labels-idx1-ubyte", idx_header({1}, 13)),
               containing("holds values of IDX type 13"));
    CHECK_THAT(complaint_with("train-labels-idx1-ubyte", {1, 2, 3, 4, 5}),
               containing("is not an IDX file"));
    CHECK_THAT(complaint_with("train-labels-idx1-ubyte", idx_labels(29)),
               containing("has 29 labels, but") && containing("30 images"));
    CHECK_THAT(complaint_with("train-labels-idx1-ubyte", {}), containing("is empty"));
  }
  SECTION("labels without images are refused") {
    fs::remove(folder / "t10k-images.idx3-ubyte");
    CHECK_THAT(complaint_about(folder.directory),
               containing("has labels for testing, but no images"));
  }
}

TEST_CASE("a folder of folders has a class in each, and a tenth is kept to test on") {
  const Folder folder;
  for (int i = 0; i < 20; ++i) {
    folder.add("cat/" + std::to_string(i) + ".png", png_of(pattern(16, 16, 3, i)));
    folder.add("dog/deep/" + std::to_string(i) + ".JPG", jpeg_of(pattern(16, 16, 1, i)));
  }
  folder.add("dog/notes.txt", "none");
  folder.add(".hidden/1.png", "none");
  const DataSet set = read(folder.directory);
  CHECK(set.name == folder.directory.filename().string());
  CHECK(set.classes == std::vector<std::string>{"cat", "dog"});
  CHECK(set.class_counts == std::vector<std::uint64_t>{18, 18});
  CHECK(set.test->size() == 4);
  CHECK(set.train->shape() == Shape{1, 16, 16, 3});
  CHECK(has_note(set, "of 40 training samples, 4 are kept to test on"));
  CHECK(has_note(set, "ignored, because only PNG and JPEG are read: 1 file .txt"));

  SECTION("no image is in both parts, and each has the label of its folder") {
    std::set<std::string> names;
    for (const auto& part : {set.train, set.test})
      for (Index i = 0; i < part->size(); ++i) {
        CHECK(names.insert(part->name(i)).second);
        CHECK((part->name(i).find("/cat/") != std::string::npos) == (label(*part, i) == 0));
      }
    CHECK(names.size() == 40);
  }
  SECTION("the first images are of both classes") {
    const DataSet few = read(folder.directory, {.train_samples = 12});
    CHECK(few.train->size() == 12);
    CHECK((few.class_counts[0] > 2 && few.class_counts[1] > 2));
  }
  SECTION("the share that is kept can be chosen") {
    CHECK(read(folder.directory, {.validation = 0.5}).test->size() == 20);
  }
}

TEST_CASE("folders train and val are the two parts") {
  const Folder folder;
  add_classes(folder, "train/");
  folder.add("val/dog/a.png", png_of(pattern(16, 16, 3)));
  const DataSet set = read(folder.directory);
  CHECK((set.train->size() == 12 && set.test->size() == 1));
  CHECK(label(*set.test, 0) == 1);
  SECTION("a class that is not trained is refused") {
    folder.add("val/bird/a.png", png_of(pattern(16, 16, 3)));
    CHECK_THAT(complaint_about(folder.directory), containing("there is no class 'bird'"));
  }
}

TEST_CASE("images of several sizes are fitted into one, and it is said which") {
  const Folder folder;
  add_classes(folder);
  folder.add("cat/wide.png", png_of(pattern(20, 60, 1)));
  const DataSet set = read(folder.directory);
  CHECK(set.train->shape() == Shape{1, 16, 16, 3});
  CHECK(has_note(set, "images of 16x16 to 20x60 are fitted into 16x16"));
  CHECK(read(folder.directory, {.image_size = std::pair<Index, Index>{24, 40}}).train->shape() ==
        Shape{1, 24, 40, 3});
  SECTION("grey images alone have one channel") {
    const Folder grey;
    for (int i = 0; i < 10; ++i) {
      grey.add("a/" + std::to_string(i) + ".png", png_of(pattern(400, 800, 1)));
      grey.add("b/" + std::to_string(i) + ".jpg", jpeg_of(pattern(400, 800, 1)));
    }
    CHECK(read(grey.directory).train->shape() == Shape{1, 64, 128, 1});
  }
}

TEST_CASE("an image that cannot be read is an error with its name, or is skipped and counted") {
  const Folder folder;
  add_classes(folder);
  folder.add("cat/none.png", "not an image");
  Bytes cut = png_of(pattern(16, 16, 3));
  cut.resize(cut.size() - 30);  // found when it is decoded
  folder.add("dog/cut.png", cut);
  CHECK_THAT(complaint_about(folder.directory),
             containing("cat/none.png: is neither") && containing("--on-bad-image skip"));
  const DataSet set = read(folder.directory, skipping());
  CHECK(set.train->size() + set.test->size() == 12);
  CHECK(has_note(set, "skipped 1 of 14"));
  CHECK(has_note(set, "cat/none.png: is neither"));
  CHECK(has_note(set, "dog/cut.png: is damaged or cut off"));
  SECTION("if nothing is left, that is an error") {
    const Folder none;
    for (const char* name : {"a/1.png", "a/2.png", "b/1.png"}) none.add(name, "not an image");
    CHECK_THAT(complaint_about(none.directory, skipping()), containing("no other can be read"));
  }
}

TEST_CASE("folders that are no data set are refused with what they lack") {
  const Folder folder;
  CHECK_THAT(complaint_about(folder / "nothing"), containing("there is no such file or folder"));
  CHECK_THAT(complaint_about(folder.directory), containing("has no data: it must have"));
  folder.add("1.png", png_of(pattern(16, 16, 3)));
  CHECK_THAT(complaint_about(folder.directory), containing("in a folder of their own"));
  CHECK_THAT(complaint_about(folder / "1.png"), containing("must be a folder or a .csv file"));
  folder.add("cat/1.png", png_of(pattern(16, 16, 3)));
  CHECK_THAT(complaint_about(folder.directory), containing("a folder for each of at least 2"));
  folder.add("dog/readme.txt", "none");
  CHECK_THAT(complaint_about(folder.directory), containing("dog: is the folder of a class, but"));
  CHECK_THAT(complaint_about(folder.directory, {.format = DataFormat::idx}),
             containing("has no *train-images-idx3-ubyte"));
}

TEST_CASE("a table has a class in a column and numbers in the others") {
  const Folder folder;
  std::string rows = "length,width,species\n";
  for (int i = 0; i < 20; ++i)
    rows += std::to_string(i) + ".5," + std::to_string(-i) + (i % 2 ? ",\"b, c\"\n" : ",a\r\n");
  folder.add("iris.csv", rows);
  const DataSet set = read(folder / "iris.csv");
  CHECK(set.classes == std::vector<std::string>{"a", "b, c"});
  CHECK(set.train->shape() == Shape{1, 1, 1, 2});
  CHECK(has_note(set, "classes are in column species, the 2 others become 1x1 pixel with 2"));
  for (Index i = 0; i < set.train->size(); ++i) {
    const std::vector<float> row = values(*set.train, i);
    CHECK(row[0] + row[1] == 0.5f);
    CHECK(label(*set.train, i) == int(-row[1]) % 2);
  }
  SECTION("the column can be named or numbered") {
    folder.add("first.csv", "7;1;2\n3;2;1\n7;3;3\n");
    const DataSet first = read(folder / "first.csv", {.label_column = "1"});
    CHECK(first.classes == std::vector<std::string>{"3", "7"});
    CHECK_THAT(complaint_about(folder / "iris.csv", {.label_column = "colour"}),
               containing("'colour', but there are columns 1 to 3"));
  }
  SECTION("classes that are numbers are in their order") {
    folder.add("many.csv", "1,10\n2,9\n3,2\n4,10\n");
    CHECK(read(folder / "many.csv").classes == std::vector<std::string>{"2", "9", "10"});
  }
  SECTION("rows of k x k values of bytes are images") {
    std::string images;
    for (int i = 0; i < 4; ++i) {
      for (int k = 0; k < 64; ++k) images += std::to_string(k + i) + ",";
      images += std::to_string(i % 2) + "\n";
    }
    folder.add("images.csv", images);
    CHECK(read(folder / "images.csv").train->shape() == Shape{1, 8, 8, 1});
    CHECK(read(folder / "images.csv", {.row_shape = Shape{1, 4, 4, 4}}).train->shape() ==
          Shape{1, 4, 4, 4});
    CHECK_THROWS_WITH(read(folder / "images.csv", {.row_shape = Shape{1, 4, 4, 3}}),
                      containing("64 numbers in a row"));
  }
  const auto complaint_with = [&](const std::string& bytes) {
    folder.add("bad.csv", bytes);
    return complaint_about(folder / "bad.csv");
  };
  SECTION("other tables are refused with the line") {
    CHECK_THAT(complaint_with("1,2,a\n1,2\n"), containing("bad.csv: line 2: has 2 fields"));
    CHECK_THAT(complaint_with("1,2,a\n1,x,b\n"), containing("line 2: field 2 is 'x'"));
    CHECK_THAT(complaint_with("1,2,a\n1,nan,b\n"), containing("field 2 is 'nan'"));
    CHECK_THAT(complaint_with("1,2,a\n1,1e99,b\n"), containing("field 2 is '1e99'"));
    CHECK_THAT(complaint_with("1,2,a\n1,,b\n"), containing("field 2 is ''"));
    CHECK_THAT(complaint_with("1,2,a\n1,2,\n"), containing("its class is empty"));
    CHECK_THAT(complaint_with("a,b,c\n"), containing("has no rows"));
    CHECK_THAT(complaint_with("a\n"), containing("has one field"));
    CHECK_THAT(complaint_with("1,a\n2,a\n3,a\n"), containing("has 1 class, but at least 2"));
  }
  SECTION("a test table has the classes of the training table") {
    folder.add("two/train.csv", "1,a\n2,b\n3,c\n");
    folder.add("two/test.csv", "1,c\n");
    CHECK(label(*read(folder / "two").test, 0) == 2);
    folder.add("two/test.csv", "1,c\n2,d\n");
    CHECK_THAT(complaint_about(folder / "two"), containing("line 2: there is no class 'd'"));
  }
}

TEST_CASE("pairs of images and masks have a label for each pixel") {
  const Folder folder;
  const auto add_pair = [&](const std::string& name, Bytes mask, const Picture& image) {
    folder.add("images/" + name + ".jpg", jpeg_of(image));
    folder.add("masks/" + name + ".png",
               png_of(Picture{image.height, image.width, 1, std::move(mask)}));
  };
  for (int i = 0; i < 10; ++i) {
    Bytes mask(64, 0);
    mask[std::size_t(i)] = 2;
    mask[63] = 255;
    add_pair(std::to_string(i), mask, pattern(8, 8, 3, i));
  }
  const DataSet set = read(folder.directory);
  CHECK(set.labels_pixels());
  CHECK(set.classes == std::vector<std::string>{"0", "1", "2"});
  CHECK(set.class_counts == std::vector<std::uint64_t>{9 * 62, 0, 9});
  CHECK(has_note(set, "no training sample is of class 1"));
  std::vector<std::int32_t> mask(64);
  set.train->read_labels(0, mask);
  CHECK(mask[63] == no_class);
  CHECK(std::count(mask.begin(), mask.end(), 2) == 1);

  SECTION("a mask that is missing or of another size is refused") {
    add_pair("large", Bytes(64, 0), pattern(8, 8, 3));
    folder.add("masks/large.png", png_of(pattern(9, 8, 1)));
    CHECK_THAT(complaint_about(folder.directory),
               containing("masks/large.png: is 9x8, but its image"));
    fs::remove(folder / "masks/large.png");
    CHECK_THAT(complaint_about(folder.directory), containing("large.jpg: has no mask"));
  }
  SECTION("masks of black and white have two classes") {
    const Folder other;
    for (int i = 0; i < 10; ++i) {
      Bytes values(64, 0);
      values[std::size_t(i)] = 255;
      other.add("images/" + std::to_string(i) + ".png", png_of(pattern(8, 8, 3, i)));
      other.add("masks/" + std::to_string(i) + ".png", png_of(Picture{8, 8, 1, values}));
    }
    const DataSet two = read(other.directory);
    CHECK(two.class_counts == std::vector<std::uint64_t>{9 * 63, 9});
    CHECK(has_note(two, "masks are black and white"));
  }
}

TEST_CASE("statistics and checksum are those of the samples, for any number of threads") {
  const auto synthetic = [](int threads) {
    return make_data_set("synthetic", samples_of(retrace::synthetic_images(700, 1)),
                         samples_of(retrace::synthetic_images(30, 2)), {}, {.threads = threads});
  };
  const DataSet one = synthetic(1), four = synthetic(4);
  CHECK(one.checksum == four.checksum);
  const retrace::PixelStatistics expected = pixel_statistics(retrace::synthetic_images(700, 1));
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(one.normalisation.mean[c] == Approx(expected.mean[c]).epsilon(1e-14));
    CHECK(one.normalisation.inverse_deviation[c] ==
          Approx(expected.inverse_deviation[c]).epsilon(1e-12));
    CHECK(one.normalisation.mean[c] == four.normalisation.mean[c]);
  }
  const DataSet other = make_data_set("synthetic", samples_of(retrace::synthetic_images(700, 3)),
                                      samples_of(retrace::synthetic_images(30, 2)), {}, {});
  CHECK(one.checksum != other.checksum);
}
