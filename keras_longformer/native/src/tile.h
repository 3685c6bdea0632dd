// Tiles: packing rows of the sequence, products of small matrices, and which
// pairs of a tile lie in the band.
#ifndef KERAS_LONGFORMER_NATIVE_TILE_H_
#define KERAS_LONGFORMER_NATIVE_TILE_H_

#include "dropout.h"

namespace keras_longformer {
namespace KLF_NAMESPACE {

// ---- Rows of the sequence -------------------------------------------------

// Asks the memory for rows that will be needed soon. Rows of one head lie
// h * d elements apart, where no processor guesses them.
template <class T>
static KLF_INLINE void Prefetch(const T* p, int64_t stride, int64_t rows,
                                int64_t d) {
  for (int64_t r = 0; r < rows; ++r) {
    const char* line = reinterpret_cast<const char*>(p + r * stride);
    const char* end = reinterpret_cast<const char*>(p + r * stride + d);
    for (; line < end; line += 64) __builtin_prefetch(line, 0, 2);
  }
}

// Copies `rows` rows of d elements, times `factor`, into rows of `width` floats
// (zeros behind d). Returns whether all were finite.
template <class T>
static bool PackRows(const T* source, int64_t stride, int64_t rows, int64_t d,
                     int64_t width, float factor, float* target) {
  Ints largest = {};  // magnitude bits: integers compare as the floats do
  uint32_t largest_rest = 0;
  constexpr int64_t kAhead = 8;
  for (int64_t r = 0; r < rows; ++r) {
    if (r + kAhead < rows) Prefetch(source + (r + kAhead) * stride, 0, 1, d);
    const T* from = source + r * stride;
    float* to = target + r * width;
    int64_t i = 0;
    for (; i + kLanes <= d; i += kLanes) {
      const Vector x = LoadFloats(from + i);
      const Ints bits = (Ints)x & 0x7fffffff;
      largest = bits > largest ? bits : largest;
      Store(to + i, x * factor);
    }
    for (; i < d; ++i) {
      const float x = ToFloat(from[i]);
      uint32_t bits;
      std::memcpy(&bits, &x, sizeof(bits));
      bits &= 0x7fffffff;
      largest_rest = bits > largest_rest ? bits : largest_rest;
      to[i] = x * factor;
    }
    for (; i < width; ++i) to[i] = 0.0f;
  }
  return largest_rest < 0x7f800000 &&
         !Any(largest >= Broadcast(0x7f800000));
}

template <class T>
static void StoreRow(const float* source, int64_t d, float factor, T* target) {
  int64_t i = 0;
  for (; i + kLanes <= d; i += kLanes) {
    StoreFloats(Load(source + i) * factor, target + i);
  }
  for (; i < d; ++i) FromFloat(source[i] * factor, target + i);
}

template <class T>
static void StoreZeros(int64_t d, T* target) {
  for (int64_t i = 0; i < d; ++i) FromFloat(0.0f, target + i);
}

// target[c][r] = source[r][c], rows of `target` kTile floats; zeros behind
// `rows`.
static void Transpose(const float* source, int64_t width, int64_t rows,
                      int64_t columns, float* target) {
  for (int64_t r0 = 0; r0 < kTile; r0 += 8) {
    for (int64_t c = 0; c < columns; ++c) {
      float* to = target + c * kTile + r0;
      if (r0 + 8 <= rows) {
        const float* from = source + r0 * width + c;
        for (int64_t r = 0; r < 8; ++r) to[r] = from[r * width];
      } else {
        for (int64_t r = 0; r < 8; ++r) {
          to[r] = r0 + r < rows ? source[(r0 + r) * width + c] : 0.0f;
        }
      }
    }
  }
}

// ---- Products -------------------------------------------------------------

// A left operand: element (r, i) is at p[r * row + i * step].
struct Left {
  const float* p;
  int64_t row, step;
};

// C[r][:] (+)= sum over i < depth of A(r, i) * B[i][:], for kRows rows and
// kWide vectors of columns, which stay in registers throughout. Each sum runs
// over i in order in one accumulator, so a score has the same bits whichever
// operand is on the left.
template <int kRows, int kWide>
static KLF_INLINE void MultiplyBlock(Left a, const float* b, int64_t b_row,
                                     int64_t depth, float* c, int64_t c_row,
                                     bool add) {
  Vector sum[kRows][kWide];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kWide; ++v) {
      sum[r][v] = add ? Load(c + r * c_row + v * kLanes) : Vector{};
    }
  }
  for (int64_t i = 0; i < depth; ++i) {
    Vector right[kWide];
    for (int v = 0; v < kWide; ++v) right[v] = Load(b + i * b_row + v * kLanes);
    for (int r = 0; r < kRows; ++r) {
      const Vector left = Broadcast(a.p[r * a.row + i * a.step]);
      for (int v = 0; v < kWide; ++v) sum[r][v] += left * right[v];
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kWide; ++v) {
      Store(c + r * c_row + v * kLanes, sum[r][v]);
    }
  }
}

