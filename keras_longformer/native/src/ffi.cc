// The custom calls that XLA finds by name. Three layers: the maths (the
// kernels), `Run`, which shares a problem out to XLA's threads, and the
// dispatch functions, which check what XLA hands over.
#include <memory>
#include <string>

#include "ffi_problem.h"
#include "schedule.h"
#include "xla/ffi/api/ffi.h"

namespace keras_longformer {
namespace {

ffi::Error Run(const Problem& problem, Pass pass, ffi::ThreadPool& pool) {
  const int64_t threads = pool.num_threads() > 0 ? pool.num_threads() : 1;
  // Threads that come late find nothing left to do, but must find the job.
  const auto job = std::make_shared<Job>(problem, pass, threads);
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
  return Run(problem, kForward, pool);
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
  return Run(problem, kBackward, pool);
}

// The probabilities of the forward pass whose log_sum this is.
ffi::Error Scores(ffi::ThreadPool pool, ffi::AnyBuffer query,
                  ffi::AnyBuffer key, ffi::AnyBuffer value,
                  ffi::AnyBuffer key_mask, ffi::AnyBuffer global_key,
                  ffi::AnyBuffer global_value, ffi::AnyBuffer global_key_mask,
                  ffi::AnyBuffer segment_ids, ffi::AnyBuffer global_segment_ids,
                  ffi::AnyBuffer seed, ffi::AnyBuffer log_sum,
                  ffi::RemainingArgs remaining,
                  ffi::Result<ffi::AnyBuffer> scores, int64_t reach,
                  int64_t causal, int64_t threshold, Dilation dilation) {
  Problem problem;
  const Operands operands = {query,           key,          value,
                             key_mask,        global_key,   global_value,
                             global_key_mask, segment_ids,  global_segment_ids,
                             seed};
  Positions positions;
  ffi::Error error = Take(remaining, &positions);
  if (error.failure()) return error;
  error = Check(operands, {{"key", key}},
                {{"global_key", global_key}}, positions, {},
                {"log_sum", log_sum}, {reach, causal, threshold, dilation},
                &problem);
  if (error.failure()) return error;
  Checks checks;
  checks.Type("scores", *scores, query.element_type());
  checks.Shape("scores", *scores,
               {problem.b, problem.h, problem.n, problem.g + 2 * reach + 1},
               "to go with query, global_key and the window");
  if (checks.Error().failure()) return checks.Error();
  problem.scores = scores->untyped_data();
  return Run(problem, kScores, pool);
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

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    KerasLongformerScores, Scores,
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
        .Arg<ffi::AnyBuffer>()   // log_sum (b, h, n) float32
        .RemainingArgs()         // position_query (b, n, h, d), position_key
        .Ret<ffi::AnyBuffer>()   // scores (b, h, n, g + 2 reach + 1)
        .Attr<int64_t>("reach")
        .Attr<int64_t>("causal")
        .Attr<int64_t>("threshold")    // for dropout: its rate times 2**16
        .Attr<Dilation>("dilation"));  // (h,)

}  // namespace
}  // namespace keras_longformer

#define KLF_EXPORT extern "C" __attribute__((visibility("default")))

// Makes all calls known to the XLA that `api` belongs to. Returns null, or
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
                        keras_longformer::KerasLongformerBackward) &&
                    add("keras_longformer_window_attention_scores",
                        keras_longformer::KerasLongformerScores);
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
