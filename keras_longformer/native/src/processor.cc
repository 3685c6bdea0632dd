#include "processor.h"

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace keras_longformer {
namespace {

bool Always() { return true; }

#if defined(__x86_64__)

bool RunsAvx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

bool RunsAvx512() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") &&
         __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}

#if defined(KLF_HAS_AVX512_BF16) || defined(KLF_HAS_AMX)

// By number, for compilers that have no name for it yet.
struct Leaf {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  Leaf(uint32_t leaf, uint32_t subleaf) {
    if (!__get_cpuid_count(leaf, subleaf, &eax, &ebx, &ecx, &edx)) *this = {};
  }
  Leaf() = default;
};

bool RunsAvx512Bf16() {
  return RunsAvx512() && (Leaf(7, 1).eax >> 5 & 1) != 0;
}

// Intel's processors multiply floats twice as fast: on a Xeon with AMX these
// kernels took 1.6 times as long as those of AVX-512.
bool PaysAvx512Bf16() {
  const Leaf vendor(0, 0);
  return vendor.ebx != signature_INTEL_ebx;
}

#endif
#if defined(KLF_HAS_AMX)

// Whether the operating system keeps tiles for threads that are switched: bits
// 17 and 18 of XCR0.
bool TilesAreKept() {
  constexpr uint32_t kHasXgetbv = 1u << 27, kTiles = 3u << 17;
  if ((Leaf(1, 0).ecx & kHasXgetbv) == 0) return false;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & kTiles) == kTiles;
}

// Linux lends tiles to processes that ask: their threads' states grow by 8 KiB
// where they use them.
bool TilesAreLent() {
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr int kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

bool RunsAmx() {
  static const bool runs = [] {
    const uint32_t features = Leaf(7, 0).edx;
    const bool has_bf16 = (features >> 22 & 1) != 0;
    const bool has_tiles = (features >> 24 & 1) != 0;
    return RunsAvx512Bf16() && has_bf16 && has_tiles && TilesAreKept() &&
           TilesAreLent();
  }();
  return runs;
}

#endif  // KLF_HAS_AMX
#endif  // __x86_64__

struct Part {
  const Kernels* kernels;
  bool (*runs)();
  bool (*pays)();  // Where it runs; those that do not have to be named.
};

// The fastest first.
constexpr Part kParts[] = {
#if defined(KLF_HAS_AMX)
    {&kAmxKernels, RunsAmx, Always},
#endif
#if defined(KLF_HAS_AVX512_BF16)
    {&kAvx512Bf16Kernels, RunsAvx512Bf16, PaysAvx512Bf16},
#endif
#if defined(__x86_64__)
    {&kAvx512Kernels, RunsAvx512, Always},
    {&kAvx2Kernels, RunsAvx2, Always},
#endif
    {&kPortableKernels, Always, Always},
};

}  // namespace

const Kernels* FindKernels(const char* name) {
  for (const Part& part : kParts) {
    const bool any = *name == 0;
    if (!any && std::strcmp(name, part.kernels->name) != 0) continue;
    if (part.runs() && (!any || part.pays())) return part.kernels;
  }
  return nullptr;
}

}  // namespace keras_longformer
