// Observing and watching a chain for a while, wherever it is moved.
#pragma once

#include <memory>
#include <utility>

#include "retrace/layer/input_watch.hpp"

namespace retrace::inline RETRACE_ISA {

/// Observes a chain for as long as it lives; then the observer before is called again.
template <class Chain>
class ObservedChain {
 public:
  ObservedChain(Chain& chain, typename Chain::Observer observer)
      : chain_(chain.self()), before_(chain.observe(std::move(observer))) {}
  ~ObservedChain() {
    if (*chain_) (*chain_)->observe(std::move(before_));
  }
  ObservedChain(const ObservedChain&) = delete;
  ObservedChain& operator=(const ObservedChain&) = delete;

 private:
  std::shared_ptr<Chain*> chain_;
  typename Chain::Observer before_;
};

/// Lets a watch see a chain for as long as it lives.
template <class Chain>
class WatchedChain {
 public:
  using Watch = InputWatch<typename Chain::Gradient>;

  WatchedChain(Chain& chain, Watch* watch) : chain_(chain.self()), watch_(watch) {
    chain.watch(watch);
  }
  ~WatchedChain() {
    if (*chain_) (*chain_)->end_watch(watch_);
  }
  WatchedChain(const WatchedChain&) = delete;
  WatchedChain& operator=(const WatchedChain&) = delete;

 private:
  std::shared_ptr<Chain*> chain_;
  const Watch* watch_;
};

}  // namespace retrace::inline RETRACE_ISA