template <int kRows, int kWide>
static KLF_INLINE void MultiplyRows(Left a, int64_t rows, const float* b,
                                    int64_t b_row, int64_t depth, float* c,
                                    int64_t c_row, bool add) {
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows) {
    MultiplyBlock<kRows, kWide>({a.p + r * a.row, a.row, a.step}, b, b_row,
                                depth, c + r * c_row, c_row, add);
  }
  if constexpr (kRows > 1) {
    MultiplyRows<kRows / 2, kWide>({a.p + r * a.row, a.row, a.step}, rows - r,
                                   b, b_row, depth, c + r * c_row, c_row, add);
  }
}

// The same for any number of rows and any multiple of kLanes columns.
static void Multiply(Left a, int64_t rows, const float* b, int64_t b_row,
                     int64_t depth, int64_t columns, float* c, int64_t c_row,
                     bool add) {
  int64_t x = 0;
  for (; x + KLF_WIDE * kLanes <= columns; x += KLF_WIDE * kLanes) {
    MultiplyRows<KLF_ROWS, KLF_WIDE>(a, rows, b + x, b_row, depth, c + x, c_row,
                                     add);
  }
  if constexpr (KLF_WIDE > 2) {
    if (x + 2 * kLanes <= columns) {
      MultiplyRows<2 * KLF_ROWS, 2>(a, rows, b + x, b_row, depth, c + x,
                                    c_row, add);
      x += 2 * kLanes;
    }
  }
  if (x < columns) {
    MultiplyRows<3 * KLF_ROWS, 1>(a, rows, b + x, b_row, depth, c + x, c_row,
                                  add);
  }
}

// ---- The band -------------------------------------------------------------

// Key k is seen by query q where first <= k - q <= last.
struct Band {
  int64_t first, last;
};

constexpr int64_t kFar = int64_t{1} << 40;
constexpr Band kEverywhere = {-kFar, kFar};

static KLF_INLINE Band BandOf(const Problem& p) {
  const int64_t reach = Min(p.reach, p.n);
  return {-reach, p.causal ? 0 : reach};
}

static KLF_INLINE bool Sees(Band band, int64_t q, int64_t k) {
  return band.first <= k - q && k - q <= band.last;
}

// Whether every one of these queries sees every one of these keys.
static KLF_INLINE bool AllSeen(Band band, int64_t first_query,
                               int64_t last_query, int64_t first_key,
                               int64_t last_key) {
  return first_key - last_query >= band.first &&
         last_key - first_query <= band.last;
}

// A run of tokens as one head has them: a phase of the sequence, or the global
// tokens. `stride` lies between rows of (.., h, d) tensors, `step` between
// tokens in the (b, n) mask and the (b, h, n) log_sum.
struct Tokens {
  int64_t offset, stride;
  int64_t mask_offset, step;
  int64_t count;
  const uint8_t* mask;
  const int32_t* segments;
  int64_t position;  // in the sequence, of the first
  Dropping dropping;

  template <class T>
  KLF_INLINE const T* Row(const void* tensor, int64_t i) const {
    return static_cast<const T*>(tensor) + offset + i * stride;
  }
  template <class T>
  KLF_INLINE T* Row(void* tensor, int64_t i) const {
    return static_cast<T*>(tensor) + offset + i * stride;
  }
  KLF_INLINE bool Visible(int64_t i) const {
    return mask == nullptr || mask[mask_offset + i * step] != 0;
  }
  KLF_INLINE int32_t Segment(int64_t i) const {
    return segments[mask_offset + i * step];
  }
  // Numbers of kTile queries, from `first` on.
  void PackRowNumbers(int64_t first, uint32_t* numbers) const {
    if (dropping.threshold == 0) return;
    for (int64_t i = 0; i < kTile; ++i) {
      numbers[i] = dropping.Row(position + (first + i) * step);
    }
  }
};

static KLF_INLINE Tokens BandTokens(const Problem& p, const Item& item) {
  Tokens tokens;
  tokens.offset = ((item.b * p.n + item.phase) * p.h + item.h) * p.d;
  tokens.stride = item.dilation * p.h * p.d;
  tokens.mask_offset = item.b * p.n + item.phase;
  tokens.step = item.dilation;
  tokens.count = item.count;
  tokens.mask = p.key_mask;
  tokens.segments = p.segments;
  tokens.position = item.phase;
  tokens.dropping = DroppingOf(p, item.b, item.h, 0);
  return tokens;
}

