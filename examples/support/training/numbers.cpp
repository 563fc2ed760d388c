#include "numbers.hpp"

#include <charconv>
#include <stdexcept>
#include <string_view>

namespace {

template <class Number>
bool parses_as(const std::string& text, Number& number) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  return result.ec == std::errc() && result.ptr == end;
}

/// Removes the unit from the end of the text and returns its factor.
double take_unit(std::string& text) {
  constexpr std::string_view prefixes = "kMGT";
  if (text.ends_with('B')) text.pop_back();
  const std::size_t prefix = text.empty() ? prefixes.npos : prefixes.find(text.back());
  if (prefix == prefixes.npos) return 1;
  text.pop_back();
  double unit = 1000;
  for (std::size_t i = 0; i < prefix; ++i) unit *= 1000;
  return unit;
}

}  // namespace

Check whole_number(std::int64_t least, std::int64_t most) {
  return [least, most](const std::string& text) {
    std::int64_t number = 0;
    if (parses_as(text, number) && number >= least && number <= most) return std::string();
    const bool bounded = most < std::numeric_limits<std::int64_t>::max();
    return "'" + text + "' is not a whole number " +
           (bounded ? "from " + std::to_string(least) + " to " + std::to_string(most)
                    : "of at least " + std::to_string(least));
  };
}

Check number_from_0(double most) {
  return [most](const std::string& text) {
    double number = 0;
    if (parses_as(text, number) && number >= 0 && number <= most) return std::string();
    return "'" + text + "' is not a number " + (most > 1 ? "of at least 0" : "from 0 to 1");
  };
}

std::size_t parse_bytes(const std::string& option, std::string text) {
  const std::string whole = text;
  const double unit = take_unit(text);
  double number = 0;
  if (!parses_as(text, number) || !(number >= 0) || number * unit > 1e18)
    throw std::invalid_argument(option + " is '" + whole +
                                "', but must be a number of bytes such as 400M or 1.5G");
  return static_cast<std::size_t>(number * unit);
}
