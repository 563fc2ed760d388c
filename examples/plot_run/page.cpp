#include "page.hpp"

#include <array>
#include <ostream>

#include "figure.hpp"
#include "markup.hpp"
#include "results.hpp"
#include "text.hpp"

namespace {

constexpr std::array<const char*, 8> colours{"#2f6fc0", "#d9652b", "#2a9d72", "#8a56b8",
                                             "#c4263b", "#7a6a2f", "#3aa6b9", "#8b949e"};

constexpr const char* style = R"(
:root { color-scheme: light dark; --ink: #24292f; --muted: #57606a; --line: #e3e6ea; --paper: #fff }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --muted: #9198a1; --line: #30363d; --paper: #0d1117 }
}
body { font: 14px/1.5 Helvetica, Arial, "DejaVu Sans", sans-serif; color: var(--ink);
       background: var(--paper); max-width: 1200px; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; margin: 1em 0 2em }
th, td { padding: .25em .8em; border-bottom: 1px solid var(--line); text-align: right }
th:first-child, td:first-child { text-align: left }
td { white-space: nowrap }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(460px, 1fr)); gap: 1.5em }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .6em; border-radius: 2px }
svg { width: 100%; height: auto; font-size: 12px }
.title { font-size: 15px; font-weight: bold; fill: var(--ink) }
.tick { fill: var(--muted) }
.grid { stroke: var(--line) }
polyline { stroke-width: 1.6; stroke-linejoin: round }
)";

std::string colour(std::size_t run) { return colours[run % colours.size()]; }

void print_table(std::ostream& out, const std::vector<Run>& runs) {
  out << "<table>\n<tr>";
  for (const std::string& cell : result_head()) out << "<th>" << escaped(cell) << "</th>";
  out << "</tr>\n";
  for (std::size_t i = 0; i < runs.size(); ++i) {
    out << "<tr>";
    std::string swatch = "<span class=\"swatch\" style=\"background:" + colour(i) + "\"></span>";
    for (const std::string& cell : result_row(runs[i])) {
      out << "<td>" << swatch << escaped(cell) << "</td>";
      swatch.clear();
    }
    out << "</tr>\n";
  }
  out << "</table>\n";
}

std::string share(double value) { return percent(value); }
std::string decibels(double value) { return fixed(value, 0) + " dB"; }
std::string bytes(double value) { return thousands(value) + "B"; }

void add_curves(Figure& figure, const std::vector<Run>& runs, Series Run::*series,
                bool faint = false) {
  for (std::size_t i = 0; i < runs.size(); ++i)
    figure.curves.push_back({runs[i].name, colour(i), &(runs[i].*series), faint});
}

}  // namespace

void print_page(std::ostream& out, const std::vector<Run>& runs) {
  const auto figure = [&](std::string title, auto format, bool from_zero, Series Run::*series) {
    Figure result{std::move(title), format, from_zero, {}};
    add_curves(result, runs, series);
    return result;
  };

  out << "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width\">\n<title>Training</title>\n<style>"
      << style << "</style>\n</head>\n<body>\n<h1>Training</h1>\n";
  print_table(out, runs);
  out << "<div class=\"figures\">\n";
  for (const Figure& each : {figure("Loss", thousands, true, &Run::loss),
                             figure("Test loss", thousands, true, &Run::test_loss),
                             figure("Accuracy on the batches", share, true, &Run::train_accuracy),
                             figure("Test accuracy", share, true, &Run::test_accuracy),
                             figure(
                                 "Learning rate", [](double value) { return fixed(value, 4); },
                                 true, &Run::learning_rate),
                             figure("Images a second", thousands, true, &Run::images_per_second),
                             figure("Peak memory", bytes, true, &Run::bytes),
                             figure("Worst signal-to-noise ratio of a reconstruction", decibels,
                                    false, &Run::worst_snr)})
    if (!each.empty()) out << "<figure>\n" << each << "</figure>\n";
  out << "</div>\n</body>\n</html>\n";
}

void print_picture(std::ostream& out, const std::vector<Run>& runs) {
  constexpr std::size_t columns = 2, width = 560, height = 300, line = 20, margin = 12;
  std::vector<Figure> figures{
      {"Loss", thousands, true, {}},
      {"Accuracy", share, true, {}},
      {"Peak memory", bytes, true, {}},
      {"Worst signal-to-noise ratio of a reconstruction", decibels, false, {}}};
  add_curves(figures[0], runs, &Run::loss, true);
  add_curves(figures[0], runs, &Run::test_loss);
  add_curves(figures[1], runs, &Run::train_accuracy, true);
  add_curves(figures[1], runs, &Run::test_accuracy);
  add_curves(figures[2], runs, &Run::bytes);
  add_curves(figures[3], runs, &Run::worst_snr);
  std::erase_if(figures, [](const Figure& each) { return each.empty(); });
  const std::size_t rows = (figures.size() + columns - 1) / columns,
                    legend = margin + line * runs.size();
  out << "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " << columns * width << ' '
      << legend + rows * height
      << "\">\n<style>text { font: 12px Helvetica, Arial, 'DejaVu Sans', sans-serif; fill: #57606a "
         "}"
         " .title { font-size: 15px; font-weight: bold; fill: #24292f } .grid { stroke: #e3e6ea }"
         " polyline { stroke-width: 1.6; stroke-linejoin: round }</style>\n"
         "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  for (std::size_t i = 0; i < runs.size(); ++i)
    out << "<rect x=\"64\" y=\"" << margin + i * line << "\" width=\"12\" height=\"12\" fill=\""
        << colour(i) << "\"/><text x=\"84\" y=\"" << margin + i * line + 11 << "\">"
        << escaped(runs[i].name + ", " + runs[i].data) << "</text>\n";
  for (std::size_t i = 0; i < figures.size(); ++i)
    out << "<svg x=\"" << i % columns * width << "\" y=\"" << legend + i / columns * height
        << "\" width=\"" << width << "\" height=\"" << height << "\">\n"
        << figures[i] << "</svg>\n";
  out << "</svg>\n";
}
