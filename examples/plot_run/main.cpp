// Turns the logs of trainings into one page of curves.
#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <sstream>

#include "page.hpp"
#include "results.hpp"
#include "retrace/train/durable_file.hpp"

namespace {

void write(const std::string& path, const std::string& text) {
  retrace::DurableFile file(path);
  file.write(text);
  file.commit();
}

/// Appends the names of logs to runs with equal names.
void tell_apart(std::vector<Run>& runs) {
  std::map<std::string, int> times;
  for (const Run& run : runs) ++times[run.name];
  for (Run& run : runs)
    if (times[run.name] > 1) run.name += " (" + run.log + ')';
}

void run(const std::vector<std::string>& logs, const std::string& page, const std::string& table,
         const std::string& picture) {
  std::vector<Run> runs;
  for (const std::string& path : logs) {
    Log log = read_log(path);
    if (log.cut_off)
      std::cerr << "plot_run: the last line of " << path << " is cut off: left out\n";
    runs.insert(runs.end(), log.runs.begin(), log.runs.end());
  }
  tell_apart(runs);
  std::ostringstream html, markdown;
  print_page(html, runs);
  if (!picture.empty()) {
    std::ostringstream svg;
    print_picture(svg, runs);
    write(picture, svg.str());
  }
  print_markdown(markdown, runs);
  if (!page.empty()) write(page, html.str());
  if (!table.empty()) write(table, markdown.str());
  if (table.empty()) std::cout << markdown.str();
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Draws the curves of one or several trainings from what a trainer's --json wrote.",
               "plot_run");
  std::vector<std::string> logs;
  std::string page = "run.html", table, picture;
  app.add_option("logs", logs, "files of JSON lines")->required()->type_name("LOG");
  app.add_option("--page", page, "HTML file to write (default run.html; empty: none)")
      ->type_name("FILE");
  app.add_option("--markdown", table, "file to write the table to (default: standard output)")
      ->type_name("FILE");
  app.add_option("--svg", picture,
                 "SVG file to draw loss, accuracy, peak memory and worst reconstruction into")
      ->type_name("FILE");
  try {
    app.parse(count, arguments);
    run(logs, page, table, picture);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::cerr << "plot_run: " << error.what() << '\n';
    return 2;
  }
}
