// The gradients that one block of queries and one tile of keys give each other:
//
//   dV = P^T dO    dP = dO V^T    dS = P * (dP - delta)
//   dQ = dS K      dK = dS^T Q    (times the scale)
//
// with S = scaled scores, P = exp2(S - log_sum), dO the gradient of the output
// and delta = sum over d of dO * output. Of dropout, dO has its factor 1 / kept
// share, and what is dropped is 0 in P, for dV, and in dP.
//
// Scores lie as (q, k) here: there is no maximum to find, and in this order
// every product reads its operands along rows.
#ifndef KERAS_LONGFORMER_NATIVE_TILE_GRADIENT_H_
#define KERAS_LONGFORMER_NATIVE_TILE_GRADIENT_H_

#include "band_forward.h"

namespace keras_longformer {
namespace KLF_NAMESPACE {

// kTile queries as the backward pass needs them, rows of `width` floats.
struct GradientBlock {
  int64_t first, count;
  bool finite;              // queries and output gradients
  bool positions_finite;    // position queries
  float* queries;           // (q, d), scaled
  float* output_gradients;  // (q, d)
  float* query_gradients;   // (q, d), or null: not wanted
  float* log_sum;           // (q,)
  float* delta;             // (q,)
  uint32_t threshold;       // see Dropping
  uint32_t* rows;           // (q,): numbers for dropout
  Segments segments;
  float* position_queries;          // (q, d), scaled, or null
  float* position_query_gradients;  // (q, d), or null
};

// A tile of keys in the orders the products ask for.
struct GradientTile {
  KeyTile tile;
  float* keys_by_d;    // (d, k)
  float* values_by_d;  // (d, k)
  float* keys;         // (k, d)
  float* key_gradients;    // (k, d), or null: not wanted
  float* value_gradients;  // (k, d)
};

// The part of a tile that holds pairs in the band.
struct Part {
  int64_t first_q, last_q;  // [first, last) within the tile
  int64_t first_k, last_k;  // first_k is a multiple of kLanes
};

static Part SeenPart(Band band, int64_t first_query, int64_t queries,
                     int64_t first_key, int64_t keys) {
  Part part;
  part.first_q = Max(0, first_key - band.last - first_query);
  part.last_q =
      Min(queries, first_key + keys - 1 - band.first - first_query + 1);
  part.first_k = Max(0, first_query + band.first - first_key);
  part.first_k = part.first_k / kLanes * kLanes;
  part.last_k =
      Min(keys, first_query + queries - 1 + band.last - first_key + 1);
  return part;
}

// scores -> P and products (dP) -> dS, zero where a query does not see a key.
// P is also zero where dropout drops it.
static void SoftenGradient(Band band, bool in_band, bool alike,
                           const GradientBlock& block, const KeyTile& tile,
                           Part part, float* scores, float* products) {
  const Ints lanes = LaneNumbers();
  const bool drops = block.threshold != 0;
  for (int64_t q = part.first_q; q < part.last_q; ++q) {
    const Vector log_sum = Broadcast(block.log_sum[q]);
    const Vector delta = Broadcast(block.delta[q]);
    const int64_t offset = block.first + q - tile.first;
    const int64_t first = in_band ? 0 : offset + band.first;
    const int64_t last = in_band ? kTile : offset + band.last;
    const Ints first_k = Broadcast(static_cast<int32_t>(first));
    const Ints last_k = Broadcast(static_cast<int32_t>(last));
    for (int64_t k = part.first_k; k < part.last_k; k += kLanes) {
      float* s = scores + q * kTile + k;
      float* g = products + q * kTile + k;
      const Ints number = lanes + static_cast<int32_t>(k);
      Ints seen;
      std::memcpy(&seen, tile.seen + k, sizeof(seen));
      seen &= (number >= first_k) & (number <= last_k);
      if (!alike) {
        Ints segments;
        std::memcpy(&segments, tile.segment_ids + k, sizeof(segments));
        seen &= segments == Broadcast(block.segments.ids[q]);
      }
      Vector product = Load(g);
      Ints kept = seen;
      if (drops) {
        kept = KeptLanes(block.threshold, block.rows[q], tile.columns + k,
                         lanes);
        product = Keep(product, kept);
        kept &= seen;
      }
      const Vector x = Load(s) - log_sum;
      // Rounding may lift a weight above 1, never far; NaN passes.
      const Vector p = Exp2(x > Vector{} ? Vector{} : x);
      Store(g, Keep(p * (product - delta), seen));
      Store(s, Keep(p, kept));
    }
  }
}

// C[r][:] += A(r, i) * B[i][:] over the pairs in the band only: 0 * NaN must
// not reach those that do not see it. `rows_are_keys` says what r counts.
static void MultiplySeenOnly(Band band, int64_t first_query, int64_t first_key,
                             const int32_t* query_segments,
                             const int32_t* key_segments, bool rows_are_keys,
                             Left a, int64_t rows, const float* b,
                             int64_t depth, int64_t width, float* c) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < depth; ++i) {
      const int64_t q = rows_are_keys ? i : r;
      const int64_t k = rows_are_keys ? r : i;
      if (!Sees(band, first_query + q, first_key + k)) continue;
      if (key_segments != nullptr && query_segments[q] != key_segments[k]) {
        continue;
      }
      const float left = a.p[r * a.row + i * a.step];
      for (int64_t x = 0; x < width; ++x) {
        c[r * width + x] += left * b[i * width + x];
      }
    }
  }
}

