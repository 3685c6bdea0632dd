// The backward pass: which gradients are made by whom.
//
// Nobody adds to what another thread writes, so the bits do not depend on the
// schedule: an item owns a stretch of tokens and makes the gradients of their
// queries (from all keys they see) and of their keys (from all queries that see
// them). Pairs that straddle two items are computed by both, which costs a few
// per cent where a stretch is several times the reach. Gradients of global keys
// have items of their own that walk over all queries.
#ifndef KERAS_LONGFORMER_NATIVE_BAND_BACKWARD_H_
#define KERAS_LONGFORMER_NATIVE_BAND_BACKWARD_H_

#include <new>

#include "tile_gradient.h"

namespace keras_longformer {
namespace KLF_NAMESPACE {

// ---- Packing --------------------------------------------------------------

// Rows are padded to whole vectors: here the head size runs along them.
static KLF_INLINE int64_t Width(const Problem& p) {
  return RoundUp(p.d, kLanes);
}

// A block's description lies at the head of its memory.
constexpr int64_t kBlockHead = RoundUp(sizeof(GradientBlock) / 4, 16);

static KLF_INLINE int64_t BlockFloats(const Problem& p) {
  const int64_t matrices = p.position_key == nullptr ? 3 : 5;
  return kBlockHead + matrices * kTile * Width(p) + 4 * kTile;
}

static KLF_INLINE int64_t SharedFloats(const Problem& p) {
  return 7 * kTile * Width(p) + 2 * kTile * kTile;
}

template <class T>
static KLF_INLINE float Dot(const float* a, const T* b, int64_t d) {
  Vector sums = {};
  int64_t i = 0;
  for (; i + kLanes <= d; i += kLanes) sums += Load(a + i) * LoadFloats(b + i);
  float sum = 0.0f;
  for (; i < d; ++i) sum += a[i] * ToFloat(b[i]);
  for (int lane = 0; lane < kLanes; ++lane) sum += sums[lane];
  return sum;
}

template <class T>
static GradientBlock* PackBlock(const Problem& p, const Item& item,
                                const Tokens& tokens, int64_t first,
                                bool want_queries, float* scratch) {
  const int64_t width = Width(p);
  GradientBlock* block = new (scratch) GradientBlock;
  block->first = first;
  block->count = Min(kTile, tokens.count - first);
  block->queries = scratch + kBlockHead;
  block->output_gradients = block->queries + kTile * width;
  float* gradients = block->output_gradients + kTile * width;
  block->log_sum = gradients + kTile * width;
  block->delta = block->log_sum + kTile;
  block->segments =
      PackSegments(tokens, first, block->count,
                   reinterpret_cast<int32_t*>(block->delta + kTile));
  block->threshold = tokens.dropping.threshold;
  block->rows = reinterpret_cast<uint32_t*>(block->delta + 2 * kTile);
  tokens.PackRowNumbers(first, block->rows);
  block->position_queries = nullptr;
  block->position_query_gradients = nullptr;
  block->positions_finite = true;
  if (p.position_key != nullptr) {
    block->position_queries = block->delta + 3 * kTile;
    block->position_query_gradients = block->position_queries + kTile * width;
    std::memset(block->position_query_gradients, 0,
                sizeof(float) * kTile * width);
    block->positions_finite = PackRows(
        tokens.Row<T>(p.position_query, first), tokens.stride, block->count,
        p.d, width, QueryFactor(p.d), block->position_queries);
  }
  block->query_gradients = want_queries ? gradients : nullptr;
  if (want_queries) std::memset(gradients, 0, sizeof(float) * kTile * width);

  const float* log_sum = p.log_sum + (item.b * p.h + item.h) * p.n + item.phase;
  block->finite =
      PackRows(tokens.Row<T>(p.query, first), tokens.stride, block->count, p.d,
               width, QueryFactor(p.d), block->queries);
  block->finite &=
      PackRows(tokens.Row<T>(p.output_gradient, first), tokens.stride,
               block->count, p.d, width, 1.0f / KeptShare(p),
               block->output_gradients);
  Prefetch(tokens.Row<T>(p.output, first), tokens.stride, block->count, p.d);
  for (int64_t q = 0; q < block->count; ++q) {
    block->log_sum[q] = log_sum[(first + q) * item.dilation];
    const float delta = KeptShare(p) *
                        Dot(block->output_gradients + q * width,
                            tokens.Row<T>(p.output, first + q), p.d);
    // A query that sees nothing has nothing to say, whatever its gradient.
    block->delta[q] = block->log_sum[q] == INFINITY ? 0.0f : delta;
  }
  return block;
}

template <class T>
static bool PackTile(const Problem& p, const Tokens& tokens, const void* key,
                     const void* value, int64_t first, bool want_keys,
                     float* scratch, GradientTile* keys) {
  const int64_t width = Width(p), size = kTile * width;
  keys->keys_by_d = scratch;
  keys->values_by_d = scratch + size;
  keys->keys = scratch + 2 * size;
  keys->key_gradients = want_keys ? scratch + 3 * size : nullptr;
  keys->value_gradients = scratch + 4 * size;
  const bool any = StartKeyTile(tokens, first, &keys->tile);
  if (want_keys) {
    std::memset(keys->key_gradients, 0, 2 * sizeof(float) * size);
  }
  if (!any) return false;
  const int64_t count = keys->tile.count;
  PackKeys<T>(tokens, value, keys->tile, p.d, width, keys->keys);
  Transpose(keys->keys, width, count, p.d, keys->values_by_d);
  keys->tile.keys_finite =
      PackKeys<T>(tokens, key, keys->tile, p.d, width, keys->keys);
  Transpose(keys->keys, width, count, p.d, keys->keys_by_d);
  return true;
}

template <class T>
static void StoreKeyGradients(const Problem& p, const Tokens& tokens,
                              const GradientTile& keys, void* key_gradient,
                              void* value_gradient) {
  const int64_t width = Width(p);
  for (int64_t k = 0; k < keys.tile.count; ++k) {
    T* to_key = tokens.Row<T>(key_gradient, keys.tile.first + k);
    T* to_value = tokens.Row<T>(value_gradient, keys.tile.first + k);
    if (keys.tile.seen[k]) {
      // The packed queries carry log2(e), which the gradient does not.
      StoreRow(keys.key_gradients + k * width, p.d, kLn2, to_key);
      StoreRow(keys.value_gradients + k * width, p.d, 1.0f, to_value);
    } else {
      StoreZeros(p.d, to_key);
      StoreZeros(p.d, to_value);
    }
  }
}

// ---- Positions ------------------------------------------------------------

static KLF_INLINE int64_t PositionFloats(const Problem& p) {
  if (p.position_key == nullptr) return 0;
  return p.d * PanelRow(p) + RoundUp(OffsetsOf(p, 1).rows * Width(p), 16) +
         kGroup * kGroupRow;
}

template <class T>
static Positions PackPositionRows(const Problem& p, const Item& item,
                                  float* scratch) {
  Positions positions = PackPositions<T>(p, item, false, scratch);
  positions.groups = scratch + p.d * positions.panel_row;
  positions.rows = positions.groups + kGroup * kGroupRow;
  const Offsets offsets = positions.offsets;
  positions.finite =
      PackRows(PositionKey<T>(p, item, offsets, 0), p.h * p.d, offsets.rows,
               p.d, Width(p), 1.0f, positions.rows);
  positions.sums = item.position_sums;
  return positions;
}

template <class T>
static void StorePositionRows(const Problem& p, int64_t h, const float* sums) {
  const Offsets offsets = OffsetsOf(p, p.dilation[h]);
  const int64_t rows = (p.causal ? p.reach : 2 * p.reach) + 1;
  for (int64_t t = 0; t < rows; ++t) {
    T* to = static_cast<T*>(p.position_key_gradient) + (t * p.h + h) * p.d;
    const int64_t u = t - p.reach + offsets.past;
    if (sums != nullptr && 0 <= u && u < offsets.rows) {
      // As with the gradients of keys.
      StoreRow(sums + u * SumsWidth(p.d), p.d, kLn2, to);
    } else {
      StoreZeros(p.d, to);
    }
  }
}

static void StorePositions(const Problem& p, int64_t h, const float* sums) {
  if (p.dtype == DataType::kFloat32) {
    StorePositionRows<float>(p, h, sums);
  } else {
    StorePositionRows<BFloat16>(p, h, sums);
  }
}

// ---- Items ----------------------------------------------------------------

static int64_t BackwardScratch(const Problem& p, int64_t num_blocks) {
  const int64_t halo = RoundUp(Min(p.reach, p.n), kTile) / kTile;
  const int64_t most = RoundUp(p.n, kTile) / kTile;
  return SharedFloats(p) + PositionFloats(p) +
         Min(most, num_blocks + 2 * halo + 1) * BlockFloats(p);
}

template <class T>
static void StoreQueryGradients(const Problem& p, const Tokens& tokens,
                                const GradientBlock& block) {
  const float scale = QueryFactor(p.d) * kLn2;
  for (int64_t q = 0; q < block.count; ++q) {
    StoreRow(block.query_gradients + q * Width(p), p.d, scale,
             tokens.Row<T>(p.query_gradient, block.first + q));
    if (p.position_key != nullptr) {
      StoreRow(block.position_query_gradients + q * Width(p), p.d, scale,
               tokens.Row<T>(p.position_query_gradient, block.first + q));
    }
  }
}

// Gradients of the queries and keys of one stretch of one phase.
template <class T>
static void BackwardBand(const Problem& p, const Item& item, float* scratch) {
  const Tokens tokens = BandTokens(p, item);
  const Band band = BandOf(p);
  const int64_t width = Width(p);
  const int64_t first = item.first_block * kTile;
  const int64_t last =
      Min(tokens.count, (item.first_block + item.num_blocks) * kTile);
  // Our own queries, and those of our neighbours that see our keys.
  const int64_t first_query = Max(0, first - band.last) / kTile * kTile;
  const int64_t last_query = Min(tokens.count, last - band.first);

  float* scores = scratch + 7 * kTile * width;
  float* products = scores + kTile * kTile;
  float* packed = scratch + SharedFloats(p) + PositionFloats(p);
  Positions positions = {};
  if (p.position_key != nullptr) {
    positions = PackPositionRows<T>(p, item, scratch + SharedFloats(p));
  }
  const auto memory = [&](int64_t q) {
    return packed + (q - first_query) / kTile * BlockFloats(p);
  };
  const auto block_at = [&](int64_t q) {
    return reinterpret_cast<GradientBlock*>(memory(q));
  };
  for (int64_t q = first_query; q < last_query; q += kTile) {
    PackBlock<T>(p, item, tokens, q, first <= q && q < last, memory(q));
  }

  GradientTile keys;
  if (p.g > 0) {
    const Tokens globals = GlobalTokens(p, item);
    for (int64_t k = 0; k < p.g; k += kTile) {
      if (!PackTile<T>(p, globals, p.global_key, p.global_value, k, false,
                       scratch, &keys)) {
        continue;
      }
      for (int64_t q = first; q < last; q += kTile) {
        AttendGradient(kEverywhere, *block_at(q), keys, positions, p.d, width,
                       scores, products);
      }
    }
  }
  const int64_t last_key = Min(tokens.count, last + band.last);
  for (int64_t k = Max(0, first + band.first) / kTile * kTile; k < last_key;
       k += kTile) {
    const bool own = first <= k && k < last;
    const bool any = PackTile<T>(p, tokens, p.key, p.value, k, own, scratch,
                                 &keys);
    const int64_t from = own ? first_query : first;
    const int64_t to = own ? last_query : last;
    for (int64_t q = from; any && q < to; q += kTile) {
      AttendGradient(band, *block_at(q), keys, positions, p.d, width, scores,
                     products);
    }
    if (own) {
      StoreKeyGradients<T>(p, tokens, keys, p.key_gradient, p.value_gradient);
    }
  }
  for (int64_t q = first; q < last; q += kTile) {
    StoreQueryGradients<T>(p, tokens, *block_at(q));
  }
}

constexpr int64_t kQueriesInSum = 512;

// Gradients of one tile of global keys, from all queries of one head. Dilation
// means nothing to them: the sequence is taken as one phase.
template <class T>
static void BackwardGlobal(const Problem& p, const Item& item, float* scratch) {
  const Tokens tokens = BandTokens(p, item);
  const Tokens globals = GlobalTokens(p, item);
  const int64_t size = 2 * kTile * Width(p);  // both gradients, side by side
  float* totals = scratch + 5 * kTile * Width(p);
  float* scores = totals + size;
  float* products = scores + kTile * kTile;
  float* packed = scratch + SharedFloats(p);
  GradientTile keys;
  const bool any =
      PackTile<T>(p, globals, p.global_key, p.global_value,
                  item.global_tile * kTile, true, scratch, &keys);
  std::memset(totals, 0, sizeof(float) * size);
  for (int64_t q = 0; any && q < tokens.count; q += kTile) {
    const GradientBlock* block =
        PackBlock<T>(p, item, tokens, q, false, packed);
    AttendGradient(kEverywhere, *block, keys, {}, p.d, Width(p), scores,
                   products);
    // Sums of sums: rounding errors do not grow with the whole length.
    if (q % kQueriesInSum == kQueriesInSum - kTile) {
      for (int64_t i = 0; i < size; ++i) totals[i] += keys.key_gradients[i];
      std::memset(keys.key_gradients, 0, sizeof(float) * size);
    }
  }
  for (int64_t i = 0; i < size; ++i) keys.key_gradients[i] += totals[i];
  StoreKeyGradients<T>(p, globals, keys, p.global_key_gradient,
                       p.global_value_gradient);
}

template <class T>
static void BackwardItem(const Problem& p, const Item& item, float* scratch) {
  if (item.global_tile >= 0) {
    BackwardGlobal<T>(p, item, scratch);
  } else {
    BackwardBand<T>(p, item, scratch);
  }
}

static void Backward(const Problem& p, const Item& item, float* scratch) {
  if (p.dtype == DataType::kFloat32) {
    BackwardItem<float>(p, item, scratch);
  } else {
    BackwardItem<BFloat16>(p, item, scratch);
  }
}

}  // namespace KLF_NAMESPACE
}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_BAND_BACKWARD_H_
