// Products of bfloat16 matrices with float sums, by tiles (AMX) or by vectors
// (AVX512-BF16), and the orders in which they want their operands:
//
//   left    rows of numbers, as the tensors have them
//   right   pairs: word (i, x) holds elements (2 i, x), in its lower half, and
//           (2 i + 1, x); a matrix (r, d) read as words (r, d / 2), transposed,
//           is the pairs of its transpose (d, r)
//
// Like `vector.h` this is compiled once for each instruction set. Both flush
// numbers below 2**-126 to zero.
#ifndef KERAS_LONGFORMER_NATIVE_BFLOAT16_PRODUCT_H_
#define KERAS_LONGFORMER_NATIVE_BFLOAT16_PRODUCT_H_

#include <immintrin.h>

#include "vector.h"

namespace keras_longformer {
namespace KLF_NAMESPACE {

// Depths are multiples of 32 and all else of 16: what a tile of the processor
// holds. Behind what there is lie zeros.
constexpr int64_t kDepthStep = 32;
constexpr int64_t kTileRows = 16;

#ifdef KLF_AMX

// Tiles of the processor: 0 to 3 hold sums, 4 and 5 left, 6 and 7 right
// operands; all have 16 rows of 64 bytes.
struct alignas(64) TileLayout {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// While it lives, this thread has its tiles. The next to want some lays them
// out for itself: between functions they belong to nobody.
class Tiles {
 public:
  Tiles() {
    const TileLayout layout;
    _tile_loadconfig(&layout);
  }
  ~Tiles() { _tile_release(); }
};

#if defined(__SANITIZE_ADDRESS__)
#define KLF_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KLF_ADDRESS_SANITIZER
#endif
#endif

// What a sanitizer is to see of a tile that is loaded or stored.
static KLF_INLINE void ShowTile(const void* p, int64_t row_bytes) {
#ifdef KLF_ADDRESS_SANITIZER
  for (int64_t r = 0; r < kTileRows; ++r) {
    const volatile char* row = static_cast<const char*>(p) + r * row_bytes;
    (void)row[0];
    (void)row[63];
  }
#else
  (void)p, (void)row_bytes;
#endif
}

// The numbers of tiles are written into the instructions.
#define KLF_LOAD_TILE(number, p, row_bytes) \
  do {                                      \
    ShowTile(p, row_bytes);                 \
    _tile_loadd(number, p, row_bytes);      \
  } while (false)
#define KLF_STORE_TILE(number, p, row_bytes) \
  do {                                       \
    ShowTile(p, row_bytes);                  \
    _tile_stored(number, p, row_bytes);      \
  } while (false)

// Up to 2 x 2 tiles of sums.
template <int kDown, int kAcross>
static KLF_INLINE void MultiplyPairTiles(const uint16_t* a, int64_t a_row,
                                         const uint32_t* b, int64_t b_row,
                                         int64_t depth, float* c,
                                         int64_t c_row, bool add) {
  const int64_t a_bytes = 2 * a_row, b_bytes = 4 * b_row, c_bytes = 4 * c_row;
  const uint16_t* a1 = a + kTileRows * a_row;
  float* c1 = c + kTileRows * c_row;
  if (add) {
    KLF_LOAD_TILE(0, c, c_bytes);
    if (kAcross > 1) KLF_LOAD_TILE(1, c + 16, c_bytes);
    if (kDown > 1) KLF_LOAD_TILE(2, c1, c_bytes);
    if (kDown > 1 && kAcross > 1) KLF_LOAD_TILE(3, c1 + 16, c_bytes);
  } else {
    _tile_zero(0);
    if (kAcross > 1) _tile_zero(1);
    if (kDown > 1) _tile_zero(2);
    if (kDown > 1 && kAcross > 1) _tile_zero(3);
  }
  for (int64_t i = 0; i < depth; i += kDepthStep) {
    const uint32_t* right = b + i / 2 * b_row;
    KLF_LOAD_TILE(4, a + i, a_bytes);
    KLF_LOAD_TILE(6, right, b_bytes);
    _tile_dpbf16ps(0, 4, 6);
    if (kAcross > 1) {
      KLF_LOAD_TILE(7, right + 16, b_bytes);
      _tile_dpbf16ps(1, 4, 7);
    }
    if (kDown > 1) {
      KLF_LOAD_TILE(5, a1 + i, a_bytes);
      _tile_dpbf16ps(2, 5, 6);
    }
    if (kDown > 1 && kAcross > 1) _tile_dpbf16ps(3, 5, 7);
  }
  KLF_STORE_TILE(0, c, c_bytes);
  if (kAcross > 1) KLF_STORE_TILE(1, c + 16, c_bytes);
  if (kDown > 1) KLF_STORE_TILE(2, c1, c_bytes);
  if (kDown > 1 && kAcross > 1) KLF_STORE_TILE(3, c1 + 16, c_bytes);
}

template <int kDown>
static KLF_INLINE void MultiplyPairRows(const uint16_t* a, int64_t a_row,
                                        const uint32_t* b, int64_t b_row,
                                        int64_t depth, int64_t columns,
                                        float* c, int64_t c_row, bool add) {
  int64_t x = 0;
  for (; x + 32 <= columns; x += 32) {
    MultiplyPairTiles<kDown, 2>(a, a_row, b + x, b_row, depth, c + x, c_row,
                                add);
  }
  if (x < columns) {
    MultiplyPairTiles<kDown, 1>(a, a_row, b + x, b_row, depth, c + x, c_row,
                                add);
  }
}

// C[r][:] (+)= sum over i < depth of A[r][i] * B[i][:]. `a_row` counts numbers,
// `b_row` words: see above.
static void MultiplyPairs(const uint16_t* a, int64_t a_row, int64_t rows,
                          const uint32_t* b, int64_t b_row, int64_t depth,
                          int64_t columns, float* c, int64_t c_row, bool add) {
  // Compilers do not know that tiles are loaded from memory.
  __asm__ volatile("" ::: "memory");
  int64_t r = 0;
  for (; r + 2 * kTileRows <= rows; r += 2 * kTileRows) {
    MultiplyPairRows<2>(a + r * a_row, a_row, b, b_row, depth, columns,
                        c + r * c_row, c_row, add);
  }
  if (r < rows) {
    MultiplyPairRows<1>(a + r * a_row, a_row, b, b_row, depth, columns,
                        c + r * c_row, c_row, add);
  }
}

#else  // AVX512-BF16

class Tiles {
 public:
  Tiles() {}
  ~Tiles() {}
};

template <int kRows, int kWide>
static KLF_INLINE void MultiplyPairBlock(const uint16_t* a, int64_t a_row,
                                         const uint32_t* b, int64_t b_row,
                                         int64_t depth, float* c,
                                         int64_t c_row, bool add) {
  __m512 sum[kRows][kWide];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kWide; ++v) {
      sum[r][v] = add ? _mm512_loadu_ps(c + r * c_row + v * kLanes)
                      : _mm512_setzero_ps();
    }
  }
  for (int64_t i = 0; i < depth; i += 2) {
    __m512bh right[kWide];
    for (int v = 0; v < kWide; ++v) {
      right[v] = (__m512bh)_mm512_loadu_si512(b + i / 2 * b_row + v * kLanes);
    }
    for (int r = 0; r < kRows; ++r) {
      int32_t pair;
      std::memcpy(&pair, a + r * a_row + i, sizeof(pair));
      const __m512bh left = (__m512bh)_mm512_set1_epi32(pair);
      for (int v = 0; v < kWide; ++v) {
        sum[r][v] = _mm512_dpbf16_ps(sum[r][v], left, right[v]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kWide; ++v) {
      _mm512_storeu_ps(c + r * c_row + v * kLanes, sum[r][v]);
    }
  }
}

// C[r][:] (+)= sum over i < depth of A[r][i] * B[i][:]. `a_row` counts numbers,
// `b_row` words: see above.
static void MultiplyPairs(const uint16_t* a, int64_t a_row, int64_t rows,
                          const uint32_t* b, int64_t b_row, int64_t depth,
                          int64_t columns, float* c, int64_t c_row, bool add) {
  int64_t x = 0;
  for (; x + 4 * kLanes <= columns; x += 4 * kLanes) {
    for (int64_t r = 0; r < rows; r += 4) {
      MultiplyPairBlock<4, 4>(a + r * a_row, a_row, b + x, b_row, depth,
                              c + r * c_row + x, c_row, add);
    }
  }
  for (; x + 2 * kLanes <= columns; x += 2 * kLanes) {
    for (int64_t r = 0; r < rows; r += 8) {
      MultiplyPairBlock<8, 2>(a + r * a_row, a_row, b + x, b_row, depth,
                              c + r * c_row + x, c_row, add);
    }
  }
  if (x < columns) {
    for (int64_t r = 0; r < rows; r += 16) {
      MultiplyPairBlock<16, 1>(a + r * a_row, a_row, b + x, b_row, depth,
                               c + r * c_row + x, c_row, add);
    }
  }
}

#endif  // KLF_AMX

}  // namespace KLF_NAMESPACE
}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_BFLOAT16_PRODUCT_H_
