// Counts calls, makes calls fail, and collects errors that no status reports.
#include <cuda_runtime.h>

#include <utility>

#include "cuda/emulator/control.hpp"
#include "cuda/emulator/device_memory.hpp"
#include "cuda/emulator/launch.hpp"
#include "cuda/emulator/runtime.hpp"

namespace emulator {
namespace {

struct Fault {
  int calls_left, status;
};

std::map<std::string, Fault>& faults() {
  static auto& planned = *new std::map<std::string, Fault>;
  return planned;
}

std::map<std::string, int>& counts() {
  static auto& all = *new std::map<std::string, int>;
  return all;
}

std::vector<std::string>& reports() {
  static auto& list = *new std::vector<std::string>;
  return list;
}

std::map<std::string, int>& objects() {
  static auto& counts_of_kinds = *new std::map<std::string, int>;
  return counts_of_kinds;
}

cudaError_t last_error = cudaSuccess;

bool fits_device(const Launch& launch) {
  const dim3 &block = launch.block, &grid = launch.grid;
  const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
  return threads >= 1 && threads <= 1024 && block.z <= 64 && grid.x >= 1 && grid.y >= 1 &&
         grid.z >= 1 && grid.x <= 0x7fffffffu && grid.y <= 65535 && grid.z <= 65535;
}

}  // namespace

void add_object(const std::string& kind) { ++objects()[kind]; }
void remove_object(const std::string& kind) { --objects()[kind]; }

std::vector<std::string> leaks() {
  std::vector<std::string> list = device_memory().leaks();
  for (const auto& [kind, count] : objects())
    if (count > 0) list.push_back(std::to_string(count) + " " + kind);
  return list;
}

void report(const std::string& what) { reports().push_back(what); }

std::vector<std::string> take_reports() { return std::exchange(reports(), {}); }

void fail_call(const std::string& function, int nth, int status) {
  faults()[function] = {nth, status};
}
void fail_no_call() { faults().clear(); }

const std::map<std::string, int>& calls() { return counts(); }
void reset_calls() { counts().clear(); }

int begin_call(const char* function) {
  ++counts()[function];
  const auto fault = faults().find(function);
  if (fault == faults().end() || --fault->second.calls_left > 0) return 0;
  const int status = fault->second.status;
  faults().erase(fault);
  return status;
}

cudaError_t begin(const char* function) {
  return answer(static_cast<cudaError_t>(begin_call(function)));
}

cudaError_t answer(cudaError_t status) {
  if (status != cudaSuccess) last_error = status;
  return status;
}

cudaError_t take_last_error() { return std::exchange(last_error, cudaSuccess); }
cudaError_t peek_last_error() { return last_error; }

bool accept(const Launch& launch) {
  if (begin("cudaLaunchKernel") != cudaSuccess) return false;
  return answer(fits_device(launch) ? cudaSuccess : cudaErrorInvalidConfiguration) == cudaSuccess;
}

}  // namespace emulator
