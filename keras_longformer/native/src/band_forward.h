// The forward pass: softmax(query . key / sqrt(d)) . value over a band and the
// global keys, one pass over the keys with a running maximum and sum.
//
// Scores lie as (k, q): a vector holds one key's scores for kLanes queries, so
// that maxima and sums need no operation across lanes, and queries never mix:
// a NaN stays in its lane. Query and output blocks lie as (d, q).
#ifndef KERAS_LONGFORMER_NATIVE_BAND_FORWARD_H_
#define KERAS_LONGFORMER_NATIVE_BAND_FORWARD_H_

#include <math.h>

#include "positions.h"

namespace keras_longformer {
namespace KLF_NAMESPACE {

constexpr float kLog2E = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;

// exp2 is cheaper than exp: log2(e) goes into the scale of the queries.
static KLF_INLINE float QueryFactor(int64_t d) {
  return kLog2E / sqrtf(static_cast<float>(d));
}

// kTile queries and what is known of their softmax so far. Rows of matrices are
// kTile floats; `lanes` of them, from the pointers on, belong to this block.
struct QueryBlock {
  int64_t first, count;
  int64_t lanes;
  float* queries;  // (d, q), scaled
  float* outputs;  // (d, q), not yet divided by `sums`
  float* peaks;    // (q,): subtracted from the scores
  float* sums;     // (q,)
  Segments segments;
  float* position_queries;  // (d, q), scaled, or null
  uint32_t threshold;       // see Dropping
  uint32_t* rows;           // (q,): numbers for dropout
};

// A new maximum rescales what was summed only if it is this much larger than
// the one in use (in powers of two): sums stay far from overflow, and nearly
// every tile after the first leaves the outputs alone.
constexpr float kPeakSlack = 8.0f;

static void HidePairs(Band band, const QueryBlock& block, int64_t first_key,
                      int64_t rows, float* scores) {
  const Ints lanes = LaneNumbers();
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t offset = first_key + r - block.first;
    const Ints first = Broadcast(static_cast<int32_t>(offset - band.last));
    const Ints last = Broadcast(static_cast<int32_t>(offset - band.first));
    for (int x = 0; x < block.lanes; x += kLanes) {
      float* s = scores + r * kTile + x;
      const Ints q = lanes + x;
      const Ints seen = (q >= first) & (q <= last);
      Store(s, seen ? Load(s) : Broadcast(-INFINITY));
    }
  }
}

static void HideSegments(const QueryBlock& block, const int32_t* segments,
                         int64_t rows, float* scores) {
  for (int64_t r = 0; r < rows; ++r) {
    const Ints segment = Broadcast(segments[r]);
    for (int x = 0; x < block.lanes; x += kLanes) {
      float* s = scores + r * kTile + x;
      Ints own;
      std::memcpy(&own, block.segments.ids + x, sizeof(own));
      Store(s, own == segment ? Load(s) : Broadcast(-INFINITY));
    }
  }
}

static void HideRows(const QueryBlock& block, const int32_t* seen,
                     int64_t rows, float* scores) {
  for (int64_t r = 0; r < rows; ++r) {
    if (seen[r]) continue;
    for (int x = 0; x < block.lanes; x += kLanes) {
      Store(scores + r * kTile + x, Broadcast(-INFINITY));
    }
  }
}

// Scores become weights exp2(score - peak); sums and, where the peak moved,
// outputs follow.
static void Soften(const QueryBlock& block, int64_t rows, int64_t d,
                   float* scores) {
  Vector peak[kVectors];
  Ints moved = {};
  const int num_vectors = static_cast<int>(block.lanes) / kLanes;
  for (int v = 0; v < num_vectors; ++v) {
    const float* s = scores + v * kLanes;
    const Vector old = Load(block.peaks + v * kLanes);
    Vector a = old, b = old, c = old, e = old;
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) {
      a = Max(Load(s + r * kTile), a);
      b = Max(Load(s + (r + 1) * kTile), b);
      c = Max(Load(s + (r + 2) * kTile), c);
      e = Max(Load(s + (r + 3) * kTile), e);
    }
    for (; r < rows; ++r) a = Max(Load(s + r * kTile), a);
    peak[v] = Max(Max(a, b), Max(c, e));
    const Ints far = peak[v] > old + kPeakSlack;
    peak[v] = far ? peak[v] : old;  // each query decides for itself
    moved |= far;
  }
  const bool rescale = Any(moved);
  for (int v = 0; v < num_vectors; ++v) {
    const int x = v * kLanes;
    const Vector old = Load(block.peaks + x);
    // A query that has seen nothing yet: -inf - -inf would be NaN.
    const Vector base = peak[v] == -INFINITY ? Vector{} : peak[v];
    Vector sum0 = {}, sum1 = {};
    float* s = scores + x;
    int64_t r = 0;
    for (; r + 2 <= rows; r += 2) {
      const Vector w0 = Exp2(Load(s + r * kTile) - base);
      const Vector w1 = Exp2(Load(s + (r + 1) * kTile) - base);
      Store(s + r * kTile, w0);
      Store(s + (r + 1) * kTile, w1);
      sum0 += w0;
      sum1 += w1;
    }
    if (r < rows) {
      const Vector w0 = Exp2(Load(s + r * kTile) - base);
      Store(s + r * kTile, w0);
      sum0 += w0;
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

// outputs += value . weights where some value is not finite and some pair is
// not seen: 0 * NaN must not reach the queries that do not see it.
static void AddSeenOnly(Band band, const QueryBlock& block, int64_t first_key,
                        int64_t rows, int64_t d, const int32_t* segments,
                        const float* values, const float* weights) {
  for (int64_t r = 0; r < rows; ++r) {
    alignas(64) int32_t seen[kTile];
    for (int64_t q = 0; q < block.lanes; ++q) {
      const bool same = segments == nullptr ||
                        block.segments.ids[q] == segments[r];
      seen[q] = same && Sees(band, block.first + q, first_key + r) ? -1 : 0;
    }
    for (int64_t i = 0; i < d; ++i) {
      for (int64_t q = 0; q < block.lanes; ++q) {
        const float term = values[r * d + i] * weights[r * kTile + q];
        float* o = block.outputs + i * kTile + q;
        *o = seen[q] ? *o + term : *o;
      }
    }
  }
}

// One half of a block. In a tile that the band's edge crosses, half a block
// sees fewer keys than a whole one.
static QueryBlock Half(const QueryBlock& block, int64_t number) {
  const int64_t shift = number * (kTile / 2);
  const int64_t count = Max(0, Min(kTile / 2, block.count - shift));
  return {block.first + shift,
          count,
          kTile / 2,
          block.queries + shift,
          block.outputs + shift,
          block.peaks + shift,
          block.sums + shift,
          Bounded(block.segments.From(shift), count),
          block.position_queries == nullptr ? nullptr
                                            : block.position_queries + shift,
          block.threshold,
          block.rows + shift};
}

// One tile of keys for one block of queries. Rows of keys that no query of the
// block can see are left out.
static void Attend(Band band, const QueryBlock& block, const KeyTile& tile,
                   const Positions& positions, int64_t d, const float* keys,
                   const float* values, float* scores) {
  if (block.count == 0 || Apart(block.segments, tile.segments)) return;
  const int64_t last_query = block.first + block.count - 1;
  const int64_t from = Max(0, block.first + band.first - tile.first);
  const int64_t to = Min(tile.count, last_query + band.last - tile.first + 1);
  const int64_t rows = to - from;
  if (rows <= 0) return;
  const int64_t first_key = tile.first + from;
  const bool in_band = AllSeen(band, block.first, last_query, first_key,
                               first_key + rows - 1);
  const bool alike = Alike(block.segments, tile.segments);
  const bool all_seen = in_band && alike;
  if (!all_seen && block.lanes == kTile) {
    for (int64_t i = 0; i < 2; ++i) {
      Attend(band, Half(block, i), tile, positions, d, keys, values, scores);
    }
    return;
  }

  Multiply({keys + from * d, d, 1}, rows, block.queries, kTile, d, block.lanes,
           scores, kTile, false);
  if (block.position_queries != nullptr) {
    AddPositionScores(positions, block.first, block.lanes,
                      block.position_queries, first_key, rows, d, scores);
  }
  if (!in_band) HidePairs(band, block, first_key, rows, scores);
  if (!alike) HideSegments(block, tile.segment_ids + from, rows, scores);
  if (tile.any_hidden) HideRows(block, tile.seen + from, rows, scores);
  Soften(block, rows, d, scores);
  if (block.threshold != 0) {
    DropRows(block.threshold, block.rows, block.lanes, tile.columns + from,
             from % 2 != 0, rows, scores);
  }
  if (all_seen || tile.values_finite) {
    Multiply({values + from * d, 1, d}, d, scores, kTile, rows, block.lanes,
             block.outputs, kTile, true);
  } else {
    AddSeenOnly(band, block, first_key, rows, d, tile.segments.From(from),
                values + from * d, scores);
  }
}

// Floats of a block's memory: queries, outputs, peaks, sums, segments, numbers
// for dropout and, where there are positions, their queries.
static KLF_INLINE int64_t QueryBlockFloats(const Problem& p) {
  const int64_t matrices = p.position_key == nullptr ? 2 : 3;
  return matrices * p.d * kTile + 4 * kTile;
}

template <class T>
static void StartBlock(const Problem& p, const Tokens& tokens, int64_t number,
                       float* scratch, float* rows, QueryBlock* block) {
  block->first = number * kTile;
  block->count = Min(kTile, tokens.count - block->first);
  block->lanes = kTile;
  block->queries = scratch;
  block->outputs = block->queries + p.d * kTile;
  block->peaks = block->outputs + p.d * kTile;
  block->sums = block->peaks + kTile;
  block->segments =
      PackSegments(tokens, block->first, block->count,
                   reinterpret_cast<int32_t*>(block->sums + kTile));
  block->threshold = tokens.dropping.threshold;
  block->rows = reinterpret_cast<uint32_t*>(block->sums + 2 * kTile);
  tokens.PackRowNumbers(block->first, block->rows);
  PackRows(tokens.Row<T>(p.query, block->first), tokens.stride, block->count,
           p.d, p.d, QueryFactor(p.d), rows);
  Transpose(rows, p.d, block->count, p.d, block->queries);
  block->position_queries = nullptr;
  if (p.position_key != nullptr) {
    block->position_queries = block->sums + 3 * kTile;
    PackRows(tokens.Row<T>(p.position_query, block->first), tokens.stride,
             block->count, p.d, p.d, QueryFactor(p.d), rows);
    Transpose(rows, p.d, block->count, p.d, block->position_queries);
  }
  std::memset(block->outputs, 0, sizeof(float) * p.d * kTile);
  for (int q = 0; q < kTile; ++q) {
    block->peaks[q] = -INFINITY;
    block->sums[q] = 0.0f;
  }
}

template <class T>
static void FinishBlock(const Problem& p, const Item& item,
                        const Tokens& tokens, const QueryBlock& block,
                        float* rows) {
  float* log_sum = p.log_sum + (item.b * p.h + item.h) * p.n + item.phase;
  for (int64_t i = 0; i < p.d; i += 8) {
    const int64_t columns = Min(8, p.d - i);
    for (int64_t q = 0; q < block.count; ++q) {
      for (int64_t c = 0; c < columns; ++c) {
        rows[q * p.d + i + c] = block.outputs[(i + c) * kTile + q];
      }
    }
  }
  for (int64_t q = 0; q < block.count; ++q) {
    const float sum = block.sums[q];
    const bool nothing = sum == 0.0f;
    const float factor = nothing ? 0.0f : 1.0f / (sum * KeptShare(p));
    StoreRow(rows + q * p.d, p.d, factor,
             tokens.Row<T>(p.output, block.first + q));
    log_sum[(block.first + q) * item.dilation] =
        nothing ? INFINITY : block.peaks[q] + log2f(sum);
  }
}

static int64_t ForwardScratch(const Problem& p, int64_t num_blocks) {
  const int64_t panel = p.position_key == nullptr ? 0 : p.d * PanelRow(p);
  return num_blocks * QueryBlockFloats(p) + 2 * kTile * p.d + kTile * kTile +
         panel;
}

// A tile of keys is packed once and shown to every block of the item: blocks
// stay in the second cache level, tiles in the first.
constexpr int64_t kMaxForwardBlocks = 8;

template <class T>
static void AttendTiles(const Problem& p, const Tokens& tokens, Band band,
                        const Positions& positions, const void* key,
                        const void* value, int64_t first,
                        int64_t last, const QueryBlock* blocks, int64_t num,
                        float* scratch) {
  float* keys = scratch;
  float* values = keys + kTile * p.d;
  float* scores = values + kTile * p.d;
  KeyTile tile;
  for (int64_t k = first / kTile * kTile; k < last; k += kTile) {
    if (!StartKeyTile(tokens, k, &tile)) continue;
    bool any = false;
    for (int64_t i = 0; i < num; ++i) {
      any |= !Apart(blocks[i].segments, tile.segments);
    }
    if (!any) continue;
    PackKeys<T>(tokens, key, tile, p.d, p.d, keys);
    tile.values_finite = PackKeys<T>(tokens, value, tile, p.d, p.d, values);
    const int64_t next = k + kTile;
    const int64_t rows = Min(kTile, Min(last, tokens.count) - next);
    for (int64_t i = 0; i < num; ++i) {
      for (int64_t r = i; r < rows; r += num) {
        Prefetch(tokens.Row<T>(key, next + r), 0, 1, p.d);
        Prefetch(tokens.Row<T>(value, next + r), 0, 1, p.d);
      }
      Attend(band, blocks[i], tile, positions, p.d, keys, values, scores);
    }
  }
}

template <class T>
static void ForwardItem(const Problem& p, const Item& item, float* scratch) {
  const Tokens tokens = BandTokens(p, item);
  const int64_t num = item.num_blocks;
  float* shared = scratch + num * QueryBlockFloats(p);
  Positions positions = {};
  if (p.position_key != nullptr) {
    positions = PackPositions<T>(
        p, item, true, shared + 2 * kTile * p.d + kTile * kTile);
  }
  QueryBlock blocks[kMaxForwardBlocks];
  for (int64_t i = 0; i < num; ++i) {
    StartBlock<T>(p, tokens, item.first_block + i,
                  scratch + i * QueryBlockFloats(p), shared, &blocks[i]);
  }
  if (p.g > 0) {
    AttendTiles<T>(p, GlobalTokens(p, item), kEverywhere, positions,
                   p.global_key, p.global_value, 0, p.g, blocks, num, shared);
  }
  const Band band = BandOf(p);
  const QueryBlock& end = blocks[num - 1];
  AttendTiles<T>(p, tokens, band, positions, p.key, p.value,
                 Max(0, blocks[0].first + band.first),
                 Min(tokens.count, end.first + end.count + band.last), blocks,
                 num, shared);
  for (int64_t i = 0; i < num; ++i) {
    FinishBlock<T>(p, item, tokens, blocks[i], shared);
  }
}

static void Forward(const Problem& p, const Item& item, float* scratch) {
  if (p.dtype == DataType::kFloat32) {
    ForwardItem<float>(p, item, scratch);
  } else {
    ForwardItem<BFloat16>(p, item, scratch);
  }
}

}  // namespace KLF_NAMESPACE
}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_BAND_FORWARD_H_
