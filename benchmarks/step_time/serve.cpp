#include "serve.hpp"

#include <chrono>
#include <istream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/names.hpp"
#include "support/process.hpp"
#include "support/training.hpp"

namespace step_time {

using namespace retrace;
using Json = nlohmann::json;

namespace {

using benchmark::Device;

/// A network on its own device, and the batch it is trained on.
struct Row {
  Device device;
  benchmark::Training training;
  benchmark::Batch batch;

  Row(const Json& request, int threads)
      : device(make_device(threads)),
        training(device, benchmark::architecture(request.at("network").get<std::string>()),
                 options(request), {.momentum = 0.9, .weight_decay = 5e-4}),
        batch(device, {request.at("batch").get<Index>(), 32, 32, 3}) {
    const auto mode = request.at("mode").get<std::string>();
    benchmark::require_mode(benchmark::architecture(request.at("network").get<std::string>()),
                            mode);
    benchmark::select_mode(training.net(), mode);
  }

 private:
  static NetOptions options(const Json& request) {
    NetOptions options =
        paper_options(benchmark::architecture(request.at("network").get<std::string>()));
    options.channels = request.at("channels").get<std::vector<Index>>();
    options.blocks = request.at("blocks").get<std::vector<Index>>();
    return options;
  }
};

class Server {
 public:
  explicit Server(int threads) : threads_(threads) {}

  Json answer(const Json& request) {
    const auto what = request.at("do").get<std::string>();
    if (what == "describe") return describe_device();
    if (what == "prepare") return prepare(request);
    if (what == "step") return step(request);
    if (what == "resident")
      return {{"bytes", benchmark::process_memory("VmRSS")},
              {"peak_bytes", benchmark::process_memory("VmHWM")}};
    throw std::invalid_argument("the request must be describe, prepare, step or resident but is '" +
                                what + "'");
  }

 private:
  Json describe_device() const {
    const Device device = make_device(threads_);
    if (device_kind != "cpu") return {{"device", machine_name(device)}};
    return {{"instruction_set", retrace::cpu_features().compiled_for},
            {"vector_bytes", vector_bytes},
            {"threads", threads_of(device)}};
  }

  Json prepare(const Json& request) {
    auto& row = rows_[request.at("row").get<std::string>()];
    row = std::make_unique<Row>(request, threads_);
    std::vector<Index> sizes;
    for (const auto& named : row->training.optimizer().parameters().parameters)
      sizes.push_back(named.parameter->value.shape().size());
    return {{"parameters", sizes}};
  }

  Json step(const Json& request) {
    const auto found = rows_.find(request.at("row").get<std::string>());
    if (found == rows_.end()) throw std::invalid_argument("the row was not prepared");
    Row& row = *found->second;
    double loss = 0;
    const auto start = std::chrono::steady_clock::now();
    for (int left = request.at("steps").get<int>(); left > 0; --left)
      loss = row.training.step(row.batch).mean();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    return {{"seconds", taken.count()}, {"loss", loss}};
  }

  int threads_;
  std::map<std::string, std::unique_ptr<Row>> rows_;
};

}  // namespace

void serve(std::istream& in, std::ostream& out, int threads) {
  Server server(threads);
  for (std::string line; std::getline(in, line);) {
    Json answer;
    try {
      answer = server.answer(Json::parse(line));
    } catch (const std::exception& error) {
      answer = {{"error", error.what()}};
    }
    out << answer.dump() << std::endl;  // flush, because the client waits for it
  }
}

}  // namespace step_time
