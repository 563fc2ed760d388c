// A network as a table: shapes, parameters, modes, and what every layer keeps for backward.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <iomanip>
#include <ostream>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "retrace/net/chain.hpp"

namespace retrace::inline RETRACE_ISA {

/// Prints itself: `std::cout << summary(net, device, {32, 32, 32, 3})`.
struct Summary {
  /// A line of it.
  struct Layer {
    std::string name;
    Shape output;
    Index parameters = 0;  ///< trained values
    std::string mode;      ///< "reversible"; of a recomputed segment "checkpoint" or "recomputed"
    std::size_t kept = 0;  ///< bytes from forward to backward
  };

  Shape batch;
  std::vector<Layer> layers;

  Index parameters() const {
    Index sum = 0;
    for (const Layer& layer : layers) sum += layer.parameters;
    return sum;
  }
  std::size_t kept() const {
    std::size_t sum = 0;
    for (const Layer& layer : layers) sum += layer.kept;
    return sum;
  }

  friend std::ostream& operator<<(std::ostream& out, const Summary& summary) {
    const std::vector<Row> rows = summary.rows();
    std::array<std::size_t, std::tuple_size_v<Row>> widths{};
    for (const Row& row : rows)
      for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    const auto padding = [&](const Row& row, std::size_t i) {
      return std::string(widths[i] - row[i].size(), ' ');
    };
    for (const Row& row : rows) {
      out << row[0] << padding(row, 0);
      for (std::size_t i = 1; i < row.size(); ++i) out << "  " << padding(row, i) << row[i];
      out << '\n';
    }
    return out;
  }

 private:
  using Row = std::array<std::string, 5>;

  std::vector<Row> rows() const {
    std::vector<Row> rows{{"layer", "output", "parameters", "mode", "kept"}};
    rows.push_back({"input", to_string(batch), "", "", ""});
    for (const Layer& layer : layers)
      rows.push_back({layer.name, to_string(layer.output), std::to_string(layer.parameters),
                      layer.mode, format_bytes(static_cast<double>(layer.kept))});
    rows.push_back(
        {"total", "", std::to_string(parameters()), "", format_bytes(static_cast<double>(kept()))});
    return rows;
  }
};

/// "checkpoint" for the first layer of a recomputed segment, "recomputed" for the others, or the
/// mode: how the layer of that number spends memory.
inline std::string mode_name(const Modes& chain, std::size_t layer) {
  for (const auto& [first, end] : chain.recomputed)
    if (first <= layer && layer < end) return first == layer ? "checkpoint" : "recomputed";
  return std::string(name(chain.inside.at(layer).mode));
}

/// Returns the summary of a training step on a batch of the given shape, by a dry run of forward.
/// Nothing is allocated, computed or changed, except that tensors stored by an unfinished pass are
/// dropped.
/// @throws ShapeError if a layer does not accept its input shape.
template <class T, Device D>
Summary summary(Chain<T, D>& net, std::type_identity_t<D>& device, Shape batch) {
  using Net = Chain<T, D>;
  Summary result{batch, {}};
  const Modes modes = net.modes();
  net.abandon();
  typename D::Rehearsal rehearsal(device);
  const auto stash = [&] { return device.memory().live()[Use::stash]; };
  std::size_t before = stash();
  const typename Net::Observed observed(net, [&](const typename Net::Visit& visit) {
    const std::size_t at = result.layers.size();
    typename Net::Parameters list;
    net.collect(at, "", list);
    result.layers.push_back({visit.layer, visit.x.shape(), list.count(), mode_name(modes, at),
                             stash() - std::exchange(before, stash())});
  });
  typename Net::State x(device, batch);
  net.forward(x, training);
  net.abandon();
  return result;
}

}  // namespace retrace::inline RETRACE_ISA
