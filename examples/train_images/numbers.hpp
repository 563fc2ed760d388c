// Numbers as a command line spells them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

/// Says what is wrong with a text, or nothing.
using Check = std::function<std::string(const std::string&)>;

Check whole_number(std::int64_t least,
                   std::int64_t most = std::numeric_limits<std::int64_t>::max());
Check number_from_0(double most = std::numeric_limits<double>::max());

/// "400M" is 400,000,000: decimal units, as format_bytes writes them.
/// @throws std::invalid_argument naming the option.
std::size_t parse_bytes(const std::string& option, std::string text);
