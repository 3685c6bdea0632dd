// The forward pass of `band_forward.h` in bfloat16's own products: scores and
// outputs are sums in float of products of bfloat16, the softmax is in float,
// and its weights are rounded to bfloat16 before they meet the values.
//
//   scores (k, q) = keys (k, d) . pairs of queries (d / 2, q)
//   outputs (d, q) += values (d, k) . pairs of weights (k / 2, q)
//
// In this order neighbouring lanes of two rows of weights are pairs at once. The
// scale meets the scores, not the queries, which would have to be rounded.
#ifndef KERAS_LONGFORMER_NATIVE_BFLOAT16_FORWARD_H_
#define KERAS_LONGFORMER_NATIVE_BFLOAT16_FORWARD_H_

#include "band_forward.h"
#include "bfloat16_pack.h"

namespace keras_longformer {
namespace KLF_NAMESPACE {

// A tile of keys as the products want it, and its memory.
struct HalfTile {
  KeyTile tile;
  uint16_t* keys;         // (k, d)
  uint16_t* values;       // (k, d)
  uint16_t* values_by_d;  // (d, k), of what is finite
};

// Queries lie in the blocks as pairs (d / 2, q): words, as `queries` counts.
static KLF_INLINE uint32_t* QueryPairs(const QueryBlock& block) {
  return reinterpret_cast<uint32_t*>(block.queries);
}

static KLF_INLINE int64_t HalfBlockFloats(const Problem& p) {
  return (HalfWidth(p.d) / 2 + HalfWidth(p.d)) * kTile + 4 * kTile;
}

static int64_t HalfForwardScratch(const Problem& p, int64_t num_blocks) {
  // Keys, values, values by d; rows; scores; pairs of weights.
  return num_blocks * HalfBlockFloats(p) + 3 * kTile * HalfWidth(p.d) / 2 +
         kTile * HalfWidth(p.d) + kTile * kTile + kTile * kTile / 2;
}

// A new maximum of the scores, as `Soften` has it.
static KLF_INLINE bool RaisePeaks(const QueryBlock& block, int64_t rows,
                                  float factor, const float* scores,
                                  Vector* peak) {
  Ints moved = {};
  for (int v = 0; v < block.lanes / kLanes; ++v) {
    const float* s = scores + v * kLanes;
    const Vector old = Load(block.peaks + v * kLanes);
    Vector a = Broadcast(-INFINITY), b = a, c = a, e = a;
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) {
      a = Max(Load(s + r * kTile), a);
      b = Max(Load(s + (r + 1) * kTile), b);
      c = Max(Load(s + (r + 2) * kTile), c);
      e = Max(Load(s + (r + 3) * kTile), e);
    }
    for (; r < rows; ++r) a = Max(Load(s + r * kTile), a);
    peak[v] = Max(Max(Max(a, b), Max(c, e)) * factor, old);
    const Ints far = peak[v] > old + kPeakSlack;
    peak[v] = far ? peak[v] : old;
    moved |= far;
  }
  return Any(moved);
}

// Scores, an even number of rows of them, become weights: as pairs or, where
// something is yet to be done to them, in their own place. Sums and, where the
// peak moved, outputs follow.
template <bool kAsPairs>
static void SoftenHalves(const QueryBlock& block, int64_t rows, int64_t d,
                         float factor, float* scores, uint32_t* pairs) {
  Vector peak[kVectors];
  const bool rescale = RaisePeaks(block, rows, factor, scores, peak);
  for (int v = 0; v < block.lanes / kLanes; ++v) {
    const int x = v * kLanes;
    const Vector old = Load(block.peaks + x);
    const Vector base = peak[v] == -INFINITY ? Vector{} : peak[v];
    Vector sum0 = {}, sum1 = {};
    float* s = scores + x;
    for (int64_t r = 0; r < rows; r += 2) {
      const Vector w0 = Exp2(Load(s + r * kTile) * factor - base);
      const Vector w1 = Exp2(Load(s + (r + 1) * kTile) * factor - base);
      sum0 += w0;
      sum1 += w1;
      if constexpr (kAsPairs) {
        _mm512_storeu_si512(pairs + r / 2 * kTile + x, PairOf(w0, w1));
      } else {
        Store(s + r * kTile, w0);
        Store(s + (r + 1) * kTile, w1);
      }
    }
    Vector sum = Load(block.sums + x);
    if (rescale) {
      const Vector shrink = Exp2(old - base);
      sum *= shrink;
      for (int64_t i = 0; i < d; ++i) {
        float* o = block.outputs + i * kTile + x;
        Store(o, Load(o) * shrink);
      }
      Store(block.peaks + x, peak[v]);
    }
    Store(block.sums + x, sum + (sum0 + sum1));
  }
}

static void PairWeights(const float* weights, int64_t rows, int64_t lanes,
                        uint32_t* pairs) {
  for (int64_t r = 0; r < rows; r += 2) {
    for (int64_t x = 0; x < lanes; x += kLanes) {
      const float* w = weights + r * kTile + x;
      _mm512_storeu_si512(pairs + r / 2 * kTile + x,
                          PairOf(Load(w), Load(w + kTile)));
    }
  }
}

// outputs += value . weight for values that are not finite, and the queries
// that see them.
static void AddNotFiniteValues(Band band, const QueryBlock& block,
                               const HalfTile& keys, int64_t from, int64_t to,
                               int64_t d, int64_t width,
                               const float* weights) {
  const KeyTile& tile = keys.tile;
  for (int64_t k = from; k < to; ++k) {
    for (int64_t i = 0; i < d; ++i) {
      const BFloat16 value = {keys.values[k * width + i]};
      if (IsFinite(value.bits)) continue;
      for (int64_t q = 0; q < block.count; ++q) {
        const bool same = block.segments.ids == nullptr ||
                          block.segments.ids[q] == tile.segment_ids[k];
        if (!same || !Sees(band, block.first + q, tile.first + k)) continue;
        block.outputs[i * kTile + q] += ToFloat(value) * weights[k * kTile + q];
      }
    }
  }
}

// One tile of keys for one block of queries: see `Attend`.
static void AttendHalves(Band band, const QueryBlock& block,
                         const HalfTile& keys, int64_t d, float* scores,
                         uint32_t* pairs) {
  const KeyTile& tile = keys.tile;
  if (block.count == 0 || Apart(block.segments, tile.segments)) return;
  const int64_t last_query = block.first + block.count - 1;
  // An even number; what it adds lies outside of the band, and is hidden.
  const int64_t from =
      Max(0, block.first + band.first - tile.first) / 2 * 2;
  int64_t to = Min(tile.count, last_query + band.last - tile.first + 1);
  if (to <= from) return;
  const int64_t first_key = tile.first + from;
  const bool in_band = AllSeen(band, block.first, last_query, first_key,
                               tile.first + to - 1);
  const bool alike = Alike(block.segments, tile.segments);
  if (!(in_band && alike) && block.lanes == kTile) {
    for (int64_t i = 0; i < 2; ++i) {
      AttendHalves(band, Half(block, i), keys, d, scores, pairs);
    }
    return;
  }

  const int64_t width = HalfWidth(d);
  const int64_t top = from / kTileRows * kTileRows;
  MultiplyPairs(keys.keys + top * width, width, RoundUp(to, kTileRows) - top,
                QueryPairs(block), kTile, width, block.lanes,
                scores + top * kTile, kTile, false);
  float* first_scores = scores + from * kTile;
  if (!in_band) HidePairs(band, block, first_key, to - from, first_scores);
  if (!alike) {
    HideSegments(block, tile.segment_ids + from, to - from, first_scores);
  }
  if (tile.any_hidden) {
    HideRows(block, tile.seen + from, to - from, first_scores);
  }
  if (to % 2 != 0) {
    const int32_t nobody = 0;
    HideRows(block, &nobody, 1, scores + to * kTile);
    ++to;
  }
  const int64_t rows = to - from;
  const float factor = QueryFactor(d);
  uint32_t* first_pairs = pairs + from / 2 * kTile;
  if (block.threshold == 0 && tile.values_finite) {
    SoftenHalves<true>(block, rows, d, factor, first_scores, first_pairs);
  } else {
    SoftenHalves<false>(block, rows, d, factor, first_scores, nullptr);
    if (block.threshold != 0) {
      DropRows(block.threshold, block.rows, block.lanes, tile.columns + from,
               false, rows, first_scores);
    }
    PairWeights(first_scores, rows, block.lanes, first_pairs);
  }
  const int64_t first_k = from / kDepthStep * kDepthStep;
  const int64_t last_k = RoundUp(to, kDepthStep);
  const auto clear = [&](int64_t r, int64_t end) {
    for (; r < end; r += 2) {
      std::memset(pairs + r / 2 * kTile, 0, sizeof(uint32_t) * block.lanes);
    }
  };
  clear(first_k, from);
  clear(to, last_k);
  MultiplyPairs(keys.values_by_d + first_k, kTile, RoundUp(d, kTileRows),
                pairs + first_k / 2 * kTile, kTile, last_k - first_k,
                block.lanes, block.outputs, kTile, true);
  if (!tile.values_finite) {
    AddNotFiniteValues(band, block, keys, from, Min(to, tile.count), d, width,
                       scores);
  }
}

static void StartHalfBlock(const Problem& p, const Tokens& tokens,
                           int64_t number, float* scratch, uint16_t* rows,
                           QueryBlock* block) {
  const int64_t width = HalfWidth(p.d);
  *block = {};
  block->first = number * kTile;
  block->count = Min(kTile, tokens.count - block->first);
  block->lanes = kTile;
  block->queries = scratch;
  block->outputs = block->queries + width / 2 * kTile;
  block->peaks = block->outputs + width * kTile;
  block->sums = block->peaks + kTile;
  block->segments =
      PackSegments(tokens, block->first, block->count,
                   reinterpret_cast<int32_t*>(block->sums + kTile));
  block->threshold = tokens.dropping.threshold;
  block->rows = reinterpret_cast<uint32_t*>(block->sums + 2 * kTile);
  tokens.PackRowNumbers(block->first, block->rows);
  PackHalfQueries(tokens.Row<BFloat16>(p.query, block->first), tokens.stride,
                  block->count, p.d, width, rows);
  TransposeWords(rows, width / 2, kTile, width / 2, QueryPairs(*block), kTile);
  std::memset(block->outputs, 0, sizeof(float) * width * kTile);
  for (int q = 0; q < kTile; ++q) {
    block->peaks[q] = -INFINITY;
    block->sums[q] = 0.0f;
  }
}

static void FinishHalfBlock(const Problem& p, const Item& item,
                            const Tokens& tokens, const QueryBlock& block,
                            float* rows) {
  const int64_t width = HalfWidth(p.d);
  float* log_sum = p.log_sum + (item.b * p.h + item.h) * p.n + item.phase;
  TransposeWords(block.outputs, kTile, RoundUp(p.d, kLanes), kTile, rows,
                 width);
  for (int64_t q = 0; q < block.count; ++q) {
    const float sum = block.sums[q];
    const bool nothing = sum == 0.0f;
    const float factor = nothing ? 0.0f : 1.0f / (sum * KeptShare(p));
    StoreHalfRow(rows + q * width, p.d, factor,
                 tokens.Row<BFloat16>(p.output, block.first + q));
    log_sum[(block.first + q) * item.dilation] =
        nothing ? INFINITY : block.peaks[q] + log2f(sum);
  }
}

// Every tile of keys for every block of queries: see `AttendTiles`.
static void AttendHalfTiles(const Problem& p, const Tokens& tokens, Band band,
                            const void* key, const void* value, int64_t first,
                            int64_t last, const QueryBlock* blocks,
                            int64_t num, HalfTile* keys, float* scores,
                            uint32_t* pairs) {
  const int64_t width = HalfWidth(p.d);
  KeyTile& tile = keys->tile;
  for (int64_t k = first / kTile * kTile; k < last; k += kTile) {
    if (!StartKeyTile(tokens, k, &tile)) continue;
    bool any = false;
    for (int64_t i = 0; i < num; ++i) {
      any |= !Apart(blocks[i].segments, tile.segments);
    }
    if (!any) continue;
    PackHalfKeys(tokens, key, tile, p.d, width, keys->keys);
    tile.values_finite =
        PackHalfKeys(tokens, value, tile, p.d, width, keys->values);
    TransposeHalves(keys->values, width, keys->values_by_d);
    if (!tile.values_finite) ClearNotFinite(kTile * width, keys->values_by_d);
    const int64_t next = k + kTile;
    const int64_t rows = Min(kTile, Min(last, tokens.count) - next);
    for (int64_t i = 0; i < num; ++i) {
      for (int64_t r = i; r < rows; r += num) {
        Prefetch(tokens.Row<BFloat16>(key, next + r), 0, 1, p.d);
        Prefetch(tokens.Row<BFloat16>(value, next + r), 0, 1, p.d);
      }
      AttendHalves(band, blocks[i], *keys, p.d, scores, pairs);
    }
  }
}

static void HalfForward(const Problem& p, const Item& item, float* scratch) {
  const Tiles tiles;
  const Tokens tokens = BandTokens(p, item);
  const int64_t num = item.num_blocks, size = kTile * HalfWidth(p.d);
  float* scores = scratch + num * HalfBlockFloats(p);
  uint32_t* pairs = reinterpret_cast<uint32_t*>(scores + kTile * kTile);
  float* rows = scores + kTile * kTile + kTile * kTile / 2;
  HalfTile keys;
  keys.keys = reinterpret_cast<uint16_t*>(rows + size);
  keys.values = keys.keys + size;
  keys.values_by_d = keys.values + size;
  QueryBlock blocks[kMaxForwardBlocks];
  for (int64_t i = 0; i < num; ++i) {
    StartHalfBlock(p, tokens, item.first_block + i,
                   scratch + i * HalfBlockFloats(p), keys.keys, &blocks[i]);
  }
  if (p.g > 0) {
    AttendHalfTiles(p, GlobalTokens(p, item), kEverywhere, p.global_key,
                    p.global_value, 0, p.g, blocks, num, &keys, scores, pairs);
  }
  const Band band = BandOf(p);
  const QueryBlock& end = blocks[num - 1];
  AttendHalfTiles(p, tokens, band, p.key, p.value,
                  Max(0, blocks[0].first + band.first),
                  Min(tokens.count, end.first + end.count + band.last), blocks,
                  num, &keys, scores, pairs);
  for (int64_t i = 0; i < num; ++i) {
    FinishHalfBlock(p, item, tokens, blocks[i], rows);
  }
}

}  // namespace KLF_NAMESPACE
}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_BFLOAT16_FORWARD_H_
