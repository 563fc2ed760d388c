// Options as JSON: {"arch": "revnet", "batch": 128}, read from a file and recorded in checkpoints.
//
//     apply_options_file(app, path);                // parse_command_line does it
//     option_differences(recorded, options_now);    // both JSON objects of a program's options
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

/// The name of an option without dashes, and its values as on a command line.
struct OptionEntry {
  std::string key;
  std::vector<std::string> values;
};

/// Parses options.
/// @param name  the name of the text for messages
/// @throws std::invalid_argument unless the text is one JSON object of strings, numbers, booleans
///         and lists of these, without duplicate keys. The message names the key.
std::vector<OptionEntry> read_option_entries(const std::string& name, std::string_view text);

/// Applies the entries of a file to all options that are not on the command line.
/// @throws std::invalid_argument if an entry is invalid; the message names the file and the key.
void apply_options_file(CLI::App& app, const std::string& path);

/// Returns the known option with the smallest edit distance.
std::string nearest_option(const CLI::App& app, std::string_view unknown);

/// The kind of options to compare: those that must not change when training is resumed, or those of
/// its length, --epochs and --steps, which may change.
enum class Differing { training, length };

/// Returns the differences, such as "--lr is 0.1 there and 0.2 here", or an empty string.
/// @throws std::invalid_argument as read_option_entries does.
std::string option_differences(std::string_view there, std::string_view here,
                               Differing which = Differing::training);
