// The backward pass. With S = scaled scores, P = exp2(S - log_sum), dO the
// gradient of the output and delta = sum over d of dO * output,
//
//   dV = P^T dO    dP = dO V^T    dS = P * (dP - delta)
//   dQ = dS K      dK = dS^T Q    (times the scale)
//
// Nobody adds to what another thread writes, so the bits do not depend on the
// schedule: an item owns a stretch of tokens and makes the gradients of their
// queries (from all keys they see) and of their keys (from all queries that see
// them). Pairs that straddle two items are computed by both, which costs a few
// per cent where a stretch is several times the reach. Gradients of global keys
// have items of their own that walk over all queries.
//
// Scores lie as (q, k) here: there is no maximum to find, and in this order
// every product reads its operands along rows.
#ifndef KERAS_LONGFORMER_NATIVE_BAND_BACKWARD_H_
#define KERAS_LONGFORMER_NATIVE_BAND_BACKWARD_H_

#include <new>

#include "band_forward.h"

namespace keras_longformer {
namespace KLF_NAMESPACE {

// kTile queries as the backward pass needs them, rows of `width` floats.
struct GradientBlock {
  int64_t first, count;
  bool finite;              // queries and output gradients
  float* queries;           // (q, d), scaled
  float* output_gradients;  // (q, d)
  float* query_gradients;   // (q, d), or null: not wanted
  float* log_sum;           // (q,)
  float* delta;             // (q,)
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
static void SoftenGradient(Band band, bool all_seen, const GradientBlock& block,
                           const KeyTile& tile, Part part, float* scores,
                           float* products) {
  const Ints lanes = LaneNumbers();
  for (int64_t q = part.first_q; q < part.last_q; ++q) {
    const Vector log_sum = Broadcast(block.log_sum[q]);
    const Vector delta = Broadcast(block.delta[q]);
    const int64_t offset = block.first + q - tile.first;
    const int64_t first = all_seen ? 0 : offset + band.first;
    const int64_t last = all_seen ? kTile : offset + band.last;
    const Ints first_k = Broadcast(static_cast<int32_t>(first));
    const Ints last_k = Broadcast(static_cast<int32_t>(last));
    for (int64_t k = part.first_k; k < part.last_k; k += kLanes) {
      float* s = scores + q * kTile + k;
      float* g = products + q * kTile + k;
      const Ints number = lanes + static_cast<int32_t>(k);
      Ints seen;
      std::memcpy(&seen, tile.seen + k, sizeof(seen));
      seen &= (number >= first_k) & (number <= last_k);
      const Vector x = Load(s) - log_sum;
      // Rounding may lift a weight above 1, never far; NaN passes.
      const Vector p = Exp2(x > Vector{} ? Vector{} : x);
      Store(g, Keep(p * (Load(g) - delta), seen));
      Store(s, Keep(p, seen));
    }
  }
}

// C[r][:] += A(r, i) * B[i][:] over the pairs in the band only: 0 * NaN must
// not reach those that do not see it. `rows_are_keys` says what r counts.
static void MultiplySeenOnly(Band band, int64_t first_query, int64_t first_key,
                             bool rows_are_keys, Left a, int64_t rows,
                             const float* b, int64_t depth, int64_t width,
                             float* c) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < depth; ++i) {
      const int64_t q = first_query + (rows_are_keys ? i : r);
      const int64_t k = first_key + (rows_are_keys ? r : i);
      if (!Sees(band, q, k)) continue;
      const float left = a.p[r * a.row + i * a.step];
      for (int64_t x = 0; x < width; ++x) {
        c[r * width + x] += left * b[i * width + x];
      }
    }
  }
}

