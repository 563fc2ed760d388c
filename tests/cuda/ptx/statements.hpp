// PTX split into statements, its comments gone.
#pragma once

#include <string>
#include <vector>

namespace ptx {

struct Statement {
  /// What ends it, and what an entry's body begins with.
  enum class End { semicolon, label, open, close } end;
  std::string text;
  int line;
};

std::vector<Statement> statements(const std::string& source);

std::string trim(const std::string& text);

/// The parts between any of the separators, trimmed, none empty.
std::vector<std::string> split(const std::string& text, const char* separators);

/// The parts between commas that no bracket or brace holds.
std::vector<std::string> split_operands(const std::string& text);

[[noreturn]] void fail_at(int line, const std::string& what);

}  // namespace ptx
