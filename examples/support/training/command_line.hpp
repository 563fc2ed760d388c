// Parses a command line with an option --options FILE, and runs a program with its exit status.
//
//     int main(int count, char** arguments) {
//       return run_and_report("train_text", [&] {
//         CLI::App app("Trains a language model.", "train_text");
//         OptionTable table(app);
//         ...                                         // declare the options
//         parse_command_line(app, count, arguments);  // reads also the file of --options
//         return train(options);                      // returns the exit status
//       });
//     }
#pragma once

#include <functional>
#include <stdexcept>
#include <string>

namespace CLI {
class App;
}

/// Thrown if the command line requests help. The message is the help text.
struct HelpWanted : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Parses options, and adds --options, which names a JSON file of options: {"batch": 64}. Options
/// of the command line take precedence over those of the file.
/// @throws HelpWanted if help is requested.
/// @throws std::invalid_argument if an option is unknown or has no valid value. The message names
/// it
///         and, if it is unknown, the nearest known option.
void parse_command_line(CLI::App& app, int count, const char* const* arguments);

/// Returns the result of `run`. If it throws, prints the help to stdout and returns 0, or prints
/// the error to stderr after the name of the program and returns 2.
int run_and_report(const std::string& program, const std::function<int()>& run);
