// Packs images by an integer flow, and restores them bit for bit.
#pragma once

#include <filesystem>
#include <memory>

#include "integer_flow.hpp"
#include "logistic_tables.hpp"
#include "packed_file.hpp"

/// A flow from a file, and the checksum of that file.
struct Model {
  std::unique_ptr<IntegerFlow> flow;
  std::uint64_t checksum;
};

/// Writes a model to a file that safetensors readers can read.
void write_model(const std::filesystem::path& path, IntegerFlow& flow);
/// @throws retrace::DataError if the file is damaged or not a model of compress_images.
Model read_model(const std::filesystem::path& path, retrace::Cpu& device);

/// Packs the images of a file.
/// @throws retrace::DataError if the model is for images of another size.
PackedFile pack(Model& model, const RawImages& images, retrace::Index images_per_block = 128);

/// Restores the file that was packed, byte for byte.
/// @param name  the packed file for messages
/// @throws retrace::DataError if the model is another one, if this machine computes other numbers
///         than the one that packed the images, or if the restored bytes have another checksum.
std::vector<std::uint8_t> unpack(Model& model, const PackedFile& packed, const std::string& name);
