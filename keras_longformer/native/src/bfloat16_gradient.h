// The gradients of `tile_gradient.h` in bfloat16's own products: P and dS are
// rounded to bfloat16 before they meet the other operand, all sums are floats.
//
//   S, dP (q, k) = Q, dO (q, d) . pairs of K, V (d / 2, k)
//   dV, dK (d, k) += dO, Q (d, q) . pairs of P, dS (q / 2, k)
//   dQ (q, d) += dS (q, k) . pairs of K (k / 2, d)
#ifndef KERAS_LONGFORMER_NATIVE_BFLOAT16_GRADIENT_H_
#define KERAS_LONGFORMER_NATIVE_BFLOAT16_GRADIENT_H_

#include "bfloat16_pack.h"
#include "tile_gradient.h"

namespace keras_longformer {
namespace KLF_NAMESPACE {

// kTile queries; what is `by_d` has zeros for what is not finite.
struct HalfGradientBlock {
  int64_t first, count;
  bool finite;                      // queries and output gradients
  uint16_t* queries;                // (q, d)
  uint16_t* output_gradients;       // (q, d)
  uint16_t* queries_by_d;           // (d, q)
  uint16_t* output_gradients_by_d;  // (d, q)
  float* query_gradients;           // (q, d), or null: not wanted
  float* log_sum;                   // (q,)
  float* delta;                     // (q,)
  uint32_t threshold;               // see Dropping
  uint32_t* rows;                   // (q,): numbers for dropout
  Segments segments;
};

struct HalfGradientTile {
  KeyTile tile;
  uint64_t seen;          // bit k: the mask lets key k through
  uint32_t* keys_by_d;    // pairs (d / 2, k)
  uint32_t* values_by_d;  // pairs (d / 2, k)
  uint16_t* keys;         // (k, d)
  uint32_t* key_pairs;    // (k / 2, d), of what is finite
  float* key_gradients;   // (d, k), or null: not wanted
  float* value_gradients;  // (d, k)
  float* rows;             // (k, d): gradients on their way out
};

// What the products of one block and one tile leave behind, and take.
struct HalfScores {
  float* scores;            // S (q, k)
  float* products;          // dP (q, k)
  uint32_t* weight_pairs;   // P (q / 2, k)
  uint32_t* change_pairs;   // dS (q / 2, k)
  uint16_t* changes;        // dS (q, k)
};

static KLF_INLINE int64_t HalfScoresFloats() {
  return (2 + 1) * kTile * kTile + kTile * kTile / 2;
}

static KLF_INLINE HalfScores HalfScoresAt(float* scratch) {
  constexpr int64_t size = kTile * kTile;
  HalfScores s;
  s.scores = scratch;
  s.products = scratch + size;
  s.weight_pairs = reinterpret_cast<uint32_t*>(scratch + 2 * size);
  s.change_pairs = s.weight_pairs + size / 2;
  s.changes = reinterpret_cast<uint16_t*>(s.change_pairs + size / 2);
  return s;
}

static HalfGradientBlock Half(HalfGradientBlock block, int64_t number,
                              int64_t width) {
  const int64_t shift = number * (kTile / 2);
  block.first += shift;
  block.count = Max(0, Min(kTile / 2, block.count - shift));
  block.queries += shift * width;
  block.output_gradients += shift * width;
  block.queries_by_d += shift;
  block.output_gradients_by_d += shift;
  if (block.query_gradients != nullptr) block.query_gradients += shift * width;
  block.segments = Bounded(block.segments.From(shift), block.count);
  block.log_sum += shift;
  block.delta += shift;
  block.rows += shift;
  return block;
}

// Bits [first, last) of 64.
static KLF_INLINE uint64_t Bits(int64_t first, int64_t last) {
  first = Max(0, first);
  last = Min(kTile, last);
  if (first >= last) return 0;
  return ~uint64_t{0} << first & ~uint64_t{0} >> (kTile - last);
}

// Which keys of the tile a query sees.
static KLF_INLINE uint64_t SeenKeys(Band band, bool in_band, bool alike,
                                    const HalfGradientBlock& block,
                                    const HalfGradientTile& keys, int64_t q) {
  uint64_t seen = keys.seen;
  if (!in_band) {
    const int64_t offset = block.first + q - keys.tile.first;
    seen &= Bits(offset + band.first, offset + band.last + 1);
  }
  if (!alike) {
    const __m512i own = _mm512_set1_epi32(block.segments.ids[q]);
    uint64_t same = 0;
    for (int k = 0; k < kTile; k += 16) {
      const __m512i ids = _mm512_loadu_si512(keys.tile.segment_ids + k);
      same |= uint64_t{_mm512_cmpeq_epi32_mask(own, ids)} << k;
    }
    seen &= same;
  }
  return seen;
}

struct Softened {
  Vector weights, changes;
};

// P and dS of one query and 16 keys, zero where it does not see them; P also
// where dropout drops it.
static KLF_INLINE Softened SoftenLanes(const HalfGradientBlock& block,
                                       const uint32_t* columns, int64_t q,
                                       float factor, float share,
                                       __mmask16 seen, const float* scores,
                                       const float* products) {
  Vector product = Load(products);
  __mmask16 kept = seen;
  if (block.threshold != 0) {
    const Ints lanes = KeptLanes(block.threshold, block.rows[q], columns,
                                 LaneNumbers());
    const __mmask16 keeps = _mm512_movepi32_mask((__m512i)lanes);
    product = (Vector)_mm512_maskz_mov_ps(keeps, (__m512)(product * share));
    kept &= keeps;
  }
  const Vector x = Load(scores) * factor - block.log_sum[q];
  // Rounding may lift a weight above 1, never far; NaN passes.
  const Vector p = Exp2(x > Vector{} ? Vector{} : x);
  const Vector changes = p * (product - block.delta[q]);
  return {(Vector)_mm512_maskz_mov_ps(kept, (__m512)p),
          (Vector)_mm512_maskz_mov_ps(seen, (__m512)changes)};
}

// Fills in P and dS for queries [first_q, last_q) and keys [first_k, last_k),
// multiples of 32 all; of these there are `part`.
static void SoftenHalfGradient(Band band, bool in_band, bool alike,
                               const HalfGradientBlock& block,
                               const HalfGradientTile& keys, Part part,
                               int64_t first_q, int64_t last_q,
                               int64_t first_k, int64_t last_k, float factor,
                               float share, const HalfScores& s) {
  const bool pairs = keys.key_gradients != nullptr;
  const bool rows = block.query_gradients != nullptr;
  const uint64_t in_part = Bits(part.first_k, part.last_k);
  for (int64_t q = first_q; q < last_q; q += 2) {
    uint64_t seen[2];
    for (int j = 0; j < 2; ++j) {
      const bool there = part.first_q <= q + j && q + j < part.last_q;
      seen[j] = there ? SeenKeys(band, in_band, alike, block, keys, q + j) &
                            in_part
                      : 0;
    }
    for (int64_t k = first_k; k < last_k; k += 32) {
      Softened x[2][2] = {};  // of a query, of 16 keys
      for (int j = 0; j < 2; ++j) {
        for (int half = 0; half < 2; ++half) {
          const int64_t column = k + 16 * half;
          const __mmask16 lanes = seen[j] >> column & 0xffff;
          if (lanes == 0) continue;
          const int64_t at = (q + j) * kTile + column;
          x[j][half] = SoftenLanes(block, keys.tile.columns + column, q + j,
                                   factor, share, lanes, s.scores + at,
                                   s.products + at);
        }
        if (rows) {
          _mm512_storeu_si512(
              s.changes + (q + j) * kTile + k,
              (__m512i)_mm512_cvtne2ps_pbh((__m512)x[j][1].changes,
                                           (__m512)x[j][0].changes));
        }
      }
      if (!pairs) continue;
      for (int half = 0; half < 2; ++half) {
        const int64_t at = q / 2 * kTile + k + 16 * half;
        _mm512_storeu_si512(s.weight_pairs + at, PairOf(x[0][half].weights,
                                                        x[1][half].weights));
        _mm512_storeu_si512(s.change_pairs + at, PairOf(x[0][half].changes,
                                                        x[1][half].changes));
      }
    }
  }
}

// The number of `pairs` for row r, of (r / 2, x).
static KLF_INLINE float PairAt(const uint32_t* pairs, int64_t r, int64_t x) {
  const uint32_t word = pairs[r / 2 * kTile + x];
  const BFloat16 number = {static_cast<uint16_t>(word >> 16 * (r % 2))};
  return ToFloat(number);
}

// What numbers that are not finite give to those that see them.
static void AddNotFiniteGradients(Band band, bool in_band, bool alike,
                                  const HalfGradientBlock& block,
                                  const HalfGradientTile& keys, Part part,
                                  int64_t d, int64_t width,
                                  const HalfScores& s) {
  for (int64_t q = part.first_q; q < part.last_q; ++q) {
    const uint64_t seen = SeenKeys(band, in_band, alike, block, keys, q);
    for (int64_t k = part.first_k; k < part.last_k; ++k) {
      if ((seen >> k & 1) == 0) continue;
      for (int64_t i = 0; i < d; ++i) {
        const BFloat16 query = {block.queries[q * width + i]};
        const BFloat16 gradient = {block.output_gradients[q * width + i]};
        const BFloat16 key = {keys.keys[k * width + i]};
        if (keys.key_gradients != nullptr && !IsFinite(query.bits)) {
          keys.key_gradients[i * kTile + k] +=
              ToFloat(query) * PairAt(s.change_pairs, q, k);
        }
        if (keys.key_gradients != nullptr && !IsFinite(gradient.bits)) {
          keys.value_gradients[i * kTile + k] +=
              ToFloat(gradient) * PairAt(s.weight_pairs, q, k);
        }
        if (block.query_gradients != nullptr && !IsFinite(key.bits)) {
          const BFloat16 change = {s.changes[q * kTile + k]};
          block.query_gradients[q * width + i] +=
              ToFloat(key) * ToFloat(change);
        }
      }
    }
  }
}

// All gradients that one block of queries and one tile of keys give each other.
static void AttendHalfGradient(Band band, const HalfGradientBlock& block,
                               const HalfGradientTile& keys, int64_t d,
                               float share, const HalfScores& s) {
  const KeyTile& tile = keys.tile;
  if (Apart(block.segments, tile.segments)) return;
  const Part part =
      SeenPart(band, block.first, block.count, tile.first, tile.count);
  const int64_t num_q = part.last_q - part.first_q;
  const int64_t num_k = part.last_k - part.first_k;
  if (num_q <= 0 || num_k <= 0) return;
  const int64_t first_query = block.first + part.first_q;
  const int64_t first_key = tile.first + part.first_k;
  const bool in_band = AllSeen(band, first_query, first_query + num_q - 1,
                               first_key, first_key + num_k - 1);
  const bool alike = Alike(block.segments, tile.segments);
  const int64_t width = HalfWidth(d);
  if (!(in_band && alike) && block.count > kTile / 2) {
    for (int64_t i = 0; i < 2; ++i) {
      AttendHalfGradient(band, Half(block, i, width), keys, d, share, s);
    }
    return;
  }
  // Whole tiles of the processor, in both directions.
  const int64_t first_q = part.first_q / kDepthStep * kDepthStep;
  const int64_t first_k = part.first_k / kDepthStep * kDepthStep;
  const int64_t last_q = RoundUp(part.last_q, kDepthStep);
  const int64_t last_k = RoundUp(part.last_k, kDepthStep);
  const int64_t top = part.first_q / kTileRows * kTileRows;
  const int64_t left = part.first_k;
  const int64_t rows = RoundUp(part.last_q, kTileRows) - top;
  const int64_t columns = RoundUp(part.last_k, kTileRows) - left;
  const int64_t corner = top * kTile + left;

  MultiplyPairs(block.queries + top * width, width, rows,
                keys.keys_by_d + left, kTile, width, columns,
                s.scores + corner, kTile, false);
  MultiplyPairs(block.output_gradients + top * width, width, rows,
                keys.values_by_d + left, kTile, width, columns,
                s.products + corner, kTile, false);
  SoftenHalfGradient(band, in_band, alike, block, keys, part, first_q, last_q,
                     first_k, last_k, QueryFactor(d), share, s);
  const int64_t depth = RoundUp(d, kTileRows);
  if (keys.key_gradients != nullptr) {
    const int64_t at = first_q / 2 * kTile + left;
    MultiplyPairs(block.output_gradients_by_d + first_q, kTile, depth,
                  s.weight_pairs + at, kTile, last_q - first_q, columns,
                  keys.value_gradients + left, kTile, true);
    MultiplyPairs(block.queries_by_d + first_q, kTile, depth,
                  s.change_pairs + at, kTile, last_q - first_q, columns,
                  keys.key_gradients + left, kTile, true);
  }
  if (block.query_gradients != nullptr) {
    MultiplyPairs(s.changes + top * kTile + first_k, kTile, rows,
                  keys.key_pairs + first_k / 2 * width, width,
                  last_k - first_k, depth,
                  block.query_gradients + top * width, width, true);
  }
  if (!block.finite || !tile.keys_finite) {
    AddNotFiniteGradients(band, in_band, alike, block, keys, part, d, width,
                          s);
  }
}

}  // namespace KLF_NAMESPACE
}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_BFLOAT16_GRADIENT_H_
