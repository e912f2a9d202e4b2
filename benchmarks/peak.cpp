// What the cores of this machine can do at best, as one JSON line; peak.py compiles and runs it.
//
//   usage: peak THREADS
//   avx2_fp32, avx512_fp32     tera-operations a second of fused multiply-adds in registers
//   avx2_int8, avx512_vnni     of int8 products summed in int32 (AVX2 takes three instructions for it)
//   avx512_bf16                of bfloat16 pairs summed in float32
//   amx_bf16, amx_int8         of tile products
//   read_gbps                  GB/s of reading memory that fits no cache
//
// A multiply-add counts as two operations. What the processor lacks is left out.
#include <immintrin.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

constexpr int RUNS = 5;
constexpr long ROUNDS = 12'000'000;
constexpr size_t READ_BYTES = size_t(1) << 30;

int threads = 1;

// The best rate of some runs of work(thread) on all threads, in units of 1e9 a second.
template <class Work>
double best_rate(double units, Work work) {
  double best = 0;
  for (int run = 0; run < RUNS; run++) {
    const auto begun = std::chrono::steady_clock::now();
    std::vector<std::thread> pool;
    for (int thread = 0; thread < threads; thread++) pool.emplace_back(work, thread);
    for (auto& thread : pool) thread.join();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begun;
    best = std::max(best, units / taken.count() / 1e9);
  }
  return best;
}

// One line of JSON for operations a thread and round.
template <class Kernel>
void show(const char* name, double operations, Kernel kernel) {
  const double rate = best_rate(operations * ROUNDS * threads, [&](int) { kernel(); });
  std::printf(", \"%s\": %.4f", name, rate / 1e3);
}

__attribute__((target("avx2,fma"))) void avx2_fp32() {
  __m256 sums[12], factor = _mm256_set1_ps(1.0000001f), term = _mm256_set1_ps(1e-9f);
  for (auto& sum : sums) sum = term;
  for (long round = 0; round < ROUNDS; round++)
    for (auto& sum : sums) sum = _mm256_fmadd_ps(sum, factor, term);
  for (int i = 1; i < 12; i++) sums[0] = _mm256_add_ps(sums[0], sums[i]);
  asm volatile("" : : "x"(sums[0]));  // Computed in vain, the compiler would leave it out.
}

// The asm keeps the products in the loop: their operands never change.
__attribute__((target("avx2"))) void avx2_int8() {
  __m256i sums[8], magnitudes = _mm256_set1_epi8(3), values = _mm256_set1_epi8(-2), ones = _mm256_set1_epi16(1);
  for (auto& sum : sums) sum = _mm256_setzero_si256();
  for (long round = 0; round < ROUNDS; round++)
    for (auto& sum : sums) {
      asm volatile("" : "+x"(magnitudes));
      const __m256i pairs = _mm256_maddubs_epi16(magnitudes, values);
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    }
  for (int i = 1; i < 8; i++) sums[0] = _mm256_add_epi32(sums[0], sums[i]);
  asm volatile("" : : "x"(sums[0]));
}

__attribute__((target("avx512f"))) void avx512_fp32() {
  __m512 sums[16], factor = _mm512_set1_ps(1.0000001f), term = _mm512_set1_ps(1e-9f);
  for (auto& sum : sums) sum = term;
  for (long round = 0; round < ROUNDS; round++)
    for (auto& sum : sums) sum = _mm512_fmadd_ps(sum, factor, term);
  for (int i = 1; i < 16; i++) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  asm volatile("" : : "v"(sums[0]));
}

__attribute__((target("avx512f,avx512vnni"))) void avx512_vnni() {
  __m512i sums[16], magnitudes = _mm512_set1_epi8(3), values = _mm512_set1_epi8(-2);
  for (auto& sum : sums) sum = _mm512_setzero_si512();
  for (long round = 0; round < ROUNDS; round++)
    for (auto& sum : sums) sum = _mm512_dpbusd_epi32(sum, magnitudes, values);
  for (int i = 1; i < 16; i++) sums[0] = _mm512_add_epi32(sums[0], sums[i]);
  asm volatile("" : : "v"(sums[0]));
}

