#include "table.hpp"

#include <algorithm>
#include <iomanip>
#include <ostream>

std::ostream& operator<<(std::ostream& out, const Table& table) {
  std::vector<std::size_t> widths(table.rows_.front().size());
  for (const Table::Row& row : table.rows_)
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size());

  for (const Table::Row& row : table.rows_) {
    for (std::size_t i = 0; i < widths.size(); ++i)
      out << (i == 0 ? std::left : std::right) << (i == 0 ? "" : "  ")
          << std::setw(static_cast<int>(widths[i])) << row[i];
    out << '\n';
  }
  return out;
}
