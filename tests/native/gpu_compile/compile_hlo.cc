// Compiles an HLO module for a GPU with the XLA that is in TensorFlow's wheel.
//
//     compile_hlo MODULE.hlo TARGET.txtpb RESULT
//
// No GPU is needed: TARGET describes one, as a text GpuTargetConfigProto. RESULT
// is what XLA would store of the compiled program, PTX and cubin among it.
// XLA_FLAGS and TensorFlow's logging variables work as everywhere.

#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "google/protobuf/text_format.h"
#include "xla/debug_options_flags.h"
#include "xla/hlo/parser/hlo_parser.h"
#include "xla/service/compiler.h"
#include "xla/stream_executor/platform.h"
#include "xla/stream_executor/platform_manager.h"
#if TENSORFLOW_MINOR >= 21
#include "xla/backends/gpu/target_config/target_config.h"
#include "xla/service/gpu_topology.h"
#endif

namespace {

absl::StatusOr<std::string> Read(const char* path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

absl::StatusOr<std::string> Compile(const std::string& hlo,
                                    const std::string& target) {
  stream_executor::GpuTargetConfigProto proto;
  if (!google::protobuf::TextFormat::ParseFromString(target, &proto)) {
    return absl::InvalidArgumentError("the target is no GpuTargetConfigProto");
  }
  auto platform = stream_executor::PlatformManager::PlatformWithName(
      "CUDA", /*initialize_platform=*/false);
  if (!platform.ok()) return platform.status();
  xla::HloModuleConfig config;
  config.set_debug_options(xla::GetDebugOptionsFromFlags());
  auto module = xla::ParseAndReturnUnverifiedModule(hlo, config);
  if (!module.ok()) return module.status();
  xla::AotCompilationOptions options((*platform)->id());
#if TENSORFLOW_MINOR >= 21
  auto compiler = xla::Compiler::GetForPlatform((*platform)->id());
  if (!compiler.ok()) return compiler.status();
  auto gpu = xla::gpu::GpuTargetConfig::FromProto(proto);
  if (!gpu.ok()) return gpu.status();
  options.set_gpu_topology(xla::GetSingleDeviceGpuTopology("", *gpu));
  auto compiled =
      (*compiler)->CompileAheadOfTime(*std::move(module), options);
#else
  auto compiler = xla::Compiler::GetForPlatform(*platform);
  if (!compiler.ok()) return compiler.status();
  options.set_target_config(xla::Compiler::TargetConfig(proto));
  auto compiled = (*compiler)->CompileAheadOfTime(
      std::make_unique<xla::HloModuleGroup>(*std::move(module)), options);
#endif
  if (!compiled.ok()) return compiled.status();
  return compiled->front()->SerializeAsString();
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::cerr << "compile_hlo MODULE.hlo TARGET.txtpb RESULT\n";
    return 2;
  }
  auto hlo = Read(arguments[1]), target = Read(arguments[2]);
  for (const auto& file : {hlo, target}) {
    if (!file.ok()) {
      std::cerr << file.status() << "\n";
      return 2;
    }
  }
  auto result = Compile(*hlo, *target);
  if (!result.ok()) {
    std::cerr << result.status() << "\n";
    return 1;
  }
  std::ofstream(arguments[3], std::ios::binary) << *result;
}
