// Counts how often each class is taken for each other one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

/// The number of samples, or of pixels, of every pair of label and prediction.
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(std::size_t classes) : classes_(classes), counts_(classes * classes) {}

  std::size_t classes() const { return classes_; }
  std::uint64_t at(std::size_t label, std::size_t predicted) const {
    return counts_[label * classes_ + predicted];
  }

  /// Counts one sample or pixel for each label, except those with the label no_class.
  /// @param scores  a score of each class for each label, one label after the other; the class with
  ///                the highest score is the prediction, the first one of equals
  void add(std::span<const std::int32_t> labels, std::span<const float> scores);

  /// Returns the numbers of all pairs, such as to add those of another rank.
  std::span<std::uint64_t> counts() { return counts_; }

  std::uint64_t total() const;
  /// Returns the share of right predictions; 0 if nothing was counted.
  double accuracy() const;
  /// Returns the share of a class's labels that are predicted; NaN if it has none.
  double recall(std::size_t of) const;
  /// Returns the share of a class's predictions that are right; NaN if it has none.
  double precision(std::size_t of) const;
  /// Returns right predictions divided by the labels and predictions of a class, each pair counted
  /// once; NaN if it has neither.
  double intersection_over_union(std::size_t of) const;
  /// Returns the mean over the classes that have labels or predictions.
  double mean_intersection_over_union() const;

 private:
  std::uint64_t labelled(std::size_t of) const;
  std::uint64_t predicted(std::size_t of) const;

  std::size_t classes_;
  std::vector<std::uint64_t> counts_;
};

/// Prints a row for each label, a column for each prediction, then recall, precision and
/// intersection over union. Above 12 classes, prints the most frequent mistakes instead of columns.
void print(std::ostream& out, const ConfusionMatrix& matrix,
           const std::vector<std::string>& classes);