static void MultiplySeen(Band band, bool plain, int64_t first_query,
                         int64_t first_key, bool rows_are_keys, Left a,
                         int64_t rows, const float* b, int64_t depth,
                         int64_t width, float* c) {
  if (plain) {
    Multiply(a, rows, b, width, depth, width, c, width, true);
  } else {
    MultiplySeenOnly(band, first_query, first_key, rows_are_keys, a, rows, b,
                     depth, width, c);
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
  block.log_sum += shift;
  block.delta += shift;
  return block;
}

// All gradients that one block of queries and one tile of keys give each other.
static void AttendGradient(Band band, const GradientBlock& block,
                           const GradientTile& keys, int64_t d, int64_t width,
                           float* scores, float* products) {
  const KeyTile& tile = keys.tile;
  const Part part =
      SeenPart(band, block.first, block.count, tile.first, tile.count);
  const int64_t num_q = part.last_q - part.first_q;
  const int64_t num_k = part.last_k - part.first_k;
  if (num_q <= 0 || num_k <= 0) return;
  const int64_t first_query = block.first + part.first_q;
  const int64_t first_key = tile.first + part.first_k;
  const bool all_seen = AllSeen(band, first_query, first_query + num_q - 1,
                                first_key, first_key + num_k - 1);
  if (!all_seen && block.count > kTile / 2) {
    for (int64_t i = 0; i < 2; ++i) {
      AttendGradient(band, Half(block, i, width), keys, d, width, scores,
                     products);
    }
    return;
  }
  const float* queries = block.queries + part.first_q * width;
  const float* output_gradients = block.output_gradients + part.first_q * width;
  const int64_t corner = part.first_q * kTile + part.first_k;
  const int64_t columns = RoundUp(num_k, kLanes);

  Multiply({queries, width, 1}, num_q, keys.keys_by_d + part.first_k, kTile, d,
           columns, scores + corner, kTile, false);
  Multiply({output_gradients, width, 1}, num_q,
           keys.values_by_d + part.first_k, kTile, d, columns,
           products + corner, kTile, false);
  SoftenGradient(band, all_seen, block, tile, part, scores, products);

  if (keys.key_gradients != nullptr) {
    const bool plain = all_seen || block.finite;
    MultiplySeen(band, plain, first_query, first_key, true,
                 {scores + corner, 1, kTile}, num_k, output_gradients, num_q,
                 width, keys.value_gradients + part.first_k * width);
    MultiplySeen(band, plain, first_query, first_key, true,
                 {products + corner, 1, kTile}, num_k, queries, num_q, width,
                 keys.key_gradients + part.first_k * width);
  }
  if (block.query_gradients != nullptr) {
    const bool plain = all_seen || tile.keys_finite;
    MultiplySeen(band, plain, first_query, first_key, false,
                 {products + corner, kTile, 1}, num_q,
                 keys.keys + part.first_k * width, num_k, width,
                 block.query_gradients + part.first_q * width);
  }
}

// ---- Packing --------------------------------------------------------------

// Rows are padded to whole vectors: here the head size runs along them.
static KLF_INLINE int64_t Width(const Problem& p) {
  return RoundUp(p.d, kLanes);
}

// A block's description lies at the head of its memory.
constexpr int64_t kBlockHead = RoundUp(sizeof(GradientBlock) / 4, 16);

static KLF_INLINE int64_t BlockFloats(const Problem& p) {
  return kBlockHead + 3 * kTile * Width(p) + 2 * kTile;
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
  block->query_gradients = want_queries ? gradients : nullptr;
  if (want_queries) std::memset(gradients, 0, sizeof(float) * kTile * width);

  const float* log_sum = p.log_sum + (item.b * p.h + item.h) * p.n + item.phase;
  block->finite =
      PackRows(tokens.Row<T>(p.query, first), tokens.stride, block->count, p.d,
               width, QueryFactor(p.d), block->queries);
  block->finite &=
      PackRows(tokens.Row<T>(p.output_gradient, first), tokens.stride,
               block->count, p.d, width, 1.0f, block->output_gradients);
  Prefetch(tokens.Row<T>(p.output, first), tokens.stride, block->count, p.d);
  for (int64_t q = 0; q < block->count; ++q) {
    block->log_sum[q] = log_sum[(first + q) * item.dilation];
    const float delta = Dot(block->output_gradients + q * width,
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

// ---- Items ----------------------------------------------------------------

static int64_t BackwardScratch(const Problem& p, int64_t num_blocks) {
  const int64_t halo = RoundUp(Min(p.reach, p.n), kTile) / kTile;
  const int64_t most = RoundUp(p.n, kTile) / kTile;
  return SharedFloats(p) +
         Min(most, num_blocks + 2 * halo + 1) * BlockFloats(p);
}

template <class T>
static void StoreQueryGradients(const Problem& p, const Tokens& tokens,
                                const GradientBlock& block) {
  const float scale = QueryFactor(p.d) * kLn2;
  for (int64_t q = 0; q < block.count; ++q) {
    StoreRow(block.query_gradients + q * Width(p), p.d, scale,
             tokens.Row<T>(p.query_gradient, block.first + q));
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
  float* packed = scratch + SharedFloats(p);
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
        AttendGradient(kEverywhere, *block_at(q), keys, p.d, width, scores,
                       products);
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
      AttendGradient(band, *block_at(q), keys, p.d, width, scores, products);
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
    AttendGradient(kEverywhere, *block, keys, p.d, Width(p), scores, products);
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
