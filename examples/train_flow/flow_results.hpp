// The results of a trained flow: samples, interpolations, reconstruction errors, scores.
#pragma once

#include <iosfwd>

#include "flow_trainer.hpp"

/// Writes the files of --results and prints a line on each.
///
///   samples.png         images of random latents, times --temperature; with --classes, a row of
///                       each class
///   interpolation.png   the way between two test images, for four pairs; with --classes, of a
///                       class each
///   reconstruction.csv  after so many layers and back: the largest error and the noise in decibels
///   scores.csv          the likelihood of each sample, those of the lowest first
///   density.png         for two columns: test samples, density, samples of the flow
///   samples.csv         for tables: rows of random latents
/// @throws std::system_error if a file cannot be written.
void write_flow_results(std::ostream& out, FlowTrainer& trainer, retrace::Cpu& device,
                        const FlowOptions& options, const FlowData& data);
