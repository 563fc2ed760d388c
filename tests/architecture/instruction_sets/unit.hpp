// What one translation unit, compiled for its own instruction set, has to say.
#pragma once

#include <string>
#include <vector>

struct Answer {
  std::string instruction_set;
  int vector_bytes;
  std::vector<double> losses;      ///< of three training steps of one small network
  std::vector<float> first_image;  ///< the batch after the last step: retraced
};

/// Compiled for the plainest processor of the architecture.
Answer answer_of_baseline();
/// Compiled for one with AVX2 and FMA.
Answer answer_of_avx2();
