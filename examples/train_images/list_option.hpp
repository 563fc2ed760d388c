// Options that take a list of numbers: --channels 40,80.
#pragma once

#include <CLI/CLI.hpp>
#include <charconv>
#include <string>
#include <vector>

#include "numbers.hpp"

/// Adds an option with comma-separated numbers. If it is given again, it replaces the list.
template <class Number>
void add_list(CLI::App& app, const std::string& name, std::vector<Number>& list,
              const std::string& description, const Check& check) {
  app.add_option_function<std::string>(
         name,
         [&list, name, check](const std::string& text) {
           std::vector<Number> numbers;
           for (std::size_t first = 0; first <= text.size();) {
             const std::string each = text.substr(first, text.find(',', first) - first);
             first += each.size() + 1;
             if (const std::string wrong = check(each); !wrong.empty())
               throw CLI::ValidationError(name, wrong);
             std::from_chars(each.data(), each.data() + each.size(), numbers.emplace_back());
           }
           list = std::move(numbers);
         },
         description)
      ->type_name("N,N");
}
