// Fills the report of a step, and the state of training with it.
//
//     const auto start = std::chrono::steady_clock::now();
//     StepReport report{.step = step + 1, ...};
//     add_outcome(report, guarded_step(x, loss, report.learning_rate));
//     add_cost(report, start, device.memory());
//     count_step(report, state);
//     if (evaluated) add_score(report, state, accuracy);
#pragma once

#include <chrono>

#include "retrace/train/guarded_step.hpp"
#include "step_report.hpp"

/// Adds what a guarded step reports, except for its loss.
void add_outcome(StepReport& report, const retrace::StepOutcome& outcome);

/// Adds the duration of the step until now, and the memory.
void add_cost(StepReport& report, std::chrono::steady_clock::time_point start,
              const retrace::MemoryMeter& memory);

/// Adds the step to the state, and the duration of all steps to the report.
void count_step(StepReport& report, TrainingState& state);

/// Compares the score of an evaluation with the highest before. A NaN is no score.
/// @param score  the higher, the better
void add_score(StepReport& report, TrainingState& state, double score);
