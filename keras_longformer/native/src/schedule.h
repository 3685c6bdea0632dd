// Splits a problem into items and lets threads take them.
#ifndef KERAS_LONGFORMER_NATIVE_SCHEDULE_H_
#define KERAS_LONGFORMER_NATIVE_SCHEDULE_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "band_attention.h"

namespace keras_longformer {

// The fastest kernels this machine runs, or those chosen by name.
const Kernels* CurrentKernels();

// `name` "" means the fastest. Returns false for unknown names and for
// instruction sets that this machine lacks.
bool ChooseKernels(const char* name);

// One call's work. Items are numbered; which thread takes which is left to
// chance and changes no bit of the result.
class Job {
 public:
  Job(const Problem& problem, Pass pass, int64_t num_threads);
  ~Job();

  int64_t num_items() const { return num_items_; }

  // Takes items until none is left. Any number of threads may call this, also
  // after the work is done.
  void Work();

  // Waits for items that other threads have taken. Call `Work` first: then
  // nothing is waited for that no thread has begun, so a busy thread pool
  // cannot make this wait for ever. Returns false if memory ran out.
  bool Wait();

 private:
  Item ItemAt(int64_t number) const;
  float* PositionSums(int64_t number) const;
  void FinishPositions();

  Problem problem_;
  std::vector<int64_t> dilation_;
  const Kernels* kernels_;
  Pass pass_;
  int64_t num_blocks_;                // kTile tokens each, in an item
  int64_t num_global_items_ = 0;      // come first: they are the longest
  bool one_dilation_ = true;          // the same for all heads
  std::vector<int64_t> first_items_;  // of each head, within one sequence
  int64_t num_items_ = 0;
  bool sums_positions_;            // this is to make position_key_gradient
  int64_t position_floats_ = 0;    // of sums for each band item
  float* position_sums_ = nullptr;

  std::atomic<int64_t> next_{0};
  std::atomic<int64_t> done_{0};
  std::atomic<bool> out_of_memory_{false};
  std::mutex mutex_;
  std::condition_variable all_done_;
};

}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_SCHEDULE_H_
