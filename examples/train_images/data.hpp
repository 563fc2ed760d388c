// The samples that are trained and tested on, and how a network gets them.
#pragma once

#include "batches.hpp"
#include "data_set.hpp"
#include "options.hpp"

/// What options name; of train_cifar10 that has no folder, $RETRACE_CIFAR10 or
/// data/cifar-10-batches-bin, and if neither is there, images drawn by the program.
/// @throws retrace::DataError if a file is missing or damaged.
/// @throws std::invalid_argument if there is no folder, but the program needs one.
DataSet load_data(const Options& options);

/// Gives the network the shape of the samples and the number of classes, and chooses what options
/// leave open by them. Returns a line for each choice.
std::vector<std::string> fit_to_data(Options& options, const DataSet& data);

/// How samples become the input of the network: shaped, normalised.
Preparation preparation(const NetChoice& net, const DataSet& data);

/// What is changed at random in training samples.
RandomChanges random_changes(const Options& options);

/// A batch on a device.
Batch to_device(Device& device, const HostBatch& batch, retrace::Shape shape);

/// The first samples to train on, unchanged, on a device.
Batch first_batch(Device& device, const NetChoice& net, const DataSet& data, retrace::Index count);
