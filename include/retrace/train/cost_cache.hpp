// A file of measured times that persists between runs.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// A time in seconds as a function of the number of images: fixed + per_image·images.
struct Cost {
  double fixed = 0, per_image = 0;

  double seconds(double images) const { return fixed + per_image * images; }
};

/// The costs of one machine by key. A file that cannot be read or written is ignored, and so are
/// invalid lines: missing costs are measured again.
class CostCache {
 public:
  /// Returns $XDG_CACHE_HOME/retrace/costs.tsv, else $HOME/.cache/retrace/costs.tsv, or an empty
  /// path if neither variable is set.
  static std::filesystem::path usual_path() {
    const auto variable = [](const char* name) {
      const char* value = std::getenv(name);
      return std::filesystem::path(value ? value : "");
    };
    const std::filesystem::path cache = variable("XDG_CACHE_HOME"), home = variable("HOME");
    if (!cache.empty()) return cache / "retrace" / "costs.tsv";
    return home.empty() ? home : home / ".cache" / "retrace" / "costs.tsv";
  }

  /// @param path     the file; if empty, nothing is read or written
  /// @param machine  the name of this machine; costs of others stay in the file but are not used
  CostCache(std::filesystem::path path, std::string machine)
      : path_(std::move(path)), machine_(std::move(machine)) {
    read();
  }

  std::optional<Cost> find(const std::string& key) const {
    const auto at = costs_.find(line_key(key));
    return at == costs_.end() ? std::nullopt : std::optional(at->second);
  }
  void set(const std::string& key, Cost cost) { costs_[line_key(key)] = cost; }

  /// Deletes the costs of this machine.
  void forget() {
    std::erase_if(costs_,
                  [&](const auto& each) { return each.first.starts_with(machine_ + '\t'); });
  }

  /// Replaces the file with all costs. Returns whether it was written.
  bool save() const {
    if (path_.empty()) return false;
    std::error_code error;
    std::filesystem::create_directories(path_.parent_path(), error);
    const std::filesystem::path draft = path_.string() + ".new";
    {
      std::ofstream file(draft);
      file << header << '\n';
      file.precision(9);
      for (const auto& [key, cost] : costs_)
        file << key << '\t' << cost.fixed << '\t' << cost.per_image << '\n';
      if (!file.flush()) return false;
    }
    std::filesystem::rename(draft, path_, error);
    return !error;
  }

 private:
  static constexpr std::string_view header =
      "retrace costs 1: machine, what, seconds, seconds an image";
  static constexpr std::uintmax_t largest_file = 16 << 20;  // some 100,000 costs

  std::string line_key(const std::string& key) const { return machine_ + '\t' + key; }

  void read() {
    std::error_code error;
    if (path_.empty() || std::filesystem::file_size(path_, error) > largest_file || error) return;
    std::ifstream file(path_);
    std::string line;
    if (!std::getline(file, line) || line != header) return;
    while (std::getline(file, line)) {
      const std::size_t last = line.rfind('\t');
      const std::size_t before =
          last == std::string::npos || last == 0 ? std::string::npos : line.rfind('\t', last - 1);
      if (before == std::string::npos) continue;
      const auto fixed = number(std::string_view(line).substr(before + 1, last - before - 1));
      const auto per_image = number(std::string_view(line).substr(last + 1));
      if (fixed && per_image) costs_[line.substr(0, before)] = {*fixed, *per_image};
    }
  }

  /// Parses seconds: finite, not negative, and less than a day.
  static std::optional<double> number(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && value >= 0 && value < 86400 ? std::optional(value) : std::nullopt;
  }

  std::filesystem::path path_;
  std::string machine_;
  std::map<std::string, Cost> costs_;
};

}  // namespace retrace::inline RETRACE_ISA
