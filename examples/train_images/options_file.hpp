// Options as JSON: {"arch": "revnet", "batch": 128}, read from a file and recorded in checkpoints.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "options.hpp"

namespace CLI {
class App;
}

/// An option without its dashes and what it is set to, as a command line would have it.
struct OptionEntry {
  std::string key;
  std::vector<std::string> values;
};

/// @param name  of the text, for messages.
/// @throws std::invalid_argument naming the key unless the text is one JSON object of texts,
///         numbers, truth values and lists of those, in which no key comes twice.
std::vector<OptionEntry> read_option_entries(const std::string& name, std::string_view text);

/// Hands the entries of a file to those options that the command line leaves open.
/// @throws std::invalid_argument naming the file and the key.
void apply_options_file(CLI::App& app, const std::string& path);

/// The option that takes the fewest changes of letters to get to.
std::string nearest_option(const CLI::App& app, std::string_view unknown);

/// The options that decide what a training computes: network, images, steps.
std::string recorded_options(const Options& options);

/// Which options differ: those that a training has to agree in with the one that it continues, or
/// those of its length, --epochs and --steps, which may be another.
enum class Differing { training, length };

/// "--lr is 0.1 there and 0.2 here"; empty if there is no difference.
/// @throws std::invalid_argument as read_option_entries does.
std::string option_differences(std::string_view there, std::string_view here,
                               Differing which = Differing::training);
