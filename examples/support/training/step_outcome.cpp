#include "step_outcome.hpp"

#include <cmath>

void add_outcome(StepReport& report, const retrace::StepOutcome& outcome) {
  report.discarded = outcome.discarded.value_or("");
  for (const retrace::Drift& drift : outcome.drifts)
    report.drifts.push_back({drift.layer, drift.decibels, drift.anchored});
  if (!outcome.drift.layer.empty()) report.lowest_ratio = outcome.drift.lowest;
  report.worst_layer = outcome.drift.layer;
}

void add_cost(StepReport& report, std::chrono::steady_clock::time_point start,
              const retrace::MemoryMeter& memory) {
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.live = memory.live();
  report.peak = memory.peak();
}

void count_step(StepReport& report, TrainingState& state) {
  ++state.step;
  state.discarded += !report.discarded.empty();
  report.total_seconds = state.seconds += report.seconds;
}

void add_score(StepReport& report, TrainingState& state, double score) {
  const bool is_first = state.best_step == 0;
  report.best = is_first ? !std::isnan(score) : score > state.best_accuracy;
  if (!report.best) return;
  state.best_accuracy = score;
  state.best_step = report.step;
}
