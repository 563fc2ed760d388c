// Trains one network twice, in its own mode and with stored activations.
#pragma once

#include "data.hpp"
#include "options.hpp"
#include "trainer.hpp"

/// Returns the bytes per pixel that each image of a batch adds to the peak: activations, gradients,
/// stash and workspace. It is measured with one step on 64 images and one on 128.
double measure_bytes_per_pixel(const NetChoice& net, const DataSet& data);

struct ModeResult {
  MemoryMode mode;
  TrainingSummary summary;
  double bytes_per_pixel;
};

/// Prints both results side by side, and the second divided by the first.
void print_comparison(std::ostream& out, const std::string& data_name, const ModeResult& own,
                      const ModeResult& stored);
