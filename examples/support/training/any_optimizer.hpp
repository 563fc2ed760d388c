// One of several optimizers behind one interface.
#pragma once

#include <string>
#include <utility>
#include <variant>

/// Holds one of several optimizers of the same elements and device.
template <class... Each>
class AnyOptimizer {
 public:
  using Variant = std::variant<Each...>;

  explicit AnyOptimizer(Variant optimizer) : optimizer_(std::move(optimizer)) {}

  void step(double rate) {
    std::visit([&](auto& optimizer) { optimizer.step(rate); }, optimizer_);
  }
  void arm(double rate) {
    std::visit([&](auto& optimizer) { optimizer.arm(rate); }, optimizer_);
  }
  bool fused() const {
    return std::visit([](const auto& optimizer) { return optimizer.fused(); }, optimizer_);
  }
  auto& parameters() {
    return std::visit(
        [](auto& optimizer) -> auto& { return optimizer.parameters(); }, optimizer_);
  }
  /// Adds the moments to the list.
  template <class List>
  void collect(const std::string& prefix, List& list) {
    std::visit([&](auto& optimizer) { optimizer.collect(prefix, list); }, optimizer_);
  }

  /// Returns the optimizer if it is a `One`, otherwise null.
  template <class One>
  One* get_if() {
    return std::get_if<One>(&optimizer_);
  }

 private:
  Variant optimizer_;
};
