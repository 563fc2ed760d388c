// Runs kernels as compiled by nvcc for RETRACE_TEST_ARCHITECTURE (default: 80) in all tests.
#define CATCH_CONFIG_EXTERNAL_INTERFACES  // listeners of Catch2 2
#include "cuda/interpreted/kernels.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "cuda/ptx/interpreter.hpp"
#include "support/catch.hpp"

namespace retrace::test {

std::vector<std::string> ptx_of_kernels(int architecture) {
  std::string ending = "_";
  ending += std::to_string(architecture);
  ending += ".ptx";
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(RETRACE_TEST_PTX))
    if (const std::string file = entry.path().string(); file.ends_with(ending))
      files.push_back(file);
  std::sort(files.begin(), files.end());
  return files;
}

namespace {

#if __has_include(<catch2/catch_all.hpp>)
using Listener = Catch::EventListenerBase;
#else
using Listener = Catch::TestEventListenerBase;
#endif

class Interpreted : public Listener {
 public:
  using Listener::Listener;

  void testRunStarting(const Catch::TestRunInfo&) override {
    const char* chosen = std::getenv("RETRACE_TEST_ARCHITECTURE");
    const int architecture = chosen ? std::atoi(chosen) : 80;
    const auto files = ptx_of_kernels(architecture);
    if (files.empty()) {
      std::fprintf(stderr, "there is no PTX for compute capability %d\n", architecture);
      std::exit(1);
    }
    interpreter_ = std::make_unique<ptx::Interpreter>(files);
  }
  void testRunEnded(const Catch::TestRunStats& stats) override {
    interpreter_.reset();
    Listener::testRunEnded(stats);
  }

 private:
  std::unique_ptr<ptx::Interpreter> interpreter_;
};

CATCH_REGISTER_LISTENER(Interpreted)

}  // namespace
}  // namespace retrace::test
