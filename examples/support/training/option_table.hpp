// Declares the options of a program, one line each: name, variable, meaning, limits.
//
//     OptionTable table(app);
//     table.count("--steps", options.steps, "batches to train on", 1);
//     table.number("--lr", options.learning_rate, "highest learning rate");
//     table.choice("--device", options.device, {"cpu", "cuda"}, "cpu (default), or cuda");
//     parse_command_line(app, count, arguments);  // command_line.hpp
#pragma once

#include <CLI/CLI.hpp>
#include <charconv>
#include <string>
#include <vector>

#include "numbers.hpp"

class OptionTable {
 public:
  /// If an option is repeated on the command line, the last value counts.
  explicit OptionTable(CLI::App& app) : app_(app) { app.option_defaults()->take_last(); }

  void flag(const std::string& name, bool& target, const std::string& meaning) {
    app_.add_flag(name, target, meaning);
  }

  /// A whole number of at least `least`.
  template <class Target>
  void count(const std::string& name, Target& target, const std::string& meaning,
             std::int64_t least, std::int64_t most = std::numeric_limits<std::int64_t>::max()) {
    app_.add_option(name, target, meaning)->type_name("N")->check(whole_number(least, most));
  }

  /// A number from 0 on.
  template <class Target>
  void number(const std::string& name, Target& target, const std::string& meaning,
              double most = std::numeric_limits<double>::max()) {
    quantity(name, target, "X", meaning, most);
  }

  /// A number from 0 on, with the name of its unit in the help, such as "DB".
  template <class Target>
  void quantity(const std::string& name, Target& target, const char* unit,
                const std::string& meaning, double most = std::numeric_limits<double>::max()) {
    app_.add_option(name, target, meaning)->type_name(unit)->check(number_from_0(most));
  }

  /// A text or a path of any kind.
  /// @param type  its name in the help, such as "FILE"
  template <class Target>
  void text(const std::string& name, Target& target, const char* type, const std::string& meaning) {
    app_.add_option(name, target, meaning)->type_name(type);
  }

  /// One of several names.
  void choice(const std::string& name, std::string& target, const std::vector<std::string>& names,
              const std::string& meaning, const char* type = "NAME") {
    app_.add_option(name, target, meaning)->type_name(type)->check(CLI::IsMember(names));
  }

  /// Comma-separated numbers: --channels 40,80. If it is given again, it replaces the list.
  template <class Number>
  void list(const std::string& name, std::vector<Number>& list, const std::string& meaning,
            const Check& check) {
    const auto parse = [&list, name, check](const std::string& text) {
      std::vector<Number> numbers;
      for (std::size_t first = 0; first <= text.size();) {
        const std::string each = text.substr(first, text.find(',', first) - first);
        first += each.size() + 1;
        if (const std::string wrong = check(each); !wrong.empty())
          throw CLI::ValidationError(name, wrong);
        std::from_chars(each.data(), each.data() + each.size(), numbers.emplace_back());
      }
      list = std::move(numbers);
    };
    app_.add_option_function<std::string>(name, parse, meaning)->type_name("N,N");
  }

 private:
  CLI::App& app_;
};
