// Packing bfloat16: copies of rows, transposes, pairs, and what to do about
// numbers that are not finite.
#ifndef KERAS_LONGFORMER_NATIVE_BFLOAT16_PACK_H_
#define KERAS_LONGFORMER_NATIVE_BFLOAT16_PACK_H_

#include "bfloat16_product.h"
#include "tile.h"

namespace keras_longformer {
namespace KLF_NAMESPACE {

// The head size in rows that a product runs along.
static KLF_INLINE int64_t HalfWidth(int64_t d) {
  return RoundUp(d, kDepthStep);
}

static KLF_INLINE __mmask32 FirstOf32(int64_t count) {
  return count >= 32 ? 0xffffffffu : (1u << count) - 1;
}

static KLF_INLINE bool IsFinite(uint16_t bits) {
  return (bits & 0x7f80) != 0x7f80;
}

// Copies `rows` rows of d numbers into rows of `width`, zeros behind d. Returns
// whether all are finite.
static bool PackHalfRows(const BFloat16* source, int64_t stride, int64_t rows,
                         int64_t d, int64_t width, uint16_t* target) {
  constexpr int64_t kAhead = 8;
  const __m512i magnitude = _mm512_set1_epi16(0x7fff);
  __m512i largest = _mm512_setzero_si512();
  for (int64_t r = 0; r < rows; ++r) {
    if (r + kAhead < rows) Prefetch(source + (r + kAhead) * stride, 0, 1, d);
    const BFloat16* from = source + r * stride;
    for (int64_t i = 0; i < width; i += 32) {
      const __m512i x = _mm512_maskz_loadu_epi16(FirstOf32(d - i), from + i);
      largest = _mm512_max_epu16(largest, _mm512_and_si512(x, magnitude));
      _mm512_storeu_si512(target + r * width + i, x);
    }
  }
  return _mm512_cmpge_epu16_mask(largest, _mm512_set1_epi16(0x7f80)) == 0;
}

// A whole tile of queries: zeros behind those that there are.
static bool PackHalfQueries(const BFloat16* source, int64_t stride,
                            int64_t count, int64_t d, int64_t width,
                            uint16_t* target) {
  std::memset(target + count * width, 0,
              sizeof(uint16_t) * (kTile - count) * width);
  return PackHalfRows(source, stride, count, d, width, target);
}

// A whole tile of keys: zeros also where the mask hides one.
static bool PackHalfKeys(const Tokens& tokens, const void* tensor,
                         const KeyTile& tile, int64_t d, int64_t width,
                         uint16_t* target) {
  const BFloat16* rows = tokens.Row<BFloat16>(tensor, tile.first);
  if (!tile.any_hidden) {
    return PackHalfQueries(rows, tokens.stride, tile.count, d, width, target);
  }
  std::memset(target, 0, sizeof(uint16_t) * kTile * width);
  bool finite = true;
  for (int64_t k = 0; k < tile.count; ++k) {
    if (!tile.seen[k]) continue;
    finite &= PackHalfRows(rows + k * tokens.stride, 0, 1, d, width,
                           target + k * width);
  }
  return finite;
}

// 16 x 16 words, in place.
static KLF_INLINE void TransposeSquare(__m512i x[16]) {
  __m512i y[16];
  for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
    x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
    x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
    x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
  }
  // x[i + j] has, in its quarter l, column 4 l + j of rows i to i + 3.
  for (int j = 0; j < 4; ++j) {
    const __m512i a = _mm512_shuffle_i32x4(x[j], x[4 + j], 0x88);
    const __m512i b = _mm512_shuffle_i32x4(x[j], x[4 + j], 0xdd);
    const __m512i c = _mm512_shuffle_i32x4(x[8 + j], x[12 + j], 0x88);
    const __m512i e = _mm512_shuffle_i32x4(x[8 + j], x[12 + j], 0xdd);
    y[j] = _mm512_shuffle_i32x4(a, c, 0x88);
    y[4 + j] = _mm512_shuffle_i32x4(b, e, 0x88);
    y[8 + j] = _mm512_shuffle_i32x4(a, c, 0xdd);
    y[12 + j] = _mm512_shuffle_i32x4(b, e, 0xdd);
  }
  for (int i = 0; i < 16; ++i) x[i] = y[i];
}

// target[c][r] = source[r][c] of words; both counts are multiples of 16.
static void TransposeWords(const void* source, int64_t source_row,
                           int64_t rows, int64_t columns, void* target,
                           int64_t target_row) {
  const uint32_t* from = static_cast<const uint32_t*>(source);
  uint32_t* to = static_cast<uint32_t*>(target);
  for (int64_t r = 0; r < rows; r += 16) {
    for (int64_t c = 0; c < columns; c += 16) {
      __m512i x[16];
      for (int i = 0; i < 16; ++i) {
        x[i] = _mm512_loadu_si512(from + (r + i) * source_row + c);
      }
      TransposeSquare(x);
      for (int i = 0; i < 16; ++i) {
        _mm512_storeu_si512(to + (c + i) * target_row + r, x[i]);
      }
    }
  }
}

// (kTile, d) of numbers to (d, kTile), which are rows again: left operands.
static void TransposeHalves(const uint16_t* source, int64_t width,
                            uint16_t* target) {
  for (int64_t r = 0; r < kTile; r += 32) {
    for (int64_t c = 0; c < width; c += 32) {
      // Pairs of rows; unpacking leaves their columns in this order.
      __m512i low[16], high[16];
      for (int i = 0; i < 16; ++i) {
        const uint16_t* from = source + (r + 2 * i) * width + c;
        const __m512i even = _mm512_loadu_si512(from);
        const __m512i odd = _mm512_loadu_si512(from + width);
        low[i] = _mm512_unpacklo_epi16(even, odd);
        high[i] = _mm512_unpackhi_epi16(even, odd);
      }
      TransposeSquare(low);
      TransposeSquare(high);
      for (int i = 0; i < 16; ++i) {
        uint16_t* to = target + (c + i / 4 * 8 + i % 4) * kTile + r;
        _mm512_storeu_si512(to, low[i]);
        _mm512_storeu_si512(to + 4 * kTile, high[i]);
      }
    }
  }
}

// Numbers as the pairs of two rows of floats, of the lower first.
static KLF_INLINE __m512i PairOf(Vector low, Vector high) {
  const __m512i in_order = (__m512i)_mm512_cvtne2ps_pbh((__m512)high,
                                                        (__m512)low);
  const __m512i order = _mm512_set_epi16(
      31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
      6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, in_order);
}

// (kTile, d) of numbers to pairs (kTile / 2, d): right operands.
static void PairRows(const uint16_t* source, int64_t width, uint32_t* target) {
  for (int64_t r = 0; r < kTile; r += 2) {
    for (int64_t c = 0; c < width; c += 16) {
      const uint16_t* from = source + r * width + c;
      const __m512i even =
          _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)from));
      const __m512i odd = _mm512_cvtepu16_epi32(
          _mm256_loadu_si256((const __m256i*)(from + width)));
      _mm512_storeu_si512(target + r / 2 * width + c,
                          _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
    }
  }
}

// Makes numbers that are not finite zeros, which products then leave alone.
// What they add to those that see them is `AddNotFinite`'s to say.
static void ClearNotFinite(int64_t count, uint16_t* numbers) {
  for (int64_t i = 0; i < count; ++i) {
    numbers[i] = IsFinite(numbers[i]) ? numbers[i] : 0;
  }
}

// Stores the first d floats of a row, times `factor`.
static KLF_INLINE void StoreHalfRow(const float* source, int64_t d,
                                    float factor, BFloat16* target) {
  for (int64_t i = 0; i < d; i += 16) {
    const Vector x = Load(source + i) * factor;
    const __mmask16 mask = d - i >= 16 ? 0xffff : (1u << (d - i)) - 1;
    _mm256_mask_storeu_epi16(target + i, mask,
                             (__m256i)_mm512_cvtneps_pbh((__m512)x));
  }
}

}  // namespace KLF_NAMESPACE
}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_BFLOAT16_PACK_H_
