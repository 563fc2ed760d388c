#include "delimited_text.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "retrace/core/error.hpp"

namespace {

constexpr std::uintmax_t most_bytes = std::uintmax_t{1} << 33;

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\r' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    text = text.substr(1, text.size() - 2);
  return text;
}

char separator_of(std::string_view line) {
  for (const char separator : {'\t', ';', ','})
    if (line.find(separator) != line.npos) return separator;
  return ',';
}

}  // namespace

DelimitedText::DelimitedText(const std::filesystem::path& path)
    : name_(path.string()),
      bytes_(read_file(path, most_bytes)),
      left_(reinterpret_cast<const char*>(bytes_.data()), bytes_.size()) {
  if (left_.starts_with("\xef\xbb\xbf")) left_.remove_prefix(3);  // the byte-order mark of UTF-8
}

bool DelimitedText::next() {
  while (!left_.empty()) {
    const std::string_view line = left_.substr(0, left_.find('\n'));
    left_.remove_prefix(std::min(left_.size(), line.size() + 1));
    ++line_;
    if (trimmed(line).empty()) continue;
    if (separator_ == 0) separator_ = separator_of(line);
    split(line);
    return true;
  }
  return false;
}

void DelimitedText::split(std::string_view line) {
  fields_.clear();
  bool quoted = false;
  std::size_t first = 0;
  for (std::size_t i = 0; i <= line.size(); ++i) {
    if (i < line.size() && line[i] == '"') quoted = !quoted;
    if (i < line.size() && (quoted || line[i] != separator_)) continue;
    fields_.push_back(trimmed(line.substr(first, i - first)));
    first = i + 1;
  }
}

void DelimitedText::refuse(const std::string& what) const {
  throw retrace::DataError(name_ + ": line " + std::to_string(line_) + ": " + what);
}

bool parse_number(std::string_view text, double& number) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}
