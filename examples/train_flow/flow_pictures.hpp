// Pictures of samples and densities, as PNG files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "picture.hpp"

/// Encodes a grey or RGB picture.
/// @throws std::system_error if the file cannot be written; an existing file does not change.
void write_png(const std::filesystem::path& path, const Picture& picture);

/// Returns pictures of one size in rows of `columns`, with a margin between them, each enlarged by
/// repetition.
Picture grid(const std::vector<Picture>& pictures, retrace::Index columns,
             retrace::Index enlargement);

/// Returns a picture of a density as colours from dark blue over green to yellow.
/// @param log_densities  row after row, from the top
Picture density_picture(const std::vector<double>& log_densities, retrace::Index height,
                        retrace::Index width);

/// Draws points on a picture whose axes go from `low` to `high`, the second one upwards.
void draw_points(Picture& picture, const std::vector<float>& points, double low, double high,
                 std::uint8_t red, std::uint8_t green, std::uint8_t blue);

/// Returns pictures in a row, with a margin.
Picture in_a_row(const std::vector<Picture>& pictures);
