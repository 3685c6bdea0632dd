// Vectors of KLF_LANES floats, in the compiler's own vector extension, so that
// one text serves every instruction set.
//
// This file and the ones that include it are compiled once per instruction set,
// each time in another namespace. They use no inline function of the standard
// library: the linker keeps one copy of those, and it might be the copy made
// for a newer machine than the one at hand.
#ifndef KERAS_LONGFORMER_NATIVE_VECTOR_H_
#define KERAS_LONGFORMER_NATIVE_VECTOR_H_

#include <cstdint>
#include <cstring>

#include "band_attention.h"

#define KLF_INLINE inline __attribute__((always_inline))

namespace keras_longformer {
namespace KLF_NAMESPACE {

constexpr int kLanes = KLF_LANES;
constexpr int kBytes = 4 * KLF_LANES;
constexpr int kVectors = kTile / kLanes;  // in a row of a tile

typedef float Vector __attribute__((vector_size(kBytes)));
typedef int32_t Ints __attribute__((vector_size(kBytes)));
typedef float LooseVector
    __attribute__((vector_size(kBytes), aligned(4), may_alias));

static KLF_INLINE Vector Load(const float* p) {
  return *reinterpret_cast<const LooseVector*>(p);
}
static KLF_INLINE void Store(float* p, Vector v) {
  *reinterpret_cast<LooseVector*>(p) = v;
}
static KLF_INLINE Vector Broadcast(float x) { return x - Vector{}; }
static KLF_INLINE Ints Broadcast(int32_t x) { return x - Ints{}; }

// NaN in `a` gives `b`: a running maximum passes over NaN.
static KLF_INLINE Vector Max(Vector a, Vector b) { return a > b ? a : b; }

static KLF_INLINE Ints LaneNumbers() {
  Ints lanes;
  for (int i = 0; i < kLanes; ++i) lanes[i] = i;
  return lanes;
}

static KLF_INLINE Vector Keep(Vector v, Ints seen) {
  return (Vector)((Ints)v & seen);
}

static KLF_INLINE bool Any(Ints v) {
  int32_t any = 0;
  for (int i = 0; i < kLanes; ++i) any |= v[i];
  return any != 0;
}

// 2**x for x <= 0 (or a little above), 0 below -125, NaN for NaN; relative
// error below 2e-7. Coefficients: Cephes, exp2f.
static KLF_INLINE Vector Exp2(Vector x) {
  const Ints tiny = x < Broadcast(-125.0f);
  // Adding 1.5 * 2**23 rounds to the nearest integer, kept in the low bits.
  const Vector rounded = x + 12582912.0f;
  const Vector r = x - (rounded - 12582912.0f);
  Vector p = Broadcast(1.535336188319500e-4f);
  p = p * r + 1.339887440266574e-3f;
  p = p * r + 9.618437357674640e-3f;
  p = p * r + 5.550332471162809e-2f;
  p = p * r + 2.402264791363012e-1f;
  p = p * r + 6.931472028550421e-1f;
  p = p * r + 1.0f;
  // A product, not an addition to the exponent bits: NaN stays NaN.
  const Vector power = (Vector)(((Ints)rounded << 23) + 0x3f800000);
  return Keep(p * power, ~tiny);
}

static KLF_INLINE int64_t Min(int64_t a, int64_t b) { return a < b ? a : b; }
static KLF_INLINE int64_t Max(int64_t a, int64_t b) { return a > b ? a : b; }
static constexpr KLF_INLINE int64_t RoundUp(int64_t a, int64_t multiple) {
  return (a + multiple - 1) / multiple * multiple;
}

// bfloat16 is the upper half of a float.
struct BFloat16 {
  uint16_t bits;
};

static KLF_INLINE float ToFloat(float x) { return x; }
static KLF_INLINE float ToFloat(BFloat16 x) {
  const uint32_t bits = uint32_t{x.bits} << 16;
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}
static KLF_INLINE void FromFloat(float x, float* target) { *target = x; }
static KLF_INLINE void FromFloat(float x, BFloat16* target) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  // To nearest, ties to even; NaN must not round up to infinity.
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const uint32_t nan = (bits >> 16) | 0x40;
  const bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
  target->bits = static_cast<uint16_t>(is_nan ? nan : rounded);
}

typedef uint16_t HalfInts __attribute__((vector_size(kBytes / 2)));

// The next kLanes elements as floats, and back.
static KLF_INLINE Vector LoadFloats(const float* p) { return Load(p); }
static KLF_INLINE Vector LoadFloats(const BFloat16* p) {
  HalfInts bits;
  std::memcpy(&bits, p, sizeof(bits));
  return (Vector)(__builtin_convertvector(bits, Ints) << 16);
}
static KLF_INLINE void StoreFloats(Vector v, float* p) { Store(p, v); }
static KLF_INLINE void StoreFloats(Vector v, BFloat16* p) {
  const Ints bits = (Ints)v;
  const Ints upper = (bits >> 16) & 0xffff;
  const Ints rounded = ((bits + 0x7fff + (upper & 1)) >> 16) & 0xffff;
  const Ints is_nan = (bits & 0x7fffffff) > Broadcast(0x7f800000);
  const HalfInts result =
      __builtin_convertvector(is_nan ? upper | 0x40 : rounded, HalfInts);
  std::memcpy(p, &result, sizeof(result));
}

}  // namespace KLF_NAMESPACE
}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_VECTOR_H_
