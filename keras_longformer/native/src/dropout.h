// Which weights are dropped: a function of seed, batch row, head, query and key,
// as `keras_longformer/ops/dropout.py` has it, so that the backward pass finds
// the same ones again. Two keys share a product of a row's number (the query's)
// and a column's, and take a half of it each.
#ifndef KERAS_LONGFORMER_NATIVE_DROPOUT_H_
#define KERAS_LONGFORMER_NATIVE_DROPOUT_H_

#include "vector.h"

namespace keras_longformer {
namespace KLF_NAMESPACE {

typedef uint32_t Words __attribute__((vector_size(kBytes)));

constexpr uint32_t kGlobalPairs = 0x80000000u;
constexpr uint32_t kSecondFactor = 0xc2b2ae35u;

static KLF_INLINE uint32_t Mix(uint32_t key, uint32_t x) {
  uint32_t z = (key ^ x) + 0x9e3779b9u;
  z = (z ^ (z >> 16)) * 0x85ebca6bu;
  z = (z ^ (z >> 13)) * kSecondFactor;
  return z ^ (z >> 16);
}

// The keys that the numbers of one head's rows and columns are made with.
struct Dropping {
  uint32_t threshold;  // 0: nothing is dropped, and the rest is not there
  uint32_t row_key, column_key;
  uint32_t first_pair;  // kGlobalPairs for global keys, else 0

  KLF_INLINE uint32_t Row(int64_t position) const {
    return Mix(row_key, static_cast<uint32_t>(position)) | 1;
  }
  KLF_INLINE uint32_t Column(int64_t number) const {
    const uint32_t pair = static_cast<uint32_t>(number / 2);
    return Mix(column_key, first_pair + pair) | 1;
  }
};

static KLF_INLINE uint32_t HeadKey(uint32_t first, const int32_t* seed,
                                   int64_t b, int64_t h) {
  uint32_t key = Mix(first, static_cast<uint32_t>(seed[0]));
  key = Mix(key, static_cast<uint32_t>(seed[1]));
  key = Mix(key, static_cast<uint32_t>(b));
  return Mix(key, static_cast<uint32_t>(h));
}

static KLF_INLINE Dropping DroppingOf(const Problem& p, int64_t b, int64_t h,
                                      uint32_t first_pair) {
  if (p.threshold == 0) return {};
  return {p.threshold, HeadKey(1, p.seed, b, h), HeadKey(2, p.seed, b, h),
          first_pair};
}

static KLF_INLINE Words LoadWords(const uint32_t* p) {
  Words words;
  std::memcpy(&words, p, sizeof(words));
  return words;
}

static KLF_INLINE Words Halves(Words rows, Words columns) {
  const Words z = rows * columns;
  return (z ^ (z >> 16)) * kSecondFactor;
}
static KLF_INLINE Ints LowHalf(Words z) { return (Ints)(z & 0xffff); }
static KLF_INLINE Ints HighHalf(Words z) { return (Ints)(z >> 16); }

// Weights as (k, q), rows of kTile: those that are dropped become 0. Row 0 is
// the first or the second key of its pair.
static void DropRows(uint32_t threshold, const uint32_t* query_rows,
                     int64_t lanes, const uint32_t* columns, bool second,
                     int64_t rows, float* weights) {
  const Ints least = Broadcast(static_cast<int32_t>(threshold));
  const Words zeros = {};
  for (int64_t x = 0; x < lanes; x += kLanes) {
    const Words row = LoadWords(query_rows + x);
    float* w = weights + x;
    int64_t r = 0;
    if (second) {
      const Words z = Halves(row, columns[0] + zeros);
      Store(w, Keep(Load(w), HighHalf(z) >= least));
      r = 1;
    }
    for (; r + 2 <= rows; r += 2) {
      const Words z = Halves(row, columns[r] + zeros);
      float* low = w + r * kTile;
      float* high = low + kTile;
      Store(low, Keep(Load(low), LowHalf(z) >= least));
      Store(high, Keep(Load(high), HighHalf(z) >= least));
    }
    if (r < rows) {
      const Words z = Halves(row, columns[r] + zeros);
      float* low = w + r * kTile;
      Store(low, Keep(Load(low), LowHalf(z) >= least));
    }
  }
}

// Which keys one query keeps, as lanes: the first of them has an even number.
static KLF_INLINE Ints KeptLanes(uint32_t threshold, uint32_t row,
                                 const uint32_t* columns, Ints lanes) {
  const Words z = Halves(row + Words{}, LoadWords(columns));
  const Ints odd = (lanes & 1) != 0;
  const Ints half = odd ? HighHalf(z) : LowHalf(z);
  return half >= Broadcast(static_cast<int32_t>(threshold));
}

}  // namespace KLF_NAMESPACE
}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_DROPOUT_H_
