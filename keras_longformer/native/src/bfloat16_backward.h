// The backward pass of `band_backward.h` in bfloat16's own products: who makes
// which gradients is as there.
#ifndef KERAS_LONGFORMER_NATIVE_BFLOAT16_BACKWARD_H_
#define KERAS_LONGFORMER_NATIVE_BFLOAT16_BACKWARD_H_

#include "band_backward.h"
#include "bfloat16_forward.h"
#include "bfloat16_gradient.h"

namespace keras_longformer {
namespace KLF_NAMESPACE {

// ---- Packing --------------------------------------------------------------

constexpr int64_t kHalfBlockHead = RoundUp(sizeof(HalfGradientBlock) / 4, 16);

static KLF_INLINE int64_t HalfGradientBlockFloats(const Problem& p) {
  return kHalfBlockHead + 3 * kTile * HalfWidth(p.d) + 4 * kTile;
}

// A tile of keys: its two panels by d, its rows and their pairs, its gradients,
// and rows on their way.
static KLF_INLINE int64_t HalfTileFloats(const Problem& p) {
  return 5 * kTile * HalfWidth(p.d);
}

static KLF_INLINE float HalfDot(const uint16_t* a, const BFloat16* b,
                                int64_t d) {
  __m512 sum = _mm512_setzero_ps();
  for (int64_t i = 0; i < d; i += 32) {
    const __m512i left = _mm512_loadu_si512(a + i);
    const __m512i right = _mm512_maskz_loadu_epi16(FirstOf32(d - i), b + i);
    sum = _mm512_dpbf16_ps(sum, (__m512bh)left, (__m512bh)right);
  }
  return _mm512_reduce_add_ps(sum);
}

static HalfGradientBlock* PackHalfBlock(const Problem& p, const Item& item,
                                        const Tokens& tokens, int64_t first,
                                        bool want_queries, float* scratch) {
  const int64_t width = HalfWidth(p.d), size = kTile * width;
  HalfGradientBlock* block = new (scratch) HalfGradientBlock;
  block->first = first;
  block->count = Min(kTile, tokens.count - first);
  block->queries = reinterpret_cast<uint16_t*>(scratch + kHalfBlockHead);
  block->output_gradients = block->queries + size;
  block->queries_by_d = block->output_gradients + size;
  block->output_gradients_by_d = block->queries_by_d + size;
  float* gradients = scratch + kHalfBlockHead + 2 * size;
  block->log_sum = gradients + size;
  block->delta = block->log_sum + kTile;
  block->segments =
      PackSegments(tokens, first, block->count,
                   reinterpret_cast<int32_t*>(block->delta + kTile));
  block->threshold = tokens.dropping.threshold;
  block->rows = reinterpret_cast<uint32_t*>(block->delta + 2 * kTile);
  tokens.PackRowNumbers(first, block->rows);
  block->query_gradients = want_queries ? gradients : nullptr;
  if (want_queries) std::memset(gradients, 0, sizeof(float) * size);

  block->finite = true;
  const auto pack = [&](const void* tensor, uint16_t* rows, uint16_t* by_d) {
    const bool finite =
        PackHalfQueries(tokens.Row<BFloat16>(tensor, first), tokens.stride,
                        block->count, p.d, width, rows);
    TransposeHalves(rows, width, by_d);
    if (!finite) ClearNotFinite(size, by_d);
    block->finite &= finite;
  };
  pack(p.query, block->queries, block->queries_by_d);
  pack(p.output_gradient, block->output_gradients,
       block->output_gradients_by_d);
  const float* log_sum = p.log_sum + (item.b * p.h + item.h) * p.n + item.phase;
  Prefetch(tokens.Row<BFloat16>(p.output, first), tokens.stride, block->count,
           p.d);
  for (int64_t q = 0; q < block->count; ++q) {
    block->log_sum[q] = log_sum[(first + q) * item.dilation];
    const float delta = HalfDot(block->output_gradients + q * width,
                                tokens.Row<BFloat16>(p.output, first + q), p.d);
    // A query that sees nothing has nothing to say, whatever its gradient.
    block->delta[q] = block->log_sum[q] == INFINITY ? 0.0f : delta;
  }
  return block;
}

static bool PackHalfTile(const Problem& p, const Tokens& tokens,
                         const void* key, const void* value, int64_t first,
                         bool want_keys, float* scratch,
                         HalfGradientTile* keys) {
  const int64_t width = HalfWidth(p.d), size = kTile * width;
  keys->key_gradients = want_keys ? scratch : nullptr;
  keys->value_gradients = scratch + size;
  keys->keys_by_d = reinterpret_cast<uint32_t*>(scratch + 2 * size);
  keys->values_by_d = keys->keys_by_d + size / 2;
  keys->key_pairs = keys->values_by_d + size / 2;
  keys->keys = reinterpret_cast<uint16_t*>(keys->key_pairs + size / 2);
  keys->rows = scratch + 4 * size;
  const bool any = StartKeyTile(tokens, first, &keys->tile);
  if (want_keys) {
    std::memset(keys->key_gradients, 0, 2 * sizeof(float) * size);
  }
  if (!any) return false;
  keys->seen = 0;
  for (int64_t k = 0; k < kTile; ++k) {
    keys->seen |= uint64_t{keys->tile.seen[k] != 0} << k;
  }
  PackHalfKeys(tokens, value, keys->tile, p.d, width, keys->keys);
  TransposeWords(keys->keys, width / 2, kTile, width / 2, keys->values_by_d,
                 kTile);
  keys->tile.keys_finite =
      PackHalfKeys(tokens, key, keys->tile, p.d, width, keys->keys);
  TransposeWords(keys->keys, width / 2, kTile, width / 2, keys->keys_by_d,
                 kTile);
  PairRows(keys->keys, width, keys->key_pairs);
  if (!keys->tile.keys_finite) {
    ClearNotFinite(size, reinterpret_cast<uint16_t*>(keys->key_pairs));
  }
  return true;
}

static KLF_INLINE float ScoreScale(const Problem& p) {
  return QueryFactor(p.d) * kLn2;
}

// Stores gradients (d, k) of keys, and zeros for those that are hidden.
static void StoreHalfKeyGradients(const Problem& p, const Tokens& tokens,
                                  const HalfGradientTile& keys,
                                  void* key_gradient, void* value_gradient) {
  const int64_t width = HalfWidth(p.d);
  const auto store = [&](const float* gradients, float factor, void* tensor) {
    TransposeWords(gradients, kTile, RoundUp(p.d, kLanes), kTile, keys.rows,
                   width);
    for (int64_t k = 0; k < keys.tile.count; ++k) {
      BFloat16* to = tokens.Row<BFloat16>(tensor, keys.tile.first + k);
      if (keys.tile.seen[k]) {
        StoreHalfRow(keys.rows + k * width, p.d, factor, to);
      } else {
        StoreZeros(p.d, to);
      }
    }
  };
  store(keys.key_gradients, ScoreScale(p), key_gradient);
  store(keys.value_gradients, 1.0f / KeptShare(p), value_gradient);
}

// ---- Items ----------------------------------------------------------------

static int64_t HalfBackwardScratch(const Problem& p, int64_t num_blocks) {
  const int64_t halo = RoundUp(Min(p.reach, p.n), kTile) / kTile;
  const int64_t most = RoundUp(p.n, kTile) / kTile;
  return HalfTileFloats(p) + HalfScoresFloats() +
         Max(Min(most, num_blocks + 2 * halo + 1) * HalfGradientBlockFloats(p),
             // Sums of a tile of global keys, and one block.
             2 * kTile * HalfWidth(p.d) + HalfGradientBlockFloats(p));
}

// Gradients of the queries and keys of one stretch of one phase.
static void HalfBackwardBand(const Problem& p, const Item& item,
                             float* scratch) {
  const Tokens tokens = BandTokens(p, item);
  const Band band = BandOf(p);
  const int64_t width = HalfWidth(p.d);
  const int64_t first = item.first_block * kTile;
  const int64_t last =
      Min(tokens.count, (item.first_block + item.num_blocks) * kTile);
  const int64_t first_query = Max(0, first - band.last) / kTile * kTile;
  const int64_t last_query = Min(tokens.count, last - band.first);
  const float share = 1.0f / KeptShare(p);

  const HalfScores scores = HalfScoresAt(scratch + HalfTileFloats(p));
  float* packed = scratch + HalfTileFloats(p) + HalfScoresFloats();
  const auto memory = [&](int64_t q) {
    return packed + (q - first_query) / kTile * HalfGradientBlockFloats(p);
  };
  const auto block_at = [&](int64_t q) {
    return reinterpret_cast<HalfGradientBlock*>(memory(q));
  };
  for (int64_t q = first_query; q < last_query; q += kTile) {
    PackHalfBlock(p, item, tokens, q, first <= q && q < last, memory(q));
  }

  HalfGradientTile keys;
  if (p.g > 0) {
    const Tokens globals = GlobalTokens(p, item);
    for (int64_t k = 0; k < p.g; k += kTile) {
      if (!PackHalfTile(p, globals, p.global_key, p.global_value, k, false,
                        scratch, &keys)) {
        continue;
      }
      for (int64_t q = first; q < last; q += kTile) {
        AttendHalfGradient(kEverywhere, *block_at(q), keys, p.d, share, scores);
      }
    }
  }
  const int64_t last_key = Min(tokens.count, last + band.last);
  for (int64_t k = Max(0, first + band.first) / kTile * kTile; k < last_key;
       k += kTile) {
    const bool own = first <= k && k < last;
    const bool any =
        PackHalfTile(p, tokens, p.key, p.value, k, own, scratch, &keys);
    const int64_t from = own ? first_query : first;
    const int64_t to = own ? last_query : last;
    for (int64_t q = from; any && q < to; q += kTile) {
      AttendHalfGradient(band, *block_at(q), keys, p.d, share, scores);
    }
    if (own) {
      StoreHalfKeyGradients(p, tokens, keys, p.key_gradient, p.value_gradient);
    }
  }
  for (int64_t q = first; q < last; q += kTile) {
    const HalfGradientBlock& block = *block_at(q);
    for (int64_t i = 0; i < block.count; ++i) {
      StoreHalfRow(block.query_gradients + i * width, p.d, ScoreScale(p),
                   tokens.Row<BFloat16>(p.query_gradient, q + i));
    }
  }
}

// Gradients of one tile of global keys: see `BackwardGlobal`.
static void HalfBackwardGlobal(const Problem& p, const Item& item,
                               float* scratch) {
  const Tokens tokens = BandTokens(p, item);
  const Tokens globals = GlobalTokens(p, item);
  const int64_t size = 2 * kTile * HalfWidth(p.d);
  const HalfScores scores = HalfScoresAt(scratch + HalfTileFloats(p));
  float* totals = scratch + HalfTileFloats(p) + HalfScoresFloats();
  float* packed = totals + size;
  HalfGradientTile keys;
  const bool any =
      PackHalfTile(p, globals, p.global_key, p.global_value,
                   item.global_tile * kTile, true, scratch, &keys);
  std::memset(totals, 0, sizeof(float) * size);
  for (int64_t q = 0; any && q < tokens.count; q += kTile) {
    const HalfGradientBlock* block =
        PackHalfBlock(p, item, tokens, q, false, packed);
    AttendHalfGradient(kEverywhere, *block, keys, p.d, 1.0f / KeptShare(p),
                       scores);
    if (q % kQueriesInSum == kQueriesInSum - kTile) {
      for (int64_t i = 0; i < size; ++i) totals[i] += keys.key_gradients[i];
      std::memset(keys.key_gradients, 0, sizeof(float) * size);
    }
  }
  for (int64_t i = 0; i < size; ++i) keys.key_gradients[i] += totals[i];
  StoreHalfKeyGradients(p, globals, keys, p.global_key_gradient,
                        p.global_value_gradient);
}

static void HalfBackward(const Problem& p, const Item& item, float* scratch) {
  const Tiles tiles;
  if (item.global_tile >= 0) {
    HalfBackwardGlobal(p, item, scratch);
  } else {
    HalfBackwardBand(p, item, scratch);
  }
}

}  // namespace KLF_NAMESPACE
}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_BFLOAT16_BACKWARD_H_
