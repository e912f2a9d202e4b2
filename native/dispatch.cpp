#include "dispatch.hpp"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace quiver {
namespace {

// Linux gives a process tile registers only when it asks for them; all its threads have them then.
bool tiles_allowed() {
  constexpr int request_permission = 0x1023, tile_data = 18;
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

bool has_amx() {
  constexpr unsigned bf16 = 1u << 22, tile = 1u << 24, int8 = 1u << 25, all = bf16 | tile | int8;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & all) == all && tiles_allowed();
}

std::vector<const Kernels*> probe() {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  const bool vnni = avx512 && __builtin_cpu_supports("avx512vnni");
  const bool bf16 = vnni && __builtin_cpu_supports("avx512bf16");
  std::vector<const Kernels*> found;
  if (bf16 && has_amx()) found.push_back(&kAmxKernels);
  if (bf16) found.push_back(&kAvx512Bf16Kernels);
  if (vnni) found.push_back(&kAvx512VnniKernels);
  if (avx512) found.push_back(&kAvx512Kernels);
  if (avx2) found.push_back(&kAvx2Kernels);
  return found;
}

}  // namespace

const std::vector<const Kernels*>& supported_kernels() {
  static const std::vector<const Kernels*> found = probe();
  return found;
}

const Kernels* find_kernels(std::string_view name) {
  for (const Kernels* kernels : supported_kernels())
    if (kernels->name == name) return kernels;
  return nullptr;
}

}  // namespace quiver
