#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "text.hpp"

namespace {

constexpr std::chrono::milliseconds between_bars{100}, between_lines{5000};

std::string bar(double share) {
  constexpr std::size_t width = 20;
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(width));
  return '[' + std::string(filled, '#') + std::string(width - filled, '.') + "] ";
}

std::string warning(const retrace::Drift& drift, const StepReport& report) {
  if (!drift.anchored)
    return "step " + std::to_string(report.step) + "  drift: " + to_string(drift);
  return "anchor: " + drift.layer + " keeps its input from now on" +
         (report.predicted_peak ? "; a step will hold " + megabytes(*report.predicted_peak)
                                : std::string());
}

}  // namespace

Progress::Progress(std::string data)
    : data_(std::move(data)), terminal_(isatty(STDOUT_FILENO) != 0) {}

/// Ends the line of the bar, so later output starts on a new line.
Progress::~Progress() {
  if (bar_is_open_) std::cout << std::endl;
}

void Progress::operator()(const StepReport& report) {
  if (report.discarded.empty())
    smooth(report);
  else
    note("step " + std::to_string(report.step) + " is discarded: " + report.discarded);
  for (const retrace::Drift& drift : report.drifts) note(warning(drift, report));
  if (steps_ == 0 && !report.test) return;  // no step has counted yet
  const Clock::time_point now = Clock::now();
  if (now - shown_ >= (terminal_ ? between_bars : between_lines) || report.test) {
    shown_ = now;
    const char* clear = terminal_ ? "\r\x1b[K" : "";
    std::cout << clear << line(report) << (terminal_ ? "" : "\n");
    if (report.test) std::cout << clear << evaluation(report) << '\n';
    std::cout << std::flush;
    bar_is_open_ = terminal_ && !report.test;
  }
}

void Progress::note(const std::string& text) {
  if (bar_is_open_) std::cout << "\r\x1b[K";
  bar_is_open_ = false;
  std::cout << text << std::endl;
}

/// Updates running averages over about twenty steps, or over all steps if there are fewer.
void Progress::smooth(const StepReport& report) {
  const double share = 1.0 / static_cast<double>(std::min<std::size_t>(++steps_, 20));
  loss_ += share * (report.batch.mean() - loss_);
  accuracy_ += share * (report.batch.accuracy() - accuracy_);
  seconds_ += share * (report.seconds - seconds_);
}

std::string Progress::line(const StepReport& report) const {
  const auto done = static_cast<double>(report.step), all = static_cast<double>(report.steps);
  return (terminal_ ? bar(done / all) : std::string()) + "epoch " + std::to_string(report.epoch) +
         "  step " + std::to_string(report.step) + '/' + std::to_string(report.steps) + "  loss " +
         fixed(loss_, 3) + "  " + data_ + " accuracy " + percent(accuracy_) + "  " +
         fixed(static_cast<double>(report.batch.count) / seconds_, 0) + " images/s  memory " +
         megabytes(report.live.total()) + ", peak " + megabytes(report.peak.total()) + "  left " +
         clock_time((all - done) * seconds_);
}

std::string Progress::evaluation(const StepReport& report) const {
  return "epoch " + std::to_string(report.epoch) + "  step " + std::to_string(report.step) +
         "  test loss " + fixed(report.test->mean(), 3) + "  " + data_ + " test accuracy " +
         percent(report.test->accuracy()) + " of the first " + std::to_string(report.test->count) +
         " images";
}
