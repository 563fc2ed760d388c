#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <ostream>

#include "markup.hpp"
#include "png_writer.hpp"
#include "report.hpp"
#include "text.hpp"

using retrace::Index;

namespace {

constexpr const char* font = "font-family=\"sans-serif\" font-size=\"12\"";

std::string base64(const std::vector<std::uint8_t>& bytes) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t three = 0;
    for (std::size_t j = 0; j < 3; ++j)
      three = three << 8 | (i + j < bytes.size() ? bytes[i + j] : 0u);
    for (int shift = 18; shift >= 0; shift -= 6) text += digits[three >> shift & 63];
  }
  const std::size_t padding = (3 - bytes.size() % 3) % 3;
  text.replace(text.size() - padding, padding, padding, '=');
  return text;
}

/// The image of a sample before it is normalised.
Picture picture_of(const Samples& samples, Index sample) {
  const retrace::Shape shape = samples.shape();
  std::vector<float> values(static_cast<std::size_t>(shape.size()));
  samples.read(sample, values);
  Picture picture{shape.h, shape.w, shape.c == 3 ? Index{3} : Index{1}, {}};
  for (std::size_t i = 0; i < values.size(); i += static_cast<std::size_t>(shape.c))
    for (Index c = 0; c < picture.channels; ++c)
      picture.pixels.push_back(static_cast<std::uint8_t>(
          std::clamp(values[i + static_cast<std::size_t>(c)], 0.0f, 255.0f)));
  return picture;
}

/// Returns labels as contrasting colours, and grey for pixels without a class.
Picture coloured(const std::vector<std::int32_t>& labels, Index height, Index width) {
  constexpr std::array<std::array<std::uint8_t, 3>, 8> colours{{{68, 1, 84},
                                                                {253, 231, 37},
                                                                {33, 145, 140},
                                                                {222, 73, 104},
                                                                {59, 82, 139},
                                                                {94, 201, 98},
                                                                {254, 159, 109},
                                                                {0, 0, 0}}};
  Picture picture{height, width, 3, {}};
  for (const std::int32_t label : labels)
    for (std::size_t c = 0; c < 3; ++c)
      picture.pixels.push_back(label == no_class
                                   ? std::uint8_t{160}
                                   : colours[static_cast<std::size_t>(label) % colours.size()][c]);
  return picture;
}

void draw_picture(std::ostream& out, const Picture& picture, double x, double y, double side) {
  const double scale = side / static_cast<double>(std::max(picture.height, picture.width));
  out << "<image x=\"" << shortest(x) << "\" y=\"" << shortest(y) << "\" width=\""
      << shortest(scale * static_cast<double>(picture.width)) << "\" height=\""
      << shortest(scale * static_cast<double>(picture.height))
      << "\" style=\"image-rendering:pixelated\" href=\"data:image/png;base64,"
      << base64(encode_png(picture)) << "\"/>\n";
}

void draw_text(std::ostream& out, double x, double y, const std::string& text,
               const std::string& attributes = "") {
  out << "<text x=\"" << shortest(x) << "\" y=\"" << shortest(y) << "\" " << font << ' '
      << attributes << '>' << escaped(text) << "</text>\n";
}

void begin_svg(std::ostream& out, double width, double height) {
  out << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << shortest(width) << "\" height=\""
      << shortest(height) << "\" viewBox=\"0 0 " << shortest(width) << ' ' << shortest(height)
      << "\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
}

/// Returns a text of at most so many letters.
std::string shortened(const std::string& text, std::size_t letters) {
  return text.size() <= letters ? text : text.substr(0, letters - 1) + "…";
}

std::size_t longest(const std::vector<std::string>& names) {
  std::size_t most = 0;
  for (const std::string& name : names) most = std::max(most, name.size());
  return most;
}

}  // namespace

