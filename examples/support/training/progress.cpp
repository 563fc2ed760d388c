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

/// Formats metrics, each after two spaces.
std::string text(const std::vector<Metric>& metrics) {
  std::string all;
  for (const Metric& metric : metrics)
    all += "  " + metric.label + ' ' +
           (metric.is_share ? percent(metric.value) : fixed(metric.value, 3));
  return all;
}

std::string warning(const DriftReport& drift, const StepReport& report) {
  if (!drift.anchored)
    return "step " + std::to_string(report.step) + "  drift: the input of " + drift.layer +
           " was reconstructed with " + fixed(drift.decibels, 1) + " dB of signal to noise";
  return "anchor: " + drift.layer + " keeps its input from now on" +
         (report.predicted_peak ? "; a step will hold " + megabytes(*report.predicted_peak)
                                : std::string());
}

}  // namespace

Progress::Progress() : terminal_(isatty(STDOUT_FILENO) != 0) {}

/// Ends the line of the bar, so later output starts on a new line.
Progress::~Progress() {
  if (bar_is_open_) std::cout << std::endl;
}

void Progress::operator()(const StepReport& report) {
  if (report.discarded.empty())
    smooth(report);
  else
    note("step " + std::to_string(report.step) + " is discarded: " + report.discarded);
  for (const DriftReport& drift : report.drifts) note(warning(drift, report));
  if (steps_ == 0 && report.test.empty()) return;  // no step has counted yet
  const Clock::time_point now = Clock::now();
  if (now - shown_ >= (terminal_ ? between_bars : between_lines) || !report.test.empty()) {
    shown_ = now;
    const char* clear = terminal_ ? "\r\x1b[K" : "";
    std::cout << clear << line(report) << (terminal_ ? "" : "\n");
    if (!report.test.empty()) std::cout << clear << evaluation(report) << '\n';
    std::cout << std::flush;
    bar_is_open_ = terminal_ && report.test.empty();
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
  if (averages_.empty()) averages_ = report.metrics;
  for (std::size_t i = 0; i < averages_.size(); ++i)
    averages_[i].value += share * (report.metrics[i].value - averages_[i].value);
  seconds_ += share * (report.seconds - seconds_);
}

std::string Progress::line(const StepReport& report) const {
  const auto done = static_cast<double>(report.step), all = static_cast<double>(report.steps);
  return (terminal_ ? bar(done / all) : std::string()) + "epoch " + std::to_string(report.epoch) +
         "  step " + std::to_string(report.step) + '/' + std::to_string(report.steps) +
         text(averages_) + "  " + fixed(static_cast<double>(report.samples) / seconds_, 0) + ' ' +
         report.unit + "/s  memory " + megabytes(report.live.total()) + ", peak " +
         megabytes(report.peak.total()) + "  left " + clock_time((all - done) * seconds_);
}

std::string Progress::evaluation(const StepReport& report) const {
  return "epoch " + std::to_string(report.epoch) + "  step " + std::to_string(report.step) +
         text(report.test) + " of " + report.tested_on;
}
