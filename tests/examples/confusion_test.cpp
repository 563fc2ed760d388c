// The confusion matrix: counts, shares, and its table; and the PNG files that pictures are made of.
#include "confusion.hpp"

#include <cmath>
#include <sstream>

#include "png_writer.hpp"
#include "samples.hpp"
#include "support/catch.hpp"

namespace {

/// 3 x 0 as 0, 1 x 0 as 1, 2 x 1 as 1, none of class 2, one row without a class.
ConfusionMatrix example() {
  ConfusionMatrix matrix(3);
  const std::vector<std::int32_t> labels{0, 0, 0, 0, 1, 1, no_class};
  const std::vector<float> scores{2, 1, 0, 5, 4, 3, 1, 1, 0, 0, 3, 1, -1, 0, -2, 0, 9, 8, 0, 0, 7};
  matrix.add(labels, scores);
  return matrix;
}

}  // namespace

TEST_CASE("A confusion matrix counts pairs of label and prediction") {
  const ConfusionMatrix matrix = example();
  CHECK(matrix.total() == 6);
  CHECK(matrix.at(0, 0) == 3);  // equal scores are the first class
  CHECK(matrix.at(0, 1) == 1);
  CHECK(matrix.at(1, 1) == 2);
  CHECK(matrix.accuracy() == Approx(5 / 6.0));
  CHECK(matrix.recall(0) == Approx(3 / 4.0));
  CHECK(matrix.precision(1) == Approx(2 / 3.0));
  CHECK(matrix.intersection_over_union(0) == Approx(3 / 4.0));
  CHECK(matrix.intersection_over_union(1) == Approx(2 / 3.0));
  CHECK(std::isnan(matrix.intersection_over_union(2)));
  CHECK(matrix.mean_intersection_over_union() == Approx((3 / 4.0 + 2 / 3.0) / 2));
  CHECK(ConfusionMatrix(4).accuracy() == 0);
}

TEST_CASE(
    "A confusion matrix is printed with its classes, or with its mistakes if there are many") {
  std::ostringstream few, many;
  print(few, example(), {"cat", "elephant", "dog"});
  CHECK(few.str() ==
        "label        cat elephan     dog  recall %  precision %  IoU %\n"
        "cat            3       1       0      75.0        100.0   75.0\n"
        "elephant       0       2       0     100.0         66.7   66.7\n"
        "dog            0       0       0         -            -      -\n");
  ConfusionMatrix large(13);
  std::vector<float> scores(13);
  scores[4] = 1;
  large.add(std::vector<std::int32_t>{3}, scores);
  std::vector<std::string> names;
  for (int i = 0; i < 13; ++i) names.push_back("c" + std::to_string(i));
  print(many, large, names);
  CHECK(many.str().find("most frequent mistakes:\n  1 x c3 taken for c4\n") != std::string::npos);
}

TEST_CASE("A picture survives its PNG file") {
  for (const retrace::Index channels : {1, 3}) {
    Picture picture{5, 7, channels, {}};
    for (retrace::Index i = 0; i < 5 * 7 * channels; ++i)
      picture.pixels.push_back(static_cast<std::uint8_t>(37 * i));
    const Picture again = decode_picture(encode_png(picture), "test", channels);
    CHECK(again.height == 5);
    CHECK(again.width == 7);
    CHECK(again.pixels == picture.pixels);
  }
  CHECK_THROWS_WITH(encode_png({1, 1, 2, {0, 0}}),
                    "encode_png: a picture must have pixels of 1 or 3 channels");
}
