// Banded attention with global keys: what is computed and who computes it.
//
// Letters as in `keras_longformer/ops/__init__.py`: b batch, n length, h heads,
// d head size, q query, k key, g global tokens. All tensors are row-major:
//
//   query, key, value, output       (b, n, h, d)
//   global_key, global_value        (b, g, h, d)
//   key_mask (b, n), global_key_mask (b, g)      1 = may be seen
//   segments (b, n), global_segments (b, g)      seen within the same only
//   position_query                  (b, n, h, d)
//   position_key                    (o, h, d)    a row for each key of a window
//   log_sum                         (b, h, n)    float, base 2
//   scores                          (b, h, n, g + 2 reach + 1)
//
// Dilation. A head of dilation s sees every s-th token, so its sequence falls
// into s interleaved phases that never meet. Each phase is a band of dilation 1
// over rows that lie s * h * d elements apart: nothing is copied, and below
// `Item` no line knows of dilation.
#ifndef KERAS_LONGFORMER_NATIVE_BAND_ATTENTION_H_
#define KERAS_LONGFORMER_NATIVE_BAND_ATTENTION_H_

#include <cstdint>

namespace keras_longformer {

enum class DataType { kFloat32, kBFloat16 };

// What a call computes; `Kernels` have them in this order.
enum Pass { kForward, kBackward, kScores };

// Queries are taken 64 at a time and so are keys: a 64 x 64 tile of scores and
// the three panels that make it fit the first two cache levels.
constexpr int kTile = 64;
constexpr int64_t kMaxHeadSize = 256;

struct Problem {
  DataType dtype;
  int64_t b, n, h, d, g;
  int64_t reach;            // keys seen on each side
  bool causal;              // keys seen on the left side only
  const int64_t* dilation;  // (h,)

  const void* query;
  const void* key;
  const void* value;
  const uint8_t* key_mask;  // null: all seen
  const void* global_key;
  const void* global_value;
  const uint8_t* global_key_mask;  // null: all seen
  const int32_t* segments;         // null, with the next: all of one
  const int32_t* global_segments;
  const void* position_query;  // null, with the next: no relative positions
  const void* position_key;
  const int32_t* seed;  // (2,): see dropout.h
  uint32_t threshold;   // the share that is dropped, times 2**16; 0: none

  // Results of the forward pass, inputs of the backward pass. A query that sees
  // nothing has log_sum = +infinity: every exp2(score - log_sum) is then 0.
  void* output;
  float* log_sum;

  // Pass of scores only, which takes log_sum: probabilities, before dropout.
  void* scores;

  // Backward pass only.
  const void* output_gradient;
  void* query_gradient;
  void* key_gradient;
  void* value_gradient;
  void* global_key_gradient;
  void* global_value_gradient;
  void* position_query_gradient;
  void* position_key_gradient;
};

// What one thread does at a stretch.
struct Item {
  int64_t b, h;
  int64_t phase, dilation;
  int64_t count;                    // tokens in this phase
  int64_t first_block, num_blocks;  // of kTile tokens of this phase
  int64_t global_tile;  // >= 0: gradients of these global keys, else a band
  float* position_sums;  // this item's share of position_key_gradient
};

// The offsets k - q within a phase that pairs of a band have: row u of `rows` is
// for u - past.
struct Offsets {
  int64_t past, rows;
};

static inline Offsets OffsetsOf(const Problem& p, int64_t dilation) {
  const int64_t longest = (p.n + dilation - 1) / dilation;
  int64_t past = p.reach < longest ? p.reach : longest - 1;
  if (past < 0) past = 0;
  return {past, (p.causal ? past : 2 * past) + 1};
}

// What is not dropped, of 1.
static inline float KeptShare(const Problem& p) {
  return 1.0f - static_cast<float>(p.threshold) / 65536.0f;
}

// Floats in a row of an item's `position_sums`: whole vectors of every kind.
static inline int64_t SumsWidth(int64_t d) { return (d + 15) / 16 * 16; }

// The same maths compiled for one instruction set.
struct Kernels {
  const char* name;
  // For each pass, the floats of scratch memory (64-byte aligned) that an item
  // may need, and an item's work.
  int64_t (*scratch[3])(const Problem&, int64_t num_blocks);
  void (*run[3])(const Problem&, const Item&, float* scratch);
  // Writes one head's position_key_gradient; null sums are zeros.
  void (*store_positions)(const Problem&, int64_t h, const float* sums);
};

extern const Kernels kPortableKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
// Where the compiler knows their instructions: see `processor.cc`.
extern const Kernels kAvx512Bf16Kernels;
extern const Kernels kAmxKernels;
#endif

}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_BAND_ATTENTION_H_
