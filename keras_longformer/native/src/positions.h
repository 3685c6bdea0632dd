// Relative positions: a score has, besides query . key, the product of the
// query's position query with the row of `position_key` for the key's offset.
//
// Offsets are k - q within a phase, and row u of what is packed here is for the
// offset u - past. Pairs of a tile with the same offset lie on a diagonal:
//
//   forward    scores (k, q): lanes are queries, and with the rows reversed and
//              as (d, u), the rows that neighbouring queries want of one key
//              are neighbours: one unaligned load, no pair computed in vain
//   backward   kGroup queries meet all offsets they have with a tile, as
//              (q, u); row q of it starts at another column
#ifndef KERAS_LONGFORMER_NATIVE_POSITIONS_H_
#define KERAS_LONGFORMER_NATIVE_POSITIONS_H_

#include "tile.h"

namespace keras_longformer {
namespace KLF_NAMESPACE {

// Zeros on both sides of a packed row: a tile that has some pair in the band
// has other offsets up to two tiles beyond, and whole vectors are read.
constexpr int64_t kMargin = 2 * kTile + 16;

// One head's rows of `position_key`.
struct Positions {
  Offsets offsets;
  int64_t panel_row;   // floats in a row of `panel`
  float* panel;        // (d, kMargin + u + kMargin), forward with u reversed
  float* rows;         // (u, d), rows of `width` floats: backward only
  float* groups;       // scratch for kGroup queries: backward only
  float* sums;         // (u, d), rows of SumsWidth: the gradient so far
  bool finite;         // of `rows`
};

static KLF_INLINE int64_t PanelRow(const Problem& p) {
  // An odd number of cache lines: rows below each other share no cache set.
  return RoundUp(OffsetsOf(p, 1).rows + 2 * kMargin, 32) + 16;
}

template <class T>
static KLF_INLINE const T* PositionKey(const Problem& p, const Item& item,
                                       Offsets offsets, int64_t u) {
  const int64_t row = u + p.reach - offsets.past;
  return static_cast<const T*>(p.position_key) + (row * p.h + item.h) * p.d;
}

template <class T>
static Positions PackPositions(const Problem& p, const Item& item,
                               bool reversed, float* panel) {
  Positions positions = {};
  const Offsets offsets = OffsetsOf(p, item.dilation);
  positions.offsets = offsets;
  positions.panel_row = PanelRow(p);
  positions.panel = panel;
  std::memset(panel, 0, sizeof(float) * p.d * positions.panel_row);
  for (int64_t u = 0; u < offsets.rows; ++u) {
    const T* from = PositionKey<T>(p, item, offsets, u);
    float* to = panel + kMargin + (reversed ? offsets.rows - 1 - u : u);
    for (int64_t i = 0; i < p.d; ++i) {
      to[i * positions.panel_row] = ToFloat(from[i]);
    }
  }
  return positions;
}

// ---- Forward --------------------------------------------------------------

// scores[r][:] += sum over i of queries[i][:] * panel[i][: - r].
template <int kRows>
static KLF_INLINE void AddDiagonals(const float* queries, const float* panel,
                                    int64_t panel_row, int64_t d,
                                    float* scores) {
  Vector sum[kRows];
  for (int r = 0; r < kRows; ++r) sum[r] = Load(scores + r * kTile);
  for (int64_t i = 0; i < d; ++i) {
    const Vector query = Load(queries + i * kTile);
    for (int r = 0; r < kRows; ++r) {
      sum[r] += query * Load(panel + i * panel_row - r);
    }
  }
  for (int r = 0; r < kRows; ++r) Store(scores + r * kTile, sum[r]);
}

// Adds to the scores (k, q) of `rows` keys and `lanes` queries. `queries` are
// the position queries as (d, q).
static void AddPositionScores(const Positions& positions, int64_t first_query,
                              int64_t lanes, const float* queries,
                              int64_t first_key, int64_t rows, int64_t d,
                              float* scores) {
  const Offsets offsets = positions.offsets;
  const int64_t row = positions.panel_row;
  const float* first = positions.panel + kMargin + offsets.rows - 1 -
                       offsets.past - (first_key - first_query);
  for (int64_t x = 0; x < lanes; x += kLanes) {
    const float* q = queries + x;
    float* s = scores + x;
    int64_t r = 0;
    for (; r + 12 <= rows; r += 12) {
      AddDiagonals<12>(q, first + x - r, row, d, s + r * kTile);
    }
    for (; r + 4 <= rows; r += 4) {
      AddDiagonals<4>(q, first + x - r, row, d, s + r * kTile);
    }
    for (; r < rows; ++r) {
      AddDiagonals<1>(q, first + x - r, row, d, s + r * kTile);
    }
  }
}

// ---- Backward -------------------------------------------------------------

constexpr int64_t kGroup = 16;
constexpr int64_t kGroupRow = kTile + 2 * kGroup;

// Up to kGroup queries and the keys of a tile's part: entry (j, c) of a tile
// is entry (j, c + count - 1 - j) by offsets, of which the first is row `u`.
struct Group {
  int64_t first, count;
  int64_t u, columns;
};

static KLF_INLINE Group GroupAt(const Positions& positions, int64_t first,
                                int64_t last, int64_t offset,
                                int64_t columns) {
  Group group;
  group.first = first;
  group.count = Min(kGroup, last - first);
  group.u = offset - (first + group.count - 1) + positions.offsets.past;
  group.columns = columns + group.count - 1;
  return group;
}

// Adds to the scores (q, k) of queries [first_q, last_q) and `columns` keys.
// `offset` is k - q of the first of those keys and query 0.
static void AddGroupScores(const Positions& positions, int64_t first_q,
                           int64_t last_q, int64_t offset, int64_t columns,
                           const float* queries, int64_t width, int64_t d,
                           float* scores) {
  for (int64_t q = first_q; q < last_q; q += kGroup) {
    const Group g = GroupAt(positions, q, last_q, offset, columns);
    Multiply({queries + q * width, width, 1}, g.count,
             positions.panel + kMargin + g.u, positions.panel_row, d,
             RoundUp(g.columns, kLanes), positions.groups, kGroupRow, false);
    for (int64_t j = 0; j < g.count; ++j) {
      const float* from = positions.groups + j * kGroupRow + g.count - 1 - j;
      float* s = scores + (q + j) * kTile;
      for (int64_t c = 0; c < columns; c += kLanes) {
        Store(s + c, Load(s + c) + Load(from + c));
      }
    }
  }
}

// C[r][:] += A(r, i) * B[i][:] but where A is 0: see MultiplySeenOnly.
static void MultiplyNotZero(Left a, int64_t rows, const float* b,
                            int64_t depth, int64_t width, float* c,
                            int64_t c_row) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < depth; ++i) {
      const float left = a.p[r * a.row + i * a.step];
      if (left == 0.0f) continue;
      for (int64_t x = 0; x < width; ++x) {
        c[r * c_row + x] += left * b[i * width + x];
      }
    }
  }
}

