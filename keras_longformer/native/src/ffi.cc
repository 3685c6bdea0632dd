// The custom calls that XLA finds by name. Three layers: the maths (the
// kernels), `Run`, which shares a problem out to XLA's threads, and the
// dispatch functions, which check what XLA hands over.
#include <memory>
#include <string>
#include <vector>

#include "ffi_checks.h"
#include "schedule.h"
#include "xla/ffi/api/ffi.h"

namespace keras_longformer {
namespace {


// Masks are given or left out; a tensor that is left out has no elements.
using Dilation = ffi::Span<const int64_t>;

// The attributes that both calls have.
struct Attributes {
  int64_t reach, causal, threshold;
  Dilation dilation;
};

ffi::Error Run(const Problem& problem, bool backward, ffi::ThreadPool& pool) {
  const int64_t threads = pool.num_threads() > 0 ? pool.num_threads() : 1;
  // Threads that come late find nothing left to do, but must find the job.
  const auto job = std::make_shared<Job>(problem, backward, threads);
  for (int64_t i = 1; i < threads && i < job->num_items(); ++i) {
    pool.Schedule([job] { job->Work(); });
  }
  job->Work();
  if (!job->Wait()) {
    return ffi::Error(ffi::ErrorCode::kResourceExhausted,
                      "window_attention: out of memory for scratch buffers");
  }
  return ffi::Error::Success();
}

// The operands that both calls have, in their order.
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

ffi::Error Take(const ffi::RemainingArgs& remaining, Positions* positions) {
  for (size_t i = 0; i < remaining.size(); ++i) {
    ffi::ErrorOr<ffi::AnyBuffer> x = remaining.get<ffi::AnyBuffer>(i);
    if (x.has_error()) return x.error();
    positions->push_back(*x);
  }
  return ffi::Error::Success();
}

ffi::Error Take(const ffi::RemainingRets& remaining, Positions* positions) {
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
ffi::Error Check(const Operands& in, const std::vector<Named>& like_query,
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

ffi::Error Forward(ffi::ThreadPool pool, ffi::AnyBuffer query,
                   ffi::AnyBuffer key, ffi::AnyBuffer value,
                   ffi::AnyBuffer key_mask, ffi::AnyBuffer global_key,
                   ffi::AnyBuffer global_value, ffi::AnyBuffer global_key_mask,
                   ffi::AnyBuffer segment_ids,
                   ffi::AnyBuffer global_segment_ids, ffi::AnyBuffer seed,
                   ffi::RemainingArgs remaining,
                   ffi::Result<ffi::AnyBuffer> output,
                   ffi::Result<ffi::AnyBuffer> log_sum, int64_t reach,
                   int64_t causal, int64_t threshold, Dilation dilation) {
  Problem problem;
  const Operands operands = {query,           key,          value,
                             key_mask,        global_key,   global_value,
                             global_key_mask, segment_ids,  global_segment_ids,
                             seed};
  Positions positions;
  ffi::Error error = Take(remaining, &positions);
  if (error.failure()) return error;
  error = Check(
      operands, {{"key", key}, {"value", value}, {"output", *output}},
      {{"global_key", global_key}, {"global_value", global_value}},
      positions, {}, {"log_sum", *log_sum},
      {reach, causal, threshold, dilation}, &problem);
  if (error.failure()) return error;
  problem.output = output->untyped_data();
  return Run(problem, /*backward=*/false, pool);
}

ffi::Error Backward(ffi::ThreadPool pool, ffi::AnyBuffer query,
                    ffi::AnyBuffer key, ffi::AnyBuffer value,
                    ffi::AnyBuffer key_mask, ffi::AnyBuffer global_key,
                    ffi::AnyBuffer global_value, ffi::AnyBuffer global_key_mask,
                    ffi::AnyBuffer segment_ids,
                    ffi::AnyBuffer global_segment_ids, ffi::AnyBuffer seed,
                    ffi::AnyBuffer output, ffi::AnyBuffer log_sum,
                    ffi::AnyBuffer output_gradient,
                    ffi::RemainingArgs remaining,
                    ffi::Result<ffi::AnyBuffer> query_gradient,
                    ffi::Result<ffi::AnyBuffer> key_gradient,
                    ffi::Result<ffi::AnyBuffer> value_gradient,
                    ffi::Result<ffi::AnyBuffer> global_key_gradient,
                    ffi::Result<ffi::AnyBuffer> global_value_gradient,
                    ffi::RemainingRets remaining_gradients,
                    int64_t reach, int64_t causal, int64_t threshold,
                    Dilation dilation) {
  Problem problem;
  const Operands operands = {query,           key,          value,
                             key_mask,        global_key,   global_value,
                             global_key_mask, segment_ids,  global_segment_ids,
                             seed};
  Positions positions, gradients;
  ffi::Error error = Take(remaining, &positions);
  if (error.success()) error = Take(remaining_gradients, &gradients);
  if (error.failure()) return error;
  error = Check(
      operands,
      {{"key", key},
       {"value", value},
       {"output", output},
       {"output_gradient", output_gradient},
       {"query_gradient", *query_gradient},
       {"key_gradient", *key_gradient},
       {"value_gradient", *value_gradient}},
      {{"global_key", global_key},
       {"global_value", global_value},
       {"global_key_gradient", *global_key_gradient},
       {"global_value_gradient", *global_value_gradient}},
      positions, gradients, {"log_sum", log_sum},
      {reach, causal, threshold, dilation}, &problem);
  if (error.failure()) return error;
  if (positions.size() != gradients.size()) {
    return ffi::Error::InvalidArgument(
        "window_attention: positions and their gradients do not match");
  }
  if (!gradients.empty()) {
    problem.position_query_gradient = gradients[0].untyped_data();
    problem.position_key_gradient = gradients[1].untyped_data();
  }
  problem.output = output.untyped_data();
  problem.output_gradient = output_gradient.untyped_data();
  problem.query_gradient = query_gradient->untyped_data();
  problem.key_gradient = key_gradient->untyped_data();
  problem.value_gradient = value_gradient->untyped_data();
  problem.global_key_gradient = global_key_gradient->untyped_data();
  problem.global_value_gradient = global_value_gradient->untyped_data();
  return Run(problem, /*backward=*/true, pool);
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    KerasLongformerForward, Forward,
    ffi::Ffi::Bind()
        .Ctx<ffi::ThreadPool>()
        .Arg<ffi::AnyBuffer>()   // query (b, n, h, d)
        .Arg<ffi::AnyBuffer>()   // key
        .Arg<ffi::AnyBuffer>()   // value
        .Arg<ffi::AnyBuffer>()   // key_mask (b, n) or (0, 0)
        .Arg<ffi::AnyBuffer>()   // global_key (b, g, h, d) or (0, 0, 0, 0)
        .Arg<ffi::AnyBuffer>()   // global_value
        .Arg<ffi::AnyBuffer>()   // global_key_mask (b, g) or (0, 0)
        .Arg<ffi::AnyBuffer>()   // segment_ids (b, n) int32 or (0, 0)
        .Arg<ffi::AnyBuffer>()   // global_segment_ids (b, g) int32 or (0, 0)
        .Arg<ffi::AnyBuffer>()   // seed (2,) int32 or (0,)
        .RemainingArgs()         // position_query (b, n, h, d), position_key
        .Ret<ffi::AnyBuffer>()   // output (b, n, h, d)
        .Ret<ffi::AnyBuffer>()   // log_sum (b, h, n) float32
        .Attr<int64_t>("reach")
        .Attr<int64_t>("causal")
        .Attr<int64_t>("threshold")    // for dropout: its rate times 2**16
        .Attr<Dilation>("dilation"));  // (h,)

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    KerasLongformerBackward, Backward,
    ffi::Ffi::Bind()
        .Ctx<ffi::ThreadPool>()
        .Arg<ffi::AnyBuffer>()   // query (b, n, h, d)
        .Arg<ffi::AnyBuffer>()   // key
        .Arg<ffi::AnyBuffer>()   // value
        .Arg<ffi::AnyBuffer>()   // key_mask (b, n) or (0, 0)
        .Arg<ffi::AnyBuffer>()   // global_key (b, g, h, d) or (0, 0, 0, 0)
        .Arg<ffi::AnyBuffer>()   // global_value
        .Arg<ffi::AnyBuffer>()   // global_key_mask (b, g) or (0, 0)
        .Arg<ffi::AnyBuffer>()   // segment_ids (b, n) int32 or (0, 0)
        .Arg<ffi::AnyBuffer>()   // global_segment_ids (b, g) int32 or (0, 0)
        .Arg<ffi::AnyBuffer>()   // seed (2,) int32 or (0,)
        .Arg<ffi::AnyBuffer>()   // output (b, n, h, d)
        .Arg<ffi::AnyBuffer>()   // log_sum (b, h, n) float32
        .Arg<ffi::AnyBuffer>()   // output_gradient (b, n, h, d)
        .RemainingArgs()         // position_query, position_key
        .Ret<ffi::AnyBuffer>()   // query_gradient (b, n, h, d)
        .Ret<ffi::AnyBuffer>()   // key_gradient
        .Ret<ffi::AnyBuffer>()   // value_gradient
        .Ret<ffi::AnyBuffer>()   // global_key_gradient as global_key
        .Ret<ffi::AnyBuffer>()   // global_value_gradient
        .RemainingRets()         // their gradients
        .Attr<int64_t>("reach")
        .Attr<int64_t>("causal")
        .Attr<int64_t>("threshold")    // for dropout: its rate times 2**16
        .Attr<Dilation>("dilation"));  // (h,)

}  // namespace
}  // namespace keras_longformer

#define KLF_EXPORT extern "C" __attribute__((visibility("default")))

// Makes both calls known to the XLA that `api` belongs to. Returns null, or
// what went wrong (a text that stays valid until the next call).
KLF_EXPORT const char* keras_longformer_register(const XLA_FFI_Api* api) {
  namespace ffi = xla::ffi;
  static std::string text;
  const auto add = [&](const char* name, XLA_FFI_Handler* handler) {
    XLA_FFI_Error* error =
        ffi::Ffi::RegisterStaticHandler(api, name, "Host", handler);
    if (error == nullptr) return true;
    text = ffi::internal::GetErrorMessage(api, error);
    ffi::internal::DestroyError(api, error);
    return false;
  };
  const bool good = add("keras_longformer_window_attention",
                        keras_longformer::KerasLongformerForward) &&
                    add("keras_longformer_window_attention_gradient",
                        keras_longformer::KerasLongformerBackward);
  return good ? nullptr : text.c_str();
}

// Selects "portable", "avx2", "avx512", "avx512_bf16" or "amx"; "" selects the
// fastest. Returns 0 for what this machine cannot run.
KLF_EXPORT int keras_longformer_choose_instructions(const char* name) {
  return keras_longformer::ChooseKernels(name);
}

KLF_EXPORT const char* keras_longformer_instructions() {
  return keras_longformer::CurrentKernels()->name;
}
