// Operations on every part of a layer or stage, by recursion through inside(visit).
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <type_traits>

#include "retrace/core/time.hpp"
#include "retrace/layer/input_watch.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter_list.hpp"

/// Each function concerns a node and every node inside it. A chain, whose layers have types of
/// their own, has members of these names, which take over.
namespace retrace::inline RETRACE_ISA::inside {

template <class N>
concept HasParts = requires(N node) {
  node.inside([](const std::string&, auto&) {});
};
template <class N>
concept AnyNode = HasParts<N> || requires(N node) {
  node.abandon();
};

/// Calls act(name, part) for the stages, layers and chains directly inside a node.
template <class N, class Act>
void for_each_node(N& node, Act act) {
  if constexpr (HasParts<N>)
    node.inside([&](const std::string& name, auto& part) {
      if constexpr (AnyNode<std::remove_reference_t<decltype(part)>>) act(name, part);
    });
}

/// Adds every parameter, buffer and number to the list, each under its name behind the prefix.
/// @throws std::invalid_argument if layers share a normalisation: it records the statistics of one
///         input.
template <class N, class T, class D>
void collect(N& node, const std::string& prefix, ParameterList<T, D>& list) {
  if constexpr (requires { node.collect(prefix, list); }) {
    node.collect(prefix, list);
  } else {
    constexpr bool has_statistics = std::derived_from<N, BatchStatistics>;
    const std::size_t first = list.parameters.size();
    if constexpr (has_statistics)
      for (const auto& named : list.statistics)
        if (named.statistics == &node)
          throw std::invalid_argument(prefix + " and " + named.name +
                                      " are one normalisation, but it can record the batch "
                                      "statistics of one input only: share layers without it");
    node.inside([&](const std::string& name, auto& part) {
      using Part = std::remove_reference_t<decltype(part)>;
      if constexpr (AnyNode<Part>)
        collect(part, joined(prefix, name), list);
      else if constexpr (requires { part.get(), part.set(std::int64_t{}); })
        list.add(
            joined(prefix, name), [&part] { return part.get(); },
            [&part](std::int64_t value) { part.set(value); });
      else if constexpr (std::same_as<Part, std::uint64_t>)
        list.add(
            joined(prefix, name), [&part] { return static_cast<std::int64_t>(part); },
            [&part](std::int64_t value) { part = static_cast<std::uint64_t>(value); });
      else
        list.add(joined(prefix, name), part);
    });
    if constexpr (has_statistics) {
      if (list.parameters.size() == first) return;  // folded: nothing to train
      list.statistics.push_back({prefix, &node, first, list.parameters.size()});
      list.add(
          joined(prefix, "held"), [&node] { return std::int64_t{node.held()}; },
          [&node](std::int64_t held) { node.hold(held != 0); }, 0);
    }
  }
}

/// Sets what is stored and what is computed again.
template <class N>
void set_mode(N& node, Mode mode) {
  if constexpr (requires { node.set_mode(mode); }) {
    node.set_mode(mode);
  } else {
    if constexpr (requires { node.on_mode(mode); }) node.on_mode(mode);
    for_each_node(node, [&](const std::string&, auto& part) { set_mode(part, mode); });
  }
}

/// Sets the images of a chunk in mode `chunked`; 0 takes what suits the cache.
template <class N>
void set_chunk(N& node, Index images) {
  if constexpr (requires { node.set_chunk(images); })
    node.set_chunk(images);
  else
    for_each_node(node, [&](const std::string&, auto& part) { set_chunk(part, images); });
}

/// Sets the time of every stage that reads it.
template <class N>
void set_time(N& node, const Time& time) {
  if constexpr (requires { node.set_time(time); }) {
    node.set_time(time);
  } else {
    if constexpr (requires { node.on_time(time); }) node.on_time(time);
    for_each_node(node, [&](const std::string&, auto& part) { set_time(part, time); });
  }
}

/// Makes one stage of every normalisation and the convolution that follows it in a chain.
template <class N>
void fuse(N& node) {
  if constexpr (requires { node.fuse(); })
    node.fuse();
  else
    for_each_node(node, [](const std::string&, auto& part) { fuse(part); });
}

/// Drops what a pass has stored.
template <class N>
void abandon(N& node) {
  if constexpr (requires { node.abandon(); }) {
    node.abandon();
  } else {
    if constexpr (requires { node.on_abandon(); }) node.on_abandon();
    for_each_node(node, [](const std::string&, auto& part) { abandon(part); });
  }
}

/// Lets a watch see the inputs of all layers within chains inside the node, which is called `path`.
template <class N, class State>
void watch(N& node, const std::string& path, InputWatch<State>* watch_) {
  if constexpr (requires { node.watch(path, watch_); })
    node.watch(path, watch_);
  else
    for_each_node(node, [&](const std::string& name, auto& part) {
      watch(part, joined(path, name), watch_);
    });
}

}  // namespace retrace::inline RETRACE_ISA::inside
