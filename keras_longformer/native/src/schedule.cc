#include "schedule.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "processor.h"

namespace keras_longformer {
namespace {

// Blocks of kTile tokens in an item, where there is work enough for all
// threads. Forward: queries that share a packed tile of keys (at most
// kMaxForwardBlocks). Backward: pairs between two items are computed twice.
constexpr int64_t kForwardBlocks = 8;
constexpr int64_t kBackwardBlocks = 16;

// Each item sums its share of position_key's gradient, and shares are added in
// the items' order: for the same bits, how many items there are must not depend
// on the threads.
constexpr int64_t kItemsWithPositions = 32;

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

std::atomic<const Kernels*>& Current() {
  static std::atomic<const Kernels*> current{FindKernels("")};
  return current;
}

}  // namespace

const Kernels* CurrentKernels() { return Current().load(); }

bool ChooseKernels(const char* name) {
  const Kernels* kernels = FindKernels(name);
  if (kernels == nullptr) return false;
  Current().store(kernels);
  return true;
}

Job::Job(const Problem& problem, Pass pass, int64_t num_threads)
    : problem_(problem),
      dilation_(problem.dilation, problem.dilation + problem.h),
      kernels_(CurrentKernels()),
      pass_(pass),
      sums_positions_(pass == kBackward && problem.position_key != nullptr) {
  problem_.dilation = dilation_.data();
  if (problem.b == 0 || problem.h == 0 || problem.d == 0) return;
  one_dilation_ = std::count(dilation_.begin(), dilation_.end(),
                             dilation_[0]) == problem.h;
  if (pass == kBackward) {
    num_global_items_ = problem.b * problem.h * CeilDiv(problem.g, kTile);
  }
  // Smaller items where there would be too few for the threads.
  num_blocks_ = pass == kBackward ? kBackwardBlocks : kForwardBlocks;
  int64_t in_sequence;
  for (;; num_blocks_ /= 2) {
    first_items_.assign(1, 0);
    for (const int64_t dilation : dilation_) {
      const int64_t phases = std::min(dilation, problem.n);
      const int64_t longest = CeilDiv(problem.n, dilation);
      const int64_t items = phases * CeilDiv(longest, num_blocks_ * kTile);
      first_items_.push_back(first_items_.back() + items);
    }
    in_sequence = first_items_.back();
    const int64_t wanted =
        sums_positions_ ? kItemsWithPositions : 4 * num_threads;
    const bool enough = problem.b * in_sequence >= wanted;
    if (enough || num_blocks_ == 1) break;
  }
  num_items_ = num_global_items_ + problem.b * in_sequence;
  if (sums_positions_ && num_items_ > 0) {
    position_floats_ = OffsetsOf(problem, 1).rows * SumsWidth(problem.d);
    position_sums_ = static_cast<float*>(std::calloc(
        problem.b * in_sequence, position_floats_ * sizeof(float)));
    if (position_sums_ == nullptr) {
      out_of_memory_ = true;
      num_items_ = 0;
    }
  }
}

Job::~Job() { std::free(position_sums_); }

float* Job::PositionSums(int64_t number) const {
  if (position_sums_ == nullptr) return nullptr;
  return position_sums_ + (number - num_global_items_) * position_floats_;
}

Item Job::ItemAt(int64_t number) const {
  Item item = {};
  const int64_t n = problem_.n;
  if (number < num_global_items_) {
    const int64_t tiles = CeilDiv(problem_.g, kTile);
    item.global_tile = number % tiles;
    item.h = number / tiles % problem_.h;
    item.b = number / tiles / problem_.h;
    item.dilation = 1;
    item.count = n;
    return item;
  }
  item.position_sums = PositionSums(number);
  number -= num_global_items_;
  item.global_tile = -1;
  item.b = number / first_items_.back();
  number %= first_items_.back();
  if (one_dilation_) {
    // All heads of one stretch together: their rows lie side by side.
    item.h = number % problem_.h;
    number /= problem_.h;
  } else {
    const auto after =
        std::upper_bound(first_items_.begin(), first_items_.end(), number);
    item.h = after - first_items_.begin() - 1;
    number -= first_items_[item.h];
  }
  item.dilation = dilation_[item.h];
  const int64_t stretches =
      CeilDiv(CeilDiv(n, item.dilation), num_blocks_ * kTile);
  item.phase = number / stretches;
  item.count = CeilDiv(n - item.phase, item.dilation);
  item.first_block = number % stretches * num_blocks_;
  item.num_blocks =
      std::min(num_blocks_, CeilDiv(item.count, kTile) - item.first_block);
  return item;
}

void Job::Work() {
  float* scratch = nullptr;
  for (;;) {
    const int64_t number = next_.fetch_add(1);
    if (number >= num_items_) break;
    if (scratch == nullptr) {
      const int64_t floats = kernels_->scratch[pass_](problem_, num_blocks_);
      const size_t bytes = (floats * sizeof(float) + 63) / 64 * 64;
      scratch = static_cast<float*>(std::aligned_alloc(64, bytes));
    }
    const Item item = ItemAt(number);
    if (scratch == nullptr) {
      out_of_memory_ = true;
    } else if (item.num_blocks > 0 || item.global_tile >= 0) {
      kernels_->run[pass_](problem_, item, scratch);
    }
    if (done_.fetch_add(1) + 1 == num_items_) {
      std::lock_guard<std::mutex> lock(mutex_);
      all_done_.notify_all();
    }
  }
  std::free(scratch);
}

bool Job::Wait() {
  std::unique_lock<std::mutex> lock(mutex_);
  all_done_.wait(lock, [this] { return done_.load() >= num_items_; });
  if (sums_positions_ && !out_of_memory_) FinishPositions();
  return !out_of_memory_;
}

void Job::FinishPositions() {
  std::vector<float*> totals(problem_.h, nullptr);
  for (int64_t i = num_global_items_; i < num_items_; ++i) {
    const Item item = ItemAt(i);
    float*& total = totals[item.h];
    if (total == nullptr) {
      total = item.position_sums;
      continue;
    }
    const int64_t used =
        OffsetsOf(problem_, item.dilation).rows * SumsWidth(problem_.d);
    for (int64_t x = 0; x < used; ++x) total[x] += item.position_sums[x];
  }
  for (int64_t h = 0; h < problem_.h; ++h) {
    kernels_->store_positions(problem_, h, totals[h]);
  }
  // Threads that come late hold on to the job, but need none of these.
  std::free(position_sums_);
  position_sums_ = nullptr;
}

}  // namespace keras_longformer
