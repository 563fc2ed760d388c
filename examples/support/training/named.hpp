// Finds an option value by its name.
//
//     mode = named("--mode", text, all_modes, [](Mode mode) { return name(mode); });
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "text.hpp"

/// Returns the item of `all` whose name is `text`.
template <class List, class Name>
auto named(const std::string& option, const std::string& text, const List& all, Name name_of) {
  std::vector<std::string> names;
  for (const auto& each : all) {
    if (text == name_of(each)) return each;
    names.emplace_back(name_of(each));
  }
  throw std::invalid_argument(option + " is '" + text + "', but must be " + one_of(names));
}