void draw_matrix(std::ostream& out, const ConfusionMatrix& matrix,
                 const std::vector<std::string>& classes) {
  constexpr std::size_t most_letters = 24, most_numbers = 20;
  const auto count = static_cast<double>(classes.size());
  const double cell = classes.size() <= most_numbers ? 44 : 14,
               margin = 24 + 7.2 * static_cast<double>(std::min(longest(classes), most_letters));
  constexpr double width_of_caption = 360;
  begin_svg(out, std::max(margin + count * cell + 12, width_of_caption),
            margin + count * cell + 40);
  draw_text(out, 8, margin + count * cell + 28,
            "rows: label; columns: prediction; colour: share of the row");
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const double middle = margin + (static_cast<double>(i) + 0.5) * cell + 4;
    const std::string name = shortened(classes[i], most_letters);
    draw_text(out, margin - 8, middle, name, "text-anchor=\"end\"");
    draw_text(out, 0, 0, name,
              "transform=\"translate(" + shortest(middle) + ' ' + shortest(margin - 8) +
                  ") rotate(-90)\"");
  }
  for (std::size_t label = 0; label < classes.size(); ++label) {
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < classes.size(); ++i) all += matrix.at(label, i);
    for (std::size_t i = 0; i < classes.size(); ++i) {
      const double share = all == 0 ? 0
                                    : static_cast<double>(matrix.at(label, i)) /
                                          static_cast<double>(all),
                   x = margin + static_cast<double>(i) * cell,
                   y = margin + static_cast<double>(label) * cell;
      const std::string red_green = std::to_string(std::lround(255 * (1 - share)));
      out << "<rect x=\"" << shortest(x) << "\" y=\"" << shortest(y) << "\" width=\""
          << shortest(cell) << "\" height=\"" << shortest(cell) << "\" fill=\"rgb(" << red_green
          << ',' << std::lround(255 - 140 * share) << ",255)\" stroke=\"#cccccc\"/>\n";
      if (classes.size() <= most_numbers && matrix.at(label, i) > 0)
        draw_text(out, x + cell / 2, y + cell / 2 + 4, std::to_string(matrix.at(label, i)),
                  "text-anchor=\"middle\"");
    }
  }
  out << "</svg>\n";
}

void draw_worst(std::ostream& out, Device& device, const Predictions& results, TrainedNet& trained,
                const Inputs& inputs, std::size_t count) {
  constexpr double side = 112, gap = 12, text_height = 34;
  const std::size_t tiles = trained.labels_pixels ? 3 : 1, columns = trained.labels_pixels ? 2 : 6;
  std::vector<std::size_t> order(results.each.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return results.each[a].loss > results.each[b].loss;
  });
  order.resize(std::min(order.size(), count));
  const std::size_t rows = (order.size() + columns - 1) / columns;
  const double width = static_cast<double>(tiles) * (side + 4) + gap,
               height = side + text_height + gap;
  begin_svg(out, static_cast<double>(columns) * width + gap,
            static_cast<double>(rows) * height + gap);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Prediction& each = results.each[order[i]];
    const double x = gap + static_cast<double>(i % columns) * width,
                 y = gap + static_cast<double>(i / columns) * height;
    draw_picture(out, picture_of(*inputs.samples, each.sample), x, y, side);
    std::string first, second;
    if (trained.labels_pixels) {
      const retrace::Shape shape = inputs.samples->shape();
      std::vector<std::int32_t> labels(static_cast<std::size_t>(inputs.samples->labels_each()));
      inputs.samples->read_labels(each.sample, labels);
      draw_picture(out, coloured(labels, shape.h, shape.w), x + side + 4, y, side);
      draw_picture(out,
                   coloured(predicted_pixels(device, trained, inputs, each.sample), trained.input.h,
                            trained.input.w),
                   x + 2 * (side + 4), y, side);
      first = percent(each.accuracy) + " of its pixels, loss " + fixed(each.loss, 2);
      second = "image, mask, prediction";
    } else {
      first = trained.classes[static_cast<std::size_t>(std::max(each.label, 0))];
      second = "not " + trained.classes[static_cast<std::size_t>(each.predicted)] + ", " +
               percent(each.probability);
      if (each.label == each.predicted) second = "right, " + percent(each.probability);
    }
    draw_text(out, x, y + side + 14, shortened(first, trained.labels_pixels ? 40 : 17));
    draw_text(out, x, y + side + 28, shortened(second, trained.labels_pixels ? 40 : 19),
              trained.labels_pixels || each.label == each.predicted ? "fill=\"#57606a\""
                                                                    : "fill=\"#b00020\"");
  }
  out << "</svg>\n";
}
