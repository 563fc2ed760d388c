// The other processes that take the same training steps.
#pragma once

#include <functional>
#include <string>

#include "retrace/train/loss/loss.hpp"

namespace retrace::inline RETRACE_ISA {

/// Why a step is skipped. The most severe reason of all processes counts.
enum class SkipReason {
  none,
  noise,     ///< a reconstructed input is too noisy; its layer has become an anchor
  overflow,  ///< a fixed-point stream overflowed and has one fraction bit less
  fault,     ///< something is not finite
};

/// The verdict on a step, of one process or of all.
struct StepVerdict {
  SkipReason reason = SkipReason::none;
  std::string text{};    ///< the message; of all processes it names the one that it comes from
  int from = 0;          ///< the process
  bool certain = false;  ///< whether the reason lies in this process, as far as it knows
};

/// Makes the processes of a data-parallel training skip the same steps.
class StepPeers {
 public:
  virtual ~StepPeers() = default;

  /// Returns the loss of all processes. Calls scale(factor) with the factor for this process's
  /// gradient of its mean loss, unless that is 1.
  virtual LossValue share(const LossValue& own, const std::function<void(double)>& scale) = 0;
  /// Returns the most severe verdict of all processes.
  virtual StepVerdict agree(const StepVerdict& own) = 0;
  /// Takes over the numbers that layers count or choose from another process.
  virtual void take_numbers(int from) = 0;
  /// Takes part in the rest of the other processes' pass after this one's has thrown.
  virtual void leave_pass() = 0;
  /// Runs the body, in which passes concern this process alone.
  virtual void alone(const std::function<void()>& body) = 0;

 protected:
  StepPeers() = default;
  StepPeers(const StepPeers&) = default;
  StepPeers& operator=(const StepPeers&) = default;
};

}  // namespace retrace::inline RETRACE_ISA
