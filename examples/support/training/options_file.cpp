#include "options_file.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "text.hpp"

using nlohmann::ordered_json;

namespace {

constexpr std::uintmax_t longest_file = 1 << 20;

/// Keys that have no meaning in a file.
constexpr std::string_view only_on_command_line[] = {"help", "options"};

[[noreturn]] void refuse(const std::string& name, const std::string& what) {
  throw std::invalid_argument(name + ": " + what);
}

/// Parses an object. Also rejects duplicate keys and deep nesting, which nlohmann::json accepts.
ordered_json parse_object(const std::string& name, std::string_view text) {
  using Event = ordered_json::parse_event_t;
  std::set<std::string> keys;
  const auto check = [&](int depth, Event event, const ordered_json& value) {
    if (event == Event::object_start && depth > 0) refuse(name, "an option cannot be an object");
    if (event == Event::array_start && depth > 1) refuse(name, "lists cannot be nested");
    if (event == Event::key && !keys.insert(value.get<std::string>()).second)
      refuse(name, "'" + value.get<std::string>() + "' is there twice");
    return true;
  };
  try {
    ordered_json json = ordered_json::parse(text, check);
    if (!json.is_object()) refuse(name, "is not one JSON object");
    return json;
  } catch (const ordered_json::exception& error) {
    const std::string_view what = error.what();  // "[json.exception.parse_error.101] parse error…"
    refuse(name, std::string(what.substr(std::min(what.size(), what.find(']') + 2))));
  }
}

std::string text_of(const std::string& name, const std::string& key, const ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  refuse(name, "'" + key + "' is " + std::string(value.type_name()) +
                   ", but must be a text, a number, true, false or a list of those");
}

std::string read_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) refuse("--options " + path, "there is no such file");
  if (!std::filesystem::is_regular_file(path, error)) refuse("--options " + path, "is not a file");
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  if (error || bytes > longest_file)
    refuse("--options " + path, error ? error.message()
                                      : "has " + std::to_string(bytes) + " bytes, but at most " +
                                            std::to_string(longest_file) + " make sense");
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (file.bad()) refuse("--options " + path, "cannot be read");
  return text;
}

/// Returns the option that a key names.
CLI::Option& option_of(const std::string& name, CLI::App& app, const std::string& key) {
  const bool allowed = std::find(std::begin(only_on_command_line), std::end(only_on_command_line),
                                 key) == std::end(only_on_command_line);
  CLI::Option* option = allowed ? app.get_option_no_throw("--" + key) : nullptr;
  if (!option)
    refuse(name, "unknown key '" + key + "', did you mean '" +
                     nearest_option(app, "--" + key).substr(2) + "'?");
  return *option;
}

void set(const std::string& name, CLI::Option& option, const OptionEntry& entry) {
  const std::string& first = entry.values.front();
  const bool is_flag = option.get_expected_max() == 0;
  if (is_flag && (entry.values.size() > 1 || (first != "true" && first != "false")))
    refuse(name, "'" + entry.key + "' must be true or false");
  if (is_flag && first == "false") return;
  try {
    std::string list = first;  // numbers, separated as on a command line
    for (std::size_t i = 1; i < entry.values.size(); ++i) list += ',' + entry.values[i];
    option.add_result(list);
    option.run_callback();
  } catch (const CLI::ParseError& error) {
    refuse(name, error.what());
  }
}

}  // namespace

std::vector<OptionEntry> read_option_entries(const std::string& name, std::string_view text) {
  std::vector<OptionEntry> entries;
  const ordered_json json = parse_object(name, text);
  for (const auto& [key, value] : json.items()) {
    OptionEntry entry{key, {}};
    if (!value.is_array())
      entry.values.push_back(text_of(name, key, value));
    else
      for (const ordered_json& element : value) entry.values.push_back(text_of(name, key, element));
    if (entry.values.empty()) refuse(name, "'" + key + "' is an empty list");
    entries.push_back(std::move(entry));
  }
  return entries;
}

void apply_options_file(CLI::App& app, const std::string& path) {
  const std::string name = "--options " + path;
  for (const OptionEntry& entry : read_option_entries(name, read_file(path)))
    if (CLI::Option& option = option_of(name, app, entry.key); option.empty())
      set(name, option, entry);
}

std::string nearest_option(const CLI::App& app, std::string_view unknown) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) names.push_back(option->get_name());
  return nearest(unknown, names);
}

std::string option_differences(std::string_view there, std::string_view here, Differing which) {
  std::map<std::string, std::pair<std::string, std::string>> both;
  const auto joined = [](const std::vector<std::string>& values) {
    std::string text;
    for (const std::string& value : values) text += (text.empty() ? "" : ",") + value;
    return text;
  };
  for (const OptionEntry& entry : read_option_entries("the options of the checkpoint", there))
    both[entry.key].first = joined(entry.values);
  for (const OptionEntry& entry : read_option_entries("the options", here))
    both[entry.key].second = joined(entry.values);
  std::string text;
  for (const auto& [key, values] : both)
    if (((key == "epochs" || key == "steps") == (which == Differing::length)) &&
        values.first != values.second)
      text += (text.empty() ? "--" : ", --") + key + " is " +
              (values.first.empty() ? "not set" : values.first) + " there and " +
              (values.second.empty() ? "not set" : values.second) + " here";
  return text;
}
