// Columns of text: the first one left-aligned, the others right-aligned.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

class Table {
 public:
  using Row = std::vector<std::string>;

  explicit Table(Row head) : rows_{std::move(head)} {}

  /// Adds a row with as many cells as the header.
  void add(Row row) { rows_.push_back(std::move(row)); }

  friend std::ostream& operator<<(std::ostream& out, const Table& table);

 private:
  std::vector<Row> rows_;  ///< the header first
};
