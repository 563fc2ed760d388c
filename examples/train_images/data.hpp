// The training and test samples, and their conversion to batches.
#pragma once

#include "batches.hpp"
#include "data_set.hpp"
#include "options.hpp"

/// Loads the data that the options name. If train_cifar10 is given no folder, it uses
/// $RETRACE_CIFAR10 or data/cifar-10-batches-bin, or synthetic images if neither exists.
/// @throws retrace::DataError if a file is missing or damaged.
/// @throws std::invalid_argument if no folder is given and the program needs one.
DataSet load_data(const Options& options);

/// Sets the network's input shape and number of classes from the data, and chooses defaults for
/// omitted options. Returns a line for each choice.
std::vector<std::string> fit_to_data(Options& options, const DataSet& data);

/// Returns the shape and normalisation that turn samples into network input.
Preparation preparation(const NetChoice& net, const DataSet& data);

/// Returns the random changes of training samples.
RandomChanges random_changes(const Options& options);

/// Returns the weights of the classes in the loss; none if all are 1.
/// @throws std::invalid_argument unless --class-weights has a number for each class.
std::vector<double> class_weights(const Options& options, const DataSet& data);

/// Returns the checksum that checkpoints of train_cifar10 had before there was train_images: over
/// the labels, then the pixels, of the training and of the test images.
std::string former_checksum(const DataSet& data);

/// Copies a batch to a device.
Batch to_device(Device& device, const HostBatch& batch, retrace::Shape shape);

/// Returns the first training samples, unchanged, on a device.
Batch first_batch(Device& device, const NetChoice& net, const DataSet& data, retrace::Index count);
