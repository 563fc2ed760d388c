// Parses and checks numbers of a command line.
//
//     options.count("--steps", steps, "batches to train on", 1);   // uses whole_number(1)
//     const std::size_t bytes = parse_bytes("--memory", "1.5G");
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

/// Returns the fault of a text, or an empty string.
using Check = std::function<std::string(const std::string&)>;

Check whole_number(std::int64_t least,
                   std::int64_t most = std::numeric_limits<std::int64_t>::max());
Check number_from_0(double most = std::numeric_limits<double>::max());

/// Parses bytes with decimal units as written by format_bytes: "400M" is 400,000,000.
/// @throws std::invalid_argument if the text is invalid; the message names the option.
std::size_t parse_bytes(const std::string& option, std::string text);
