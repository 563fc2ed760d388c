// Splits PTX without its comments into statements.
#pragma once

#include <string>
#include <vector>

namespace ptx {

struct Statement {
  /// The end of a statement, which is also the beginning of an entry's body.
  enum class End { semicolon, label, open, close } end;
  std::string text;
  int line;
};

std::vector<Statement> statements(const std::string& source);

std::string trim(const std::string& text);

/// Returns the trimmed, non-empty parts between any of the separators.
std::vector<std::string> split(const std::string& text, const char* separators);

/// Returns the parts between commas that are outside brackets and braces.
std::vector<std::string> split_operands(const std::string& text);

[[noreturn]] void fail_at(int line, const std::string& what);

}  // namespace ptx
