// Kernels with products of bfloat16, for one kind of these. What they do not
// have is as in AVX-512 alone: float32, and relative positions.
#ifndef KERAS_LONGFORMER_NATIVE_BFLOAT16_KERNELS_H_
#define KERAS_LONGFORMER_NATIVE_BFLOAT16_KERNELS_H_

#define KLF_LANES 16
// Rows and vectors of a product of floats kept in registers.
#define KLF_ROWS 4
#define KLF_WIDE 4

#include "bfloat16_backward.h"

namespace keras_longformer {
namespace KLF_NAMESPACE {

static bool IsOurs(const Problem& p) {
  return p.dtype == DataType::kBFloat16 && p.position_key == nullptr;
}

static int64_t AnyForwardScratch(const Problem& p, int64_t num_blocks) {
  return IsOurs(p) ? HalfForwardScratch(p, num_blocks)
                   : kAvx512Kernels.forward_scratch(p, num_blocks);
}

static int64_t AnyBackwardScratch(const Problem& p, int64_t num_blocks) {
  return IsOurs(p) ? HalfBackwardScratch(p, num_blocks)
                   : kAvx512Kernels.backward_scratch(p, num_blocks);
}

static void AnyForward(const Problem& p, const Item& item, float* scratch) {
  (IsOurs(p) ? HalfForward : kAvx512Kernels.forward)(p, item, scratch);
}

static void AnyBackward(const Problem& p, const Item& item, float* scratch) {
  (IsOurs(p) ? HalfBackward : kAvx512Kernels.backward)(p, item, scratch);
}

static void AnyStorePositions(const Problem& p, int64_t h, const float* sums) {
  kAvx512Kernels.store_positions(p, h, sums);
}

}  // namespace KLF_NAMESPACE

const Kernels KLF_BFLOAT16_KERNELS = {
    KLF_BFLOAT16_NAME,            KLF_NAMESPACE::AnyForwardScratch,
    KLF_NAMESPACE::AnyBackwardScratch, KLF_NAMESPACE::AnyForward,
    KLF_NAMESPACE::AnyBackward,      KLF_NAMESPACE::AnyStorePositions};

}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_BFLOAT16_KERNELS_H_
