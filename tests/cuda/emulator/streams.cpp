#include "cuda/emulator/streams.hpp"

#include <algorithm>
#include <exception>
#include <set>

#include "cuda/emulator/control.hpp"
#include "cuda/emulator/device_memory.hpp"
#include "cuda/emulator/launch.hpp"
#include "cuda/emulator/location.hpp"
#include "cuda/emulator/sanitizer.hpp"

namespace emulator {
namespace {

std::set<CUstream_st*>& streams() {
  static auto& all = *new std::set<CUstream_st*>;
  return all;
}

CUstream_st& null_stream() {
  static auto& only = *new CUstream_st;
  return only;
}

void run_queue(CUstream_st& stream) {
  const sanitizer::Unseen unseen;
  const DeviceAccess access;
  while (!stream.queue.empty()) {
    const Operation operation = std::move(stream.queue.front());
    stream.queue.pop_front();
    operation();
  }
}

}  // namespace

Recording::~Recording() {
  for (std::size_t i = 0; i < allocations.size(); ++i) device_memory().unreserve();
}

CUstream_st& resolve(cudaStream_t stream) {
  if (stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread)
    return null_stream();
  if (streams().count(stream) == 0) throw Error("a call names a stream that does not exist");
  return *stream;
}

cudaStream_t add_stream() {
  add_object("streams");
  return *streams().insert(new CUstream_st).first;
}

void remove_stream(cudaStream_t stream) {
  remove_object("streams");
  streams().erase(stream);
  delete stream;
}

bool capturing() {
  return std::any_of(streams().begin(), streams().end(),
                     [](const CUstream_st* stream) { return stream->recording != nullptr; });
}

void enqueue(cudaStream_t which, Operation operation) {
  CUstream_st& stream = resolve(which);
  if (stream.recording) {
    stream.recording->operations.push_back(std::move(operation));
    return;
  }
  stream.queue.push_back(std::move(operation));
  if (!options().deferred) synchronise(stream);
}

void synchronise(CUstream_st& stream) {
  if (stream.running) return;
  stream.running = true;
  try {
    run_queue(stream);
  } catch (const Error& error) {
    stream.running = false;
    if (std::uncaught_exceptions() == 0) throw;
    report(error.what());  // a destructor waits during another exception
  }
  stream.running = false;
}

void synchronise_all() {
  synchronise(null_stream());
  for (CUstream_st* stream : streams()) synchronise(*stream);
}

void record(CUevent_st& event, cudaStream_t stream) {
  auto record = std::make_shared<CUevent_st::Record>();
  record->stream = &resolve(stream);
  event.last = record;
  enqueue(stream, [record] {
    record->reached = true;
    record->when = std::chrono::steady_clock::now();
  });
}

void wait(const CUevent_st& event, cudaStream_t stream) {
  enqueue(stream, [record = event.last] {
    if (!record || record->reached) return;
    synchronise(*record->stream);
    if (!record->reached) throw Error("a stream waits for an event that cannot occur");
  });
}

}  // namespace emulator