// The gradients of position queries and of `position_key`, from those of the
// scores (q, k). Arguments as in AddGroupScores.
static void AddGroupGradients(const Positions& positions, int64_t first_q,
                              int64_t last_q, int64_t offset, int64_t columns,
                              const float* queries, bool queries_finite,
                              int64_t width, const float* score_gradients,
                              float* query_gradients) {
  const int64_t sums_width = SumsWidth(width);
  for (int64_t q = first_q; q < last_q; q += kGroup) {
    const Group g = GroupAt(positions, q, last_q, offset, columns);
    float* by_offset = positions.groups;
    std::memset(by_offset, 0, sizeof(float) * g.count * kGroupRow);
    for (int64_t j = 0; j < g.count; ++j) {
      std::memcpy(by_offset + j * kGroupRow + g.count - 1 - j,
                  score_gradients + (q + j) * kTile, sizeof(float) * columns);
    }
    const int64_t from = Max(0, -g.u);
    const int64_t depth = Min(g.columns, positions.offsets.rows - g.u) - from;
    const float* rows = positions.rows + (g.u + from) * width;
    float* to = query_gradients + q * width;
    float* sums = positions.sums + (g.u + from) * sums_width;
    if (positions.finite) {
      Multiply({by_offset + from, kGroupRow, 1}, g.count, rows, width, depth,
               width, to, width, true);
    } else {
      MultiplyNotZero({by_offset + from, kGroupRow, 1}, g.count, rows, depth,
                      width, to, width);
    }
    if (queries_finite) {
      Multiply({by_offset + from, 1, kGroupRow}, depth, queries + q * width,
               width, g.count, width, sums, sums_width, true);
    } else {
      MultiplyNotZero({by_offset + from, 1, kGroupRow}, depth,
                      queries + q * width, g.count, width, sums, sums_width);
    }
  }
}

}  // namespace KLF_NAMESPACE
}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_POSITIONS_H_
