#include "cuda/emulator/block.hpp"

#include <algorithm>
#include <numeric>

namespace emulator {

Block& block() {
  static Block& only = *new Block;  // never destroyed: a stream may be drained late
  return only;
}

void Block::begin_launch(dim3 shape, unsigned seed) {
  count_ = static_cast<int>(shape.x * shape.y * shape.z);
  threads_.assign(static_cast<std::size_t>(count_), {});
  for (int i = 0; i < count_; ++i) {
    const auto u = static_cast<unsigned>(i);
    at(i).index = {u % shape.x, u / shape.x % shape.y, u / (shape.x * shape.y)};
  }
  order_.resize(threads_.size());
  std::iota(order_.begin(), order_.end(), 0);
  shuffled_ = seed != 0;
  random_.seed(seed);
  sanitizer::happens_before(&launched_);
}

void Block::end_launch() { sanitizer::happens_after(&done_); }

std::string Block::run(const std::function<void()>& thread) {
  forget();
  thread_ = &thread;
  if (shuffled_) std::shuffle(order_.begin(), order_.end(), random_);
  while (error_.empty()) {
    const std::size_t ready = ready_.size() - first_ready_;
    const bool more = next_ < count_;
    if (ready == 0 && !more) break;
    if (more && (!shuffled_ || random_() % (ready + 1) == 0)) {
      start_next();
    } else {
      resume_next();
    }
  }
  current_ = -1;
  if (error_.empty() && alive_ > 0) describe_deadlock();
  if (!error_.empty()) drop_fibres();
  shared_.clear();
  return error_;
}

void Block::forget() {
  for (Thread& thread : threads_) {
    thread.fibre = nullptr;
    thread.state = State::not_started;
  }
  ready_.clear();
  first_ready_ = 0;
  next_ = waiting_ = 0;
  alive_ = count_;
  error_.clear();
  shared_bytes_ = 0;
  order_of_barriers_ = std::make_unique<BarrierOrder>();
}

// ---- Which thread runs ------------------------------------------------------------------------

void Block::start_next() {
  if (idle_.empty()) {
    fibres_.push_back(std::make_unique<Fibre>(work));
    idle_.push_back(fibres_.back().get());
  }
  Fibre& fibre = *idle_.back();
  idle_.pop_back();
  fibre.thread = order_[static_cast<std::size_t>(next_++)];
  if (sanitizer::one_fibre_a_thread) {
    sanitizer::begin_thread(fibre.stack());
    fibre.empty();
  }
  fibre.resume();
  if (at(fibre.thread).state == State::finished) sanitizer::end_thread(fibre.stack());
}

void Block::resume_next() {
  if (shuffled_) std::swap(ready_[random_() % ready_.size()], ready_.back());
  int next = 0;
  if (shuffled_) {
    next = ready_.back();
    ready_.pop_back();
  } else {
    next = ready_[first_ready_++];
    if (first_ready_ == ready_.size()) {
      ready_.clear();
      first_ready_ = 0;
    }
  }
  Fibre& fibre = *at(next).fibre;
  fibre.resume();
  if (at(fibre.thread).state == State::finished) sanitizer::end_thread(fibre.stack());
}

/// Runs thread after thread on a fibre as long as none waits, which needs no switch.
void Block::work(Fibre& fibre) {
  Block& self = block();
  self.run_thread(fibre);
  while (!sanitizer::one_fibre_a_thread && self.error_.empty() && self.ready_.empty() &&
         self.next_ < self.count_) {
    fibre.thread = self.order_[static_cast<std::size_t>(self.next_++)];
    self.run_thread(fibre);
  }
  const sanitizer::Unseen unseen;
  self.idle_.push_back(&fibre);
}

void Block::run_thread(Fibre& fibre) {
  current_ = fibre.thread;
  at(current_).fibre = &fibre;
  at(current_).state = State::ready;
  threadIdx = at(current_).index;
  sanitizer::happens_after(&launched_);
  try {
    (*thread_)();
  } catch (const Stop&) {  // error_ has the reason
  }
  sanitizer::happens_before(&done_);
  at(current_).state = State::finished;
  --alive_;
}

void Block::suspend() {
  const int me = current_;
  sanitizer::happens_before(&done_);  // it may never run again if another thread fails
  at(me).fibre->suspend();
  current_ = me;
  threadIdx = at(me).index;
}

void Block::make_ready(int thread) {
  at(thread).state = State::ready;
  ready_.push_back(thread);
}

/// May let another thread run first.
void Block::yield() {
  at(current_).state = State::ready;
  if (!shuffled_) return;
  make_ready(current_);
  suspend();
}

// ---- What went wrong --------------------------------------------------------------------------

void Block::fail(const std::string& what) {
  error_ = what + " (block " + std::to_string(blockIdx.x) + "," + std::to_string(blockIdx.y) + "," +
           std::to_string(blockIdx.z) + ", thread " + std::to_string(current_) + ")";
  throw Stop();
}

void Block::describe_deadlock() {
  error_ = std::to_string(alive_) + " of " + std::to_string(count_) + " threads wait forever";
  int named = 0;
  for (int i = 0; i < count_ && named < 4; ++i) {
    const State state = at(i).state;
    if (state != State::at_barrier && state != State::at_collective) continue;
    error_ += ", thread " + std::to_string(i) +
              (state == State::at_barrier ? " in __syncthreads at " : " in a shuffle or vote at ") +
              text(at(i).at);
    ++named;
  }
}

void Block::drop_fibres() {
  for (Thread& thread : threads_) {
    if (thread.fibre == nullptr || thread.state == State::finished) continue;
    thread.fibre->empty();
    idle_.push_back(thread.fibre);
  }
}

}  // namespace emulator
