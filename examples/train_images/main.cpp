// Trains the library's networks on your own images or tables.
#include "program.hpp"

int main(int count, char** arguments) {
  return run_program({.name = "train_images",
                      .description = "Trains an image classifier, or one of pixels, on data of "
                                     "yours, reversibly or not."},
                     count, arguments);
}
