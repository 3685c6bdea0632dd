// The probabilities of a band and the global keys, for those who ask for them:
// exp2(score - log_sum), from the forward pass's log_sum, before dropout.
//
// A row of them has a column for each global key, then one for each key of a
// window, from the farthest in the past. Pairs of one query and of a tile's keys
// are neighbours there. What lies outside of the sequence is 0.
#ifndef KERAS_LONGFORMER_NATIVE_BAND_SCORES_H_
#define KERAS_LONGFORMER_NATIVE_BAND_SCORES_H_

#include "band_backward.h"

namespace keras_longformer {
namespace KLF_NAMESPACE {

static KLF_INLINE int64_t ScoreColumns(const Problem& p) {
  return p.g + 2 * p.reach + 1;
}

static KLF_INLINE int64_t ScoreBlockFloats(const Problem& p) {
  const int64_t matrices = p.position_key == nullptr ? 1 : 2;
  return matrices * kTile * Width(p) + 2 * kTile;
}

static int64_t ScoresScratch(const Problem& p, int64_t num_blocks) {
  return num_blocks * ScoreBlockFloats(p) + 2 * kTile * Width(p) +
         kTile * kTile + PositionFloats(p);
}

template <class T>
static KLF_INLINE T* ScoreRow(const Problem& p, const Item& item, int64_t q) {
  const int64_t token = item.phase + q * item.dilation;
  const int64_t row = (item.b * p.h + item.h) * p.n + token;
  return static_cast<T*>(p.scores) + row * ScoreColumns(p);
}

template <class T>
static GradientBlock PackScoreBlock(const Problem& p, const Item& item,
                                    const Tokens& tokens, int64_t first,
                                    float* scratch) {
  const int64_t width = Width(p);
  GradientBlock block = {};
  block.first = first;
  block.count = Min(kTile, tokens.count - first);
  block.queries = scratch;
  block.log_sum = scratch + kTile * width;
  block.segments =
      PackSegments(tokens, first, block.count,
                   reinterpret_cast<int32_t*>(block.log_sum + kTile));
  PackRows(tokens.Row<T>(p.query, first), tokens.stride, block.count, p.d,
           width, QueryFactor(p.d), block.queries);
  if (p.position_key != nullptr) {
    block.position_queries = block.log_sum + 2 * kTile;
    PackRows(tokens.Row<T>(p.position_query, first), tokens.stride,
             block.count, p.d, width, QueryFactor(p.d),
             block.position_queries);
  }
  const float* log_sum = p.log_sum + (item.b * p.h + item.h) * p.n + item.phase;
  for (int64_t q = 0; q < block.count; ++q) {
    block.log_sum[q] = log_sum[(first + q) * item.dilation];
    StoreZeros(ScoreColumns(p), ScoreRow<T>(p, item, first + q));
  }
  return block;
}

// scores (q, k) -> probabilities, zero where a query does not see a key.
static void SoftenScores(Band band, const GradientBlock& block,
                         const KeyTile& tile, Part part, float* scores) {
  const Ints lanes = LaneNumbers();
  for (int64_t q = part.first_q; q < part.last_q; ++q) {
    const int64_t offset = block.first + q - tile.first;
    const int64_t first = Max(0, offset + band.first);
    const int64_t last = Min(kTile, offset + band.last);
    for (int64_t k = part.first_k; k < part.last_k; k += kLanes) {
      float* s = scores + q * kTile + k;
      const Ints number = lanes + static_cast<int32_t>(k);
      Ints seen;
      std::memcpy(&seen, tile.seen + k, sizeof(seen));
      seen &= (number >= Broadcast(static_cast<int32_t>(first))) &
              (number <= Broadcast(static_cast<int32_t>(last)));
      if (!Alike(block.segments, tile.segments)) {
        Ints segments;
        std::memcpy(&segments, tile.segment_ids + k, sizeof(segments));
        seen &= segments == Broadcast(block.segments.ids[q]);
      }
      const Vector x = Load(s) - block.log_sum[q];
      Store(s, Keep(Exp2(x > Vector{} ? Vector{} : x), seen));
    }
  }
}

// One tile of keys for one block of queries. `column` is of key `tile.first`
// and query 0, or of global key `tile.first` for all.
template <class T>
static void StoreScores(const Problem& p, const Item& item, Band band,
                        const GradientBlock& block, const KeyTile& tile,
                        const float* keys_by_d, const Positions& positions,
                        bool is_global, float* scores) {
  if (Apart(block.segments, tile.segments)) return;
  const Part part =
      SeenPart(band, block.first, block.count, tile.first, tile.count);
  if (part.last_q <= part.first_q || part.last_k <= part.first_k) return;
  const int64_t width = Width(p);
  const int64_t columns = RoundUp(part.last_k - part.first_k, kLanes);
  Multiply({block.queries + part.first_q * width, width, 1},
           part.last_q - part.first_q, keys_by_d + part.first_k, kTile, p.d,
           columns, scores + part.first_q * kTile + part.first_k, kTile,
           false);
  if (block.position_queries != nullptr) {
    AddGroupScores(positions, part.first_q, part.last_q,
                   tile.first + part.first_k - block.first, columns,
                   block.position_queries, width, p.d, scores + part.first_k);
  }
  SoftenScores(band, block, tile, part, scores);
  for (int64_t q = part.first_q; q < part.last_q; ++q) {
    const int64_t offset = block.first + q - tile.first;
    const int64_t first = Max(part.first_k, offset + band.first);
    const int64_t last = Min(part.last_k, offset + band.last + 1);
    const int64_t column =
        is_global ? tile.first + first : p.g + p.reach + first - offset;
    if (last <= first) continue;
    StoreRow(scores + q * kTile + first, last - first, 1.0f,
             ScoreRow<T>(p, item, block.first + q) + column);
  }
}

template <class T>
static void StoreTiles(const Problem& p, const Item& item,
                       const Tokens& tokens, Band band, const void* key,
                       int64_t first, int64_t last,
                       const GradientBlock* blocks, const Positions& positions,
                       bool is_global, float* scratch) {
  const int64_t width = Width(p);
  float* keys = scratch;
  float* keys_by_d = keys + kTile * width;
  float* scores = keys_by_d + kTile * width;
  KeyTile tile;
  for (int64_t k = first / kTile * kTile; k < last; k += kTile) {
    if (!StartKeyTile(tokens, k, &tile)) continue;
    PackKeys<T>(tokens, key, tile, p.d, width, keys);
    Transpose(keys, width, tile.count, p.d, keys_by_d);
    for (int64_t i = 0; i < item.num_blocks; ++i) {
      StoreScores<T>(p, item, band, blocks[i], tile, keys_by_d, positions,
                     is_global, scores);
    }
  }
}

template <class T>
static void ScoresItem(const Problem& p, const Item& item, float* scratch) {
  const Tokens tokens = BandTokens(p, item);
  const Band band = BandOf(p);
  GradientBlock blocks[kMaxForwardBlocks];
  for (int64_t i = 0; i < item.num_blocks; ++i) {
    blocks[i] = PackScoreBlock<T>(p, item, tokens,
                                  (item.first_block + i) * kTile, scratch);
    scratch += ScoreBlockFloats(p);
  }
  Positions positions = {};
  if (p.position_key != nullptr) {
    float* panel = scratch + 2 * kTile * Width(p) + kTile * kTile;
    positions = PackPositions<T>(p, item, false, panel);
    positions.groups = panel + p.d * positions.panel_row;
  }
  if (p.g > 0) {
    StoreTiles<T>(p, item, GlobalTokens(p, item), kEverywhere, p.global_key, 0,
                  p.g, blocks, positions, true, scratch);
  }
  const GradientBlock& end = blocks[item.num_blocks - 1];
  StoreTiles<T>(p, item, tokens, band, p.key,
                Max(0, blocks[0].first + band.first),
                Min(tokens.count, end.first + end.count + band.last), blocks,
                positions, false, scratch);
}

static void Scores(const Problem& p, const Item& item, float* scratch) {
  if (p.dtype == DataType::kFloat32) {
    ScoresItem<float>(p, item, scratch);
  } else {
    ScoresItem<BFloat16>(p, item, scratch);
  }
}

}  // namespace KLF_NAMESPACE
}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_BAND_SCORES_H_
