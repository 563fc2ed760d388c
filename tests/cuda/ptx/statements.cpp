#include "cuda/ptx/statements.hpp"

#include <algorithm>

#include "cuda/emulator/location.hpp"

namespace ptx {
namespace {

/// Replaces comments and line ends by spaces; `lines` gets the line of each character.
std::string without_comments(const std::string& source, std::vector<int>& lines) {
  std::string text;
  int line = 1;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source.compare(i, 2, "//") == 0) {
      i = std::min(source.find('\n', i), source.size() - 1);
    } else if (source.compare(i, 2, "/*") == 0) {
      i = source.find("*/", i) + 1;
      continue;
    }
    text += source[i] == '\t' || source[i] == '\r' ? ' ' : source[i];
    lines.push_back(line);
    if (source[i] == '\n') ++line;
  }
  return text;
}

/// Returns whether a statement, such as .version or .target, ends at the end of its line.
bool ends_with_line(const std::string& text) {
  for (const char* directive : {".version", ".target", ".address_size", ".file", ".loc", ".maxntid",
                                ".minnctapersm", ".pragma", ".reqntid", ".maxnreg"})
    if (text.rfind(directive, 0) == 0) return true;
  return false;
}

}  // namespace

std::vector<Statement> statements(const std::string& source) {
  std::vector<int> lines;
  const std::string text = without_comments(source, lines);
  std::vector<Statement> list;
  std::string now;
  int line = 0, braces = 0;
  const auto finish = [&](Statement::End end) {
    list.push_back({end, trim(now), line});
    now.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (now.empty()) line = lines[i];
    if (std::string("\n{};:").find(c) == std::string::npos) {
      if (c != ' ' || !now.empty()) now += c;
      continue;
    }
    const std::string begun = trim(now);
    const bool in_operands = !begun.empty() && begun[0] != '.' && begun.back() != ')';
    if (c == '\n') {
      if (begun.empty() || ends_with_line(begun))
        now.clear();
      else
        now += ' ';
    } else if (c == '{' && in_operands) {
      ++braces;
      now += c;
    } else if (c == '}' && braces > 0) {
      --braces;
      now += c;
    } else if (c == '{' || c == '}') {
      finish(c == '{' ? Statement::End::open : Statement::End::close);
    } else if (c == ';') {
      finish(Statement::End::semicolon);
    } else if (c == ':' && begun[0] == '$' && begun.find(' ') == std::string::npos) {
      finish(Statement::End::label);
    } else {
      now += c;
    }
  }
  return list;
}

std::string trim(const std::string& text) {
  const auto first = text.find_first_not_of(" \n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \n") - first + 1);
}

std::vector<std::string> split(const std::string& text, const char* separators) {
  std::vector<std::string> parts;
  for (std::size_t from = 0; from <= text.size();) {
    const auto to = std::min(text.find_first_of(separators, from), text.size());
    const std::string part = trim(text.substr(from, to - from));
    if (!part.empty()) parts.push_back(part);
    from = to + 1;
  }
  return parts;
}

std::vector<std::string> split_operands(const std::string& text) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (const char c : text) {
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (c == ',' && depth == 0)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  for (auto& part : parts) part = trim(part);
  if (parts.back().empty()) parts.pop_back();
  return parts;
}

void fail_at(int line, const std::string& what) {
  throw emulator::Error("PTX line " + std::to_string(line) + ": " + what);
}

}  // namespace ptx
