#include "support/table.hpp"

#include <algorithm>
#include <iomanip>
#include <ostream>
#include <sstream>
#include <string_view>

namespace benchmark {

namespace {

/// Returns the width in terminal columns: the number of bytes that begin a UTF-8 character.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xC0) != 0x80; }));
}

}  // namespace

std::string fixed(double value, int digits) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(digits) << value;
  return text.str();
}

void print_lines(std::ostream& out, std::span<const Line> lines, std::size_t names,
                 TableStyle style) {
  std::vector<std::size_t> widths(lines[0].size());
  for (const Line& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width(line[i]));

  const bool markdown = style == TableStyle::markdown;
  for (std::size_t row = 0; row < lines.size(); ++row) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string& text = lines[row][i];
      const std::string padding(widths[i] - width(text), ' ');
      out << (markdown ? (i > 0 ? " | " : "| ") : (i > 0 ? "  " : ""))
          << (i < names ? text + padding : padding + text);
    }
    out << (markdown ? " |\n" : "\n");
    if (row > 0 || !markdown) continue;
    for (std::size_t i = 0; i < widths.size(); ++i)
      out << '|' << std::string(widths[i] + 1, '-') << (i < names ? '-' : ':');
    out << "|\n";
  }
}

}  // namespace benchmark
