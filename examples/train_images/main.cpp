// Trains the networks of the library on images or tables of yours.
#include "program.hpp"

int main(int count, char** arguments) {
  return run_program({.name = "train_images",
                      .description = "Trains an image classifier, or one of pixels, on data of "
                                     "yours, reversibly or not."},
                     count, arguments);
}
