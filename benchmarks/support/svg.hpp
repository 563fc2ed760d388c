// Writes SVG documents.
#pragma once

#include <ostream>
#include <string_view>

namespace benchmark {

/// Writes the elements of an SVG document. Lengths are in pixels, y points down.
class Svg {
 public:
  Svg(std::ostream& out, double width, double height) : out_(out) {
    out_ << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << width << "\" height=\""
         << height << "\" viewBox=\"0 0 " << width << ' ' << height
         << "\"\n     font-family=\"Helvetica, Arial, DejaVu Sans, sans-serif\" font-size=\"13\" "
            "fill=\"#24292f\">\n";
    rectangle(0, 0, width, height, "#ffffff");
  }
  ~Svg() { out_ << "</svg>\n"; }
  Svg(const Svg&) = delete;
  Svg& operator=(const Svg&) = delete;

  void rectangle(double x, double y, double width, double height, std::string_view colour) {
    out_ << "<rect x=\"" << x << "\" y=\"" << y << "\" width=\"" << width << "\" height=\""
         << height << "\" fill=\"" << colour << "\"/>\n";
  }
  void line(double x1, double y1, double x2, double y2, std::string_view colour,
            double thickness = 1, std::string_view attributes = "") {
    out_ << "<line x1=\"" << x1 << "\" y1=\"" << y1 << "\" x2=\"" << x2 << "\" y2=\"" << y2
         << "\" stroke=\"" << colour << "\" stroke-width=\"" << thickness << "\" " << attributes
         << "/>\n";
  }
  void dot(double x, double y, std::string_view colour) {
    out_ << "<circle cx=\"" << x << "\" cy=\"" << y << "\" r=\"3.5\" fill=\"" << colour << "\"/>\n";
  }
  /// @param anchor  which point of the text is at x: "start", "middle" or "end"
  void text(double x, double y, std::string_view anchor, std::string_view text,
            std::string_view attributes = "") {
    out_ << "<text x=\"" << x << "\" y=\"" << y << "\" text-anchor=\"" << anchor << "\" "
         << attributes << '>' << text << "</text>\n";
  }

 private:
  std::ostream& out_;
};

inline constexpr std::string_view grid_colour = "#e3e6ea", muted = "fill=\"#57606a\"",
                                  bold = "font-weight=\"bold\"",
                                  heading = "font-size=\"17\" font-weight=\"bold\"";

}  // namespace benchmark