__attribute__((target("avx512f,avx512bf16"))) void avx512_bf16() {
  __m512 sums[16];
  const __m512bh factor = (__m512bh)_mm512_set1_epi16(0x3c00);
  for (auto& sum : sums) sum = _mm512_setzero_ps();
  for (long round = 0; round < ROUNDS; round++)
    for (auto& sum : sums) sum = _mm512_dpbf16_ps(sum, factor, factor);
  for (int i = 1; i < 16; i++) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  asm volatile("" : : "v"(sums[0]));
}

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes_a_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// ldtilecfg reads 64 bytes that only an "m" operand tells the compiler of; it would drop their initial values.
__attribute__((target("amx-tile"))) void configure_tiles() {
  TileConfig config;
  alignas(64) static const char zeros[1024] = {};
  asm volatile("ldtilecfg %0" : : "m"(config) : "memory");
  _tile_loadd(0, zeros, 64);
  _tile_loadd(1, zeros, 64);
  _tile_loadd(2, zeros, 64);
  _tile_loadd(3, zeros, 64);
  _tile_loadd(4, zeros, 64);
  _tile_loadd(5, zeros, 64);
  _tile_loadd(6, zeros, 64);
  _tile_loadd(7, zeros, 64);
}

__attribute__((target("amx-tile,amx-bf16"))) void amx_bf16() {
  configure_tiles();
  for (long round = 0; round < ROUNDS; round++) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
}

__attribute__((target("amx-tile,amx-int8"))) void amx_int8() {
  configure_tiles();
  for (long round = 0; round < ROUNDS; round++) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  _tile_release();
}

// Linux keeps the tiles from processes that do not ask for them.
bool may_use_tiles() {
  constexpr long ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18;
  return __builtin_cpu_supports("amx-tile") && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
}

__attribute__((target("avx2"))) void read_memory(const char* from, size_t bytes) {
  __m256i sums[8] = {};
  for (const char* end = from + bytes; from < end; from += sizeof sums)
    for (int i = 0; i < 8; i++)
      sums[i] = _mm256_xor_si256(sums[i], _mm256_load_si256(reinterpret_cast<const __m256i*>(from) + i));
  for (int i = 1; i < 8; i++) sums[0] = _mm256_xor_si256(sums[0], sums[i]);
  asm volatile("" : : "x"(sums[0]));
}

double read_rate() {
  void* memory = mmap(nullptr, READ_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::exit(1);
  madvise(memory, READ_BYTES, MADV_HUGEPAGE);
  std::memset(memory, 1, READ_BYTES);
  const size_t share = READ_BYTES / threads / 4096 * 4096;
  return best_rate(double(share) * threads, [&](int thread) {
    read_memory(static_cast<const char*>(memory) + share * thread, share);
  });
}

}  // namespace

int main(int count, char** arguments) {
  threads = count > 1 ? std::max(1, std::atoi(arguments[1])) : 1;
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 1;
  std::printf("{\"threads\": %d", threads);
  show("avx2_fp32", 12 * 2 * 8, avx2_fp32);
  show("avx2_int8", 8 * 2 * 32, avx2_int8);
  if (__builtin_cpu_supports("avx512f")) show("avx512_fp32", 16 * 2 * 16, avx512_fp32);
  if (__builtin_cpu_supports("avx512vnni")) show("avx512_vnni", 16 * 2 * 64, avx512_vnni);
  if (__builtin_cpu_supports("avx512bf16")) show("avx512_bf16", 16 * 2 * 32, avx512_bf16);
  if (may_use_tiles()) {
    if (__builtin_cpu_supports("amx-bf16")) show("amx_bf16", 4 * 2 * 16 * 16 * 32, amx_bf16);
    if (__builtin_cpu_supports("amx-int8")) show("amx_int8", 4 * 2 * 16 * 16 * 64, amx_int8);
  }
  std::printf(", \"read_gbps\": %.2f}\n", read_rate());
}
