// Trains one network twice, in its own mode and with stored activations.
#pragma once

#include "data.hpp"
#include "options.hpp"
#include "trainer.hpp"

/// Bytes that every image of a batch adds to the peak, divided by its pixels: activations,
/// gradients, stash and workspace, measured by one step of 64 images and one of 128.
double measure_bytes_per_pixel(const NetChoice& net, const DataSet& data);

struct ModeResult {
  MemoryMode mode;
  TrainingSummary summary;
  double bytes_per_pixel;
};

/// Writes both side by side, and the second divided by the first.
void print_comparison(std::ostream& out, const std::string& data_name, const ModeResult& own,
                      const ModeResult& stored);