static void MultiplySeen(Band band, bool plain, int64_t first_query,
                         int64_t first_key, const int32_t* query_segments,
                         const int32_t* key_segments, bool rows_are_keys,
                         Left a, int64_t rows, const float* b, int64_t depth,
                         int64_t width, float* c) {
  if (plain) {
    Multiply(a, rows, b, width, depth, width, c, width, true);
  } else {
    MultiplySeenOnly(band, first_query, first_key, query_segments,
                     key_segments, rows_are_keys, a, rows, b, depth, width, c);
  }
}

// One half of a block, for tiles that the band's edge crosses.
static GradientBlock Half(GradientBlock block, int64_t number, int64_t width) {
  const int64_t shift = number * (kTile / 2);
  block.first += shift;
  block.count = Max(0, Min(kTile / 2, block.count - shift));
  block.queries += shift * width;
  block.output_gradients += shift * width;
  if (block.query_gradients != nullptr) {
    block.query_gradients += shift * width;
  }
  if (block.position_queries != nullptr) {
    block.position_queries += shift * width;
    block.position_query_gradients += shift * width;
  }
  block.segments = Bounded(block.segments.From(shift), block.count);
  block.log_sum += shift;
  block.delta += shift;
  block.rows += shift;
  return block;
}

// All gradients that one block of queries and one tile of keys give each other.
static void AttendGradient(Band band, const GradientBlock& block,
                           const GradientTile& keys,
                           const Positions& positions, int64_t d,
                           int64_t width, float* scores, float* products) {
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
  const bool all_seen = in_band && alike;
  if (!all_seen && block.count > kTile / 2) {
    for (int64_t i = 0; i < 2; ++i) {
      AttendGradient(band, Half(block, i, width), keys, positions, d, width,
                     scores, products);
    }
    return;
  }
  const float* queries = block.queries + part.first_q * width;
  const float* output_gradients = block.output_gradients + part.first_q * width;
  const int64_t corner = part.first_q * kTile + part.first_k;
  const int64_t columns = RoundUp(num_k, kLanes);
  const int32_t* query_segments = block.segments.From(part.first_q);
  const int32_t* key_segments = tile.segments.From(part.first_k);

  Multiply({queries, width, 1}, num_q, keys.keys_by_d + part.first_k, kTile, d,
           columns, scores + corner, kTile, false);
  Multiply({output_gradients, width, 1}, num_q,
           keys.values_by_d + part.first_k, kTile, d, columns,
           products + corner, kTile, false);
  const bool positioned = block.position_queries != nullptr;
  const int64_t offset = first_key - block.first;
  if (positioned) {
    AddGroupScores(positions, part.first_q, part.last_q, offset, columns,
                   block.position_queries, width, d, scores + part.first_k);
  }
  SoftenGradient(band, in_band, alike, block, tile, part, scores, products);

  if (keys.key_gradients != nullptr) {
    const bool plain = all_seen || block.finite;
    MultiplySeen(band, plain, first_query, first_key, query_segments,
                 key_segments, true, {scores + corner, 1, kTile}, num_k,
                 output_gradients, num_q, width,
                 keys.value_gradients + part.first_k * width);
    MultiplySeen(band, plain, first_query, first_key, query_segments,
                 key_segments, true, {products + corner, 1, kTile}, num_k,
                 queries, num_q, width,
                 keys.key_gradients + part.first_k * width);
  }
  if (block.query_gradients != nullptr) {
    const bool plain = all_seen || tile.keys_finite;
    MultiplySeen(band, plain, first_query, first_key, query_segments,
                 key_segments, false, {products + corner, kTile, 1}, num_q,
                 keys.keys + part.first_k * width, num_k, width,
                 block.query_gradients + part.first_q * width);
    if (positioned) {
      AddGroupGradients(positions, part.first_q, part.last_q, offset, num_k,
                        block.position_queries, block.positions_finite, width,
                        products + part.first_k,
                        block.position_query_gradients);
    }
  }
}

}  // namespace KLF_NAMESPACE
}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_TILE_GRADIENT_H_
