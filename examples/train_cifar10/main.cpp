// Trains the networks of the library on CIFAR-10, or on synthetic images if CIFAR-10 is missing:
// train_images with defaults of its own.
#include "program.hpp"

int main(int count, char** arguments) {
  return run_program({.name = "train_cifar10",
                      .description = "Trains an image classifier on CIFAR-10, reversibly or not.",
                      .for_cifar10 = true},
                     count, arguments);
}
