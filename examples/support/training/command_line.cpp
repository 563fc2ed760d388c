#include "command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <new>

#include "options_file.hpp"

namespace {

/// Rejects an unknown option and suggests the nearest known one.
[[noreturn]] void refuse(const CLI::App& app, const std::string& unknown) {
  if (!unknown.starts_with("-"))
    throw std::invalid_argument("'" + unknown + "' is not an option (see --help)");
  const std::string option = unknown.substr(0, unknown.find('='));
  throw std::invalid_argument("unknown option " + option + ", did you mean " +
                              nearest_option(app, option) + "? (see --help)");
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

}  // namespace

void parse_command_line(CLI::App& app, int count, const char* const* arguments) {
  std::string file;
  app.allow_extras();
  app.add_option("--options", file, "JSON file of options: {\"arch\": \"revnet\", \"batch\": 64}")
      ->type_name("FILE");
  try {
    app.parse(count, arguments);
    if (!file.empty()) apply_options_file(app, file);
  } catch (const CLI::CallForHelp&) {
    throw HelpWanted(app.help());
  } catch (const CLI::ParseError& error) {
    throw std::invalid_argument(one_line(error.what()));
  }
  if (const auto unknown = app.remaining(); !unknown.empty()) refuse(app, unknown.front());
}

int run_and_report(const std::string& program, const std::function<int()>& run) {
  try {
    return run();
  } catch (const HelpWanted& help) {
    std::cout << help.what();
    return 0;
  } catch (const std::bad_alloc&) {
    std::cerr << program << ": out of memory: the machine has no more\n";
    return 2;
  } catch (const std::exception& error) {
    std::cout << std::flush;
    std::cerr << program << ": " << error.what() << '\n';
    return 2;
  }
}
