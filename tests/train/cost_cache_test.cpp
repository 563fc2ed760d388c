#include "retrace/train/cost_cache.hpp"

#include <fstream>

#include "support/catch.hpp"

using namespace retrace;

namespace {

/// A file that is there for one test.
struct Scratch {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("retrace_costs_" + std::to_string(getpid()));
  std::filesystem::path file = folder / "below" / "costs.tsv";
  ~Scratch() { std::filesystem::remove_all(folder); }

  void write(const std::string& text) const {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
};

const std::string header = "retrace costs 1: machine, what, seconds, seconds an image\n";

}  // namespace

TEST_CASE("costs come back from the file, by machine") {
  const Scratch scratch;
  CostCache here(scratch.file, "machine 1"), elsewhere(scratch.file, "machine 2");
  CHECK(!here.find("a b"));
  here.set("a b", {0.25, 1e-7});
  CHECK(here.find("a b")->seconds(1e7) == Approx(1.25));
  CHECK(here.save());
  CHECK(CostCache(scratch.file, "machine 1").find("a b")->fixed == 0.25);
  CHECK(!CostCache(scratch.file, "machine 2").find("a b"));
  CostCache both(scratch.file, "machine 2");
  both.set("a b", {1, 1});
  CHECK(both.save());
  both.forget();
  CHECK(!both.find("a b"));
  CHECK(both.save());
  CHECK(CostCache(scratch.file, "machine 1").find("a b"));
}

TEST_CASE("a damaged file of costs is as good as none") {
  const Scratch scratch;
  const auto found = [&](const std::string& text) {
    scratch.write(text);
    return CostCache(scratch.file, "m").find("k").has_value();
  };
  CHECK(found(header + "m\tk\t0.5\t0.25\n"));
  CHECK(!found("m\tk\t0.5\t0.25\n"));
  for (const char* line :
       {"m\tk\t0.5", "m\tk\t0.5\t", "m\tk\tx\t1", "m\tk\t0.5\t-1", "m\tk\tnan\t1", "m\tk\tinf\t1",
        "m\tk\t0.5\t1e300", "\t", "", "m\tk\t0.5\t0.25x"}) {
    CAPTURE(line);
    CHECK(!found(header + line + "\n"));
    CHECK(found(header + line + "\nm\tk\t0.5\t0.25\n"));  // the other lines are good
  }
  CHECK(!CostCache("", "m").find("k"));
  CHECK(!CostCache("", "m").save());
  CHECK(!CostCache(scratch.file / "not a folder" / "costs.tsv", "m").save());
}

TEST_CASE("costs are kept where the user's caches are") {
  const auto path_with = [](const char* cache, const char* home) {
    const auto set = [](const char* name, const char* value) {
      value ? setenv(name, value, 1) : unsetenv(name);
    };
    const char* const before[] = {getenv("XDG_CACHE_HOME"), getenv("HOME")};
    const std::string old_cache = before[0] ? before[0] : "", old_home = before[1] ? before[1] : "";
    set("XDG_CACHE_HOME", cache);
    set("HOME", home);
    const std::string path = CostCache::usual_path().string();
    set("XDG_CACHE_HOME", before[0] ? old_cache.c_str() : nullptr);
    set("HOME", before[1] ? old_home.c_str() : nullptr);
    return path;
  };
  CHECK(path_with("/c", "/h") == "/c/retrace/costs.tsv");
  CHECK(path_with(nullptr, "/h") == "/h/.cache/retrace/costs.tsv");
  CHECK(path_with(nullptr, nullptr) == "");
}
