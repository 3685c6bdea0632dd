// What XLA hands over, checked, as a Problem.
#ifndef KERAS_LONGFORMER_NATIVE_FFI_PROBLEM_H_
#define KERAS_LONGFORMER_NATIVE_FFI_PROBLEM_H_

#include <string>
#include <vector>

#include "band_attention.h"
#include "ffi_checks.h"
#include "xla/ffi/api/ffi.h"

namespace keras_longformer {

// Masks are given or left out; a tensor that is left out has no elements.
using Dilation = ffi::Span<const int64_t>;

// The attributes that all calls have.
struct Attributes {
  int64_t reach, causal, threshold;
  Dilation dilation;
};

// The operands that all calls have, in their order.
struct Operands {
  ffi::AnyBuffer query, key, value, key_mask;
  ffi::AnyBuffer global_key, global_value, global_key_mask;
  ffi::AnyBuffer segment_ids, global_segment_ids, seed;
};

// A tensor as Checks sees it, whether operand or result.
struct Named {
  const char* name;
  ffi::AnyBuffer buffer;
};

// What comes after all others where there are relative positions: operands
// position_query and position_key, and the gradients of both as results.
using Positions = std::vector<ffi::AnyBuffer>;

inline ffi::Error Take(const ffi::RemainingArgs& remaining, Positions* positions) {
  for (size_t i = 0; i < remaining.size(); ++i) {
    ffi::ErrorOr<ffi::AnyBuffer> x = remaining.get<ffi::AnyBuffer>(i);
    if (x.has_error()) return x.error();
    positions->push_back(*x);
  }
  return ffi::Error::Success();
}

inline ffi::Error Take(const ffi::RemainingRets& remaining, Positions* positions) {
  for (size_t i = 0; i < remaining.size(); ++i) {
    ffi::ErrorOr<ffi::Result<ffi::AnyBuffer>> x =
        remaining.get<ffi::AnyBuffer>(i);
    if (x.has_error()) return x.error();
    positions->push_back(**x);
  }
  return ffi::Error::Success();
}

// Fills in `problem`, whose pointers are good only if this returns success.
// `like_query` and `like_global_key` hold what must have the same shape and
// dtype as those; `positions` are none or two.
inline ffi::Error Check(const Operands& in, const std::vector<Named>& like_query,
                 const std::vector<Named>& like_global_key,
                 const Positions& positions, const Positions& gradients,
                 const Named& log_sum, const Attributes& attributes,
                 Problem* problem) {
  const auto [reach, causal, threshold, dilation] = attributes;
  Checks checks;
  const ffi::Span<const int64_t> shape = in.query.dimensions();
  if (shape.size() != 4) {
    checks.That(false, "query is " + ToString(shape) + ", must be (b, n, h, d)");
    return checks.Error();
  }
  Problem& p = *problem;
  p = {};
  p.b = shape[0], p.n = shape[1], p.h = shape[2], p.d = shape[3];
  const ffi::DataType dtype = in.query.element_type();
  checks.That(dtype == ffi::DataType::F32 || dtype == ffi::DataType::BF16,
              std::string("query is ") + Name(dtype) +
                  ", must be float32 or bfloat16");
  checks.That(p.d <= kMaxHeadSize,
              "query is " + ToString(shape) + ", its head size must be at most " +
                  std::to_string(kMaxHeadSize));
  // Positions are compared as 32-bit integers.
  const int64_t longest = int64_t{1} << 30;
  checks.That(p.n <= longest, "query is " + ToString(shape) +
                                  ", its length must be at most 2**30");
  const std::vector<int64_t> same(shape.begin(), shape.end());
  for (const Named& x : like_query) {
    checks.Type(x.name, x.buffer, dtype);
    checks.Shape(x.name, x.buffer, same, "as query");
  }

  const bool any_global = in.global_key.element_count() > 0;
  const ffi::Span<const int64_t> global_shape = in.global_key.dimensions();
  p.g = any_global && global_shape.size() == 4 ? global_shape[1] : 0;
  for (const Named& x : like_global_key) {
    checks.Type(x.name, x.buffer, dtype);
    if (any_global) {
      checks.Shape(x.name, x.buffer, {p.b, p.g, p.h, p.d},
                   "to go with query and global_key");
    } else {
      checks.That(x.buffer.element_count() == 0,
                  std::string(x.name) + " is " +
                      ToString(x.buffer.dimensions()) +
                      ", must be empty as global_key");
    }
  }
  if (in.key_mask.element_count() > 0) {
    checks.Shape("key_mask", in.key_mask, {p.b, p.n}, "to go with query");
  }
  if (in.global_key_mask.element_count() > 0) {
    checks.Shape("global_key_mask", in.global_key_mask, {p.b, p.g},
                 "to go with query and global_key");
  }
  const bool any_segments = in.segment_ids.element_count() > 0;
  if (any_segments) {
    checks.Shape("segment_ids", in.segment_ids, {p.b, p.n}, "to go with query");
  }
  if (any_segments && any_global) {
    checks.Shape("global_segment_ids", in.global_segment_ids, {p.b, p.g},
                 "to go with query and global_key");
  }
  checks.Type("segment_ids", in.segment_ids, ffi::DataType::S32);
  checks.Type("global_segment_ids", in.global_segment_ids, ffi::DataType::S32);
  checks.Type("seed", in.seed, ffi::DataType::S32);
  if (threshold != 0) checks.Shape("seed", in.seed, {2}, "for dropout");
  checks.That(0 <= threshold && threshold < 65536,
              "threshold is " + std::to_string(threshold) +
                  ", must lie in [0, 65536)");
  checks.Type("key_mask", in.key_mask, ffi::DataType::PRED);
  checks.Type("global_key_mask", in.global_key_mask, ffi::DataType::PRED);
  checks.Type(log_sum.name, log_sum.buffer, ffi::DataType::F32);
  checks.Shape(log_sum.name, log_sum.buffer, {p.b, p.h, p.n},
               "to go with query");

  const char* names[] = {"position_query", "position_key",
                         "position_query_gradient", "position_key_gradient"};
  const std::vector<int64_t> offsets = {(causal ? reach : 2 * reach) + 1, p.h,
                                        p.d};
  for (const Positions* buffers : {&positions, &gradients}) {
    const char** name = names + (buffers == &positions ? 0 : 2);
    if (buffers->empty()) continue;
    if (buffers->size() != 2) {
      checks.That(false, "positions are two tensors or none");
      return checks.Error();
    }
    for (size_t i = 0; i < 2; ++i) {
      checks.Type(name[i], (*buffers)[i], dtype);
      checks.Shape(name[i], (*buffers)[i], i == 0 ? same : offsets,
                   i == 0 ? "as query" : "to go with query and its window");
    }
    checks.That(!any_global, "position_key does not go with global_key");
  }

  checks.That(reach >= 0, "reach is " + std::to_string(reach) +
                              ", must not be negative");
  checks.That(static_cast<int64_t>(dilation.size()) == p.h,
              "dilation is " + ToString(dilation) + ", must have one value for "
                  "each of the " + std::to_string(p.h) + " heads of query");
  for (const int64_t step : dilation) {
    if (step < 1) {
      checks.That(false, "dilation is " + ToString(dilation) +
                             ", must be at least 1");
      break;
    }
  }
  p.dtype =
      dtype == ffi::DataType::F32 ? DataType::kFloat32 : DataType::kBFloat16;
  p.reach = reach;
  p.causal = causal != 0;
  p.dilation = dilation.begin();
  p.query = in.query.untyped_data();
  p.key = in.key.untyped_data();
  p.value = in.value.untyped_data();
  p.global_key = in.global_key.untyped_data();
  p.global_value = in.global_value.untyped_data();
  const auto mask = [](const ffi::AnyBuffer& buffer) {
    return buffer.element_count() == 0
               ? nullptr
               : static_cast<const uint8_t*>(buffer.untyped_data());
  };
  p.key_mask = mask(in.key_mask);
  p.global_key_mask = mask(in.global_key_mask);
  if (any_segments) {
    p.segments = static_cast<const int32_t*>(in.segment_ids.untyped_data());
    p.global_segments =
        static_cast<const int32_t*>(in.global_segment_ids.untyped_data());
  }
  if (!positions.empty()) {
    p.position_query = positions[0].untyped_data();
    p.position_key = positions[1].untyped_data();
  }
  if (threshold != 0) {
    p.seed = static_cast<const int32_t*>(in.seed.untyped_data());
    p.threshold = static_cast<uint32_t>(threshold);
  }
  p.log_sum = static_cast<float*>(log_sum.buffer.untyped_data());
  return checks.Error();
}

}  // namespace keras_longformer

#endif  // KERAS_LONGFORMER_NATIVE_FFI_PROBLEM_H_