static KLF_INLINE Tokens GlobalTokens(const Problem& p, const Item& item) {
  Tokens tokens;
  tokens.offset = (item.b * p.g * p.h + item.h) * p.d;
  tokens.stride = p.h * p.d;
  tokens.mask_offset = item.b * p.g;
  tokens.step = 1;
  tokens.count = p.g;
  tokens.mask = p.global_key_mask;
  tokens.segments = p.global_segments;
  tokens.position = 0;
  tokens.dropping = DroppingOf(p, item.b, item.h, kGlobalPairs);
  return tokens;
}

// The segments of up to kTile tokens, or null where all are of one.
struct Segments {
  const int32_t* ids;
  int32_t least, most;

  KLF_INLINE const int32_t* From(int64_t i) const {
    return ids == nullptr ? nullptr : ids + i;
  }
};

static Segments Bounded(const int32_t* ids, int64_t count) {
  Segments segments = {ids, INT32_MAX, INT32_MIN};
  for (int64_t i = 0; ids != nullptr && i < count; ++i) {
    if (ids[i] < segments.least) segments.least = ids[i];
    if (ids[i] > segments.most) segments.most = ids[i];
  }
  return segments;
}

static Segments PackSegments(const Tokens& tokens, int64_t first,
                             int64_t count, int32_t* ids) {
  if (tokens.segments == nullptr) return {nullptr, 0, 0};
  for (int64_t i = 0; i < kTile; ++i) {
    ids[i] = i < count ? tokens.Segment(first + i) : 0;
  }
  return Bounded(ids, count);
}

// Whether no token of one sees a token of the other, or each sees all.
static KLF_INLINE bool Apart(const Segments& a, const Segments& b) {
  return a.ids != nullptr && (a.most < b.least || b.most < a.least);
}
static KLF_INLINE bool Alike(const Segments& a, const Segments& b) {
  return a.ids == nullptr ||
         (a.least == a.most && b.least == b.most && a.least == b.least);
}

// Up to kTile keys and which of them the mask lets through.
struct KeyTile {
  int64_t first, count;
  bool all_hidden, any_hidden;
  bool keys_finite, values_finite;
  alignas(64) int32_t seen[kTile];  // -1 or 0, so that it can be and-ed
  alignas(64) int32_t segment_ids[kTile];
  alignas(64) uint32_t columns[kTile];  // numbers for dropout, where it is
  Segments segments;                    // of `segment_ids`
};

static bool StartKeyTile(const Tokens& tokens, int64_t first, KeyTile* tile) {
  tile->first = first;
  tile->count = Min(kTile, tokens.count - first);
  bool all_hidden = true, any_hidden = false;
  for (int64_t k = 0; k < kTile; ++k) {
    const bool seen = k < tile->count && tokens.Visible(first + k);
    tile->seen[k] = seen ? -1 : 0;
    if (seen) all_hidden = false;
    if (!seen && k < tile->count) any_hidden = true;
  }
  tile->segments =
      PackSegments(tokens, first, tile->count, tile->segment_ids);
  if (tokens.dropping.threshold != 0) {
    for (int64_t k = 0; k < kTile; k += 2) {
      tile->columns[k] = tokens.dropping.Column(first + k);
      tile->columns[k + 1] = tile->columns[k];
    }
  }
  tile->all_hidden = all_hidden;
  tile->any_hidden = any_hidden;
  return !all_hidden;
}

// Packs the rows of a tile; hidden ones become zeros, so that whatever they
// hold (NaN too) reaches nobody.
template <class T>
static bool PackKeys(const Tokens& tokens, const void* tensor,
                     const KeyTile& tile, int64_t d, int64_t width,
                     float* target) {
  if (!tile.any_hidden) {
    return PackRows(tokens.Row<T>(tensor, tile.first), tokens.stride,
                    tile.count, d, width, 1.0f, target);
  }
  bool finite = true;
  for (int64_t k = 0; k < tile.count; ++k) {
    float* to = target + k * width;
    if (tile.seen[k]) {
      finite &= PackRows(tokens.Row<T>(tensor, tile.first + k), tokens.stride,
                         1, d, width, 1.0f, to);
    } else {
      std::memset(to, 0, sizeof(float) * width);
    }
  }
  return finite;
}

}  // namespace KLF_NAMESPACE
}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_TILE_H_
