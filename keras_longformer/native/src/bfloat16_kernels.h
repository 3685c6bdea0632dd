// Kernels with products of bfloat16, for one kind of these. What they do not
// have is as in AVX-512 alone: float32, relative positions, and scores.
#ifndef KERAS_LONGFORMER_NATIVE_BFLOAT16_KERNELS_H_
#define KERAS_LONGFORMER_NATIVE_BFLOAT16_KERNELS_H_

#define KLF_LANES 16
// Rows and vectors of a product of floats kept in registers.
#define KLF_ROWS 4
#define KLF_WIDE 4

#include "bfloat16_backward.h"

namespace keras_longformer {
namespace KLF_NAMESPACE {

// What AVX-512 computes in our place.
static const Kernels& Others() { return kAvx512Kernels; }

static bool IsOurs(const Problem& p) {
  return p.dtype == DataType::kBFloat16 && p.position_key == nullptr;
}

static int64_t AnyForwardScratch(const Problem& p, int64_t num_blocks) {
  return (IsOurs(p) ? HalfForwardScratch
                    : Others().scratch[kForward])(p, num_blocks);
}

static int64_t AnyBackwardScratch(const Problem& p, int64_t num_blocks) {
  return (IsOurs(p) ? HalfBackwardScratch
                    : Others().scratch[kBackward])(p, num_blocks);
}

static int64_t AnyScoresScratch(const Problem& p, int64_t num_blocks) {
  return Others().scratch[kScores](p, num_blocks);
}

static void AnyForward(const Problem& p, const Item& item, float* scratch) {
  (IsOurs(p) ? HalfForward : Others().run[kForward])(p, item, scratch);
}

static void AnyBackward(const Problem& p, const Item& item, float* scratch) {
  (IsOurs(p) ? HalfBackward : Others().run[kBackward])(p, item, scratch);
}

static void AnyScores(const Problem& p, const Item& item, float* scratch) {
  Others().run[kScores](p, item, scratch);
}

static void AnyPositions(const Problem& p, int64_t h, const float* sums) {
  Others().store_positions(p, h, sums);
}

}  // namespace KLF_NAMESPACE

const Kernels KLF_BFLOAT16_KERNELS = {
    KLF_BFLOAT16_NAME,
    {KLF_NAMESPACE::AnyForwardScratch, KLF_NAMESPACE::AnyBackwardScratch,
     KLF_NAMESPACE::AnyScoresScratch},
    {KLF_NAMESPACE::AnyForward, KLF_NAMESPACE::AnyBackward,
     KLF_NAMESPACE::AnyScores},
    KLF_NAMESPACE::AnyPositions};

}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_BFLOAT16_KERNELS_H_
