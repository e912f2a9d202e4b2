// Checks every instruction set that this processor has: kernels against plain loops, and a small network in every
// precision against the float32 network of AVX2, which the Python tests hold against transformers.
//
// Memory is allocated to the byte that the interface promises, so that sanitizers see every step beside it.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "dispatch.hpp"
#include "model.hpp"
#include "pack.hpp"
#include "threads.hpp"

namespace quiver {
namespace {

std::mt19937 generator(1);

int whole(int least, int most) { return std::uniform_int_distribution(least, most)(generator); }
float normal() { return std::normal_distribution<float>()(generator); }

void expect(bool good, const Kernels& kernels, const char* what) {
  if (good) return;
  std::printf("%s: %s\n", kernels.name, what);
  std::exit(1);
}

// Bytes that begin at a cache line and end where they were asked to.
class Memory {
 public:
  explicit Memory(size_t bytes) : bytes_(static_cast<std::byte*>(std::aligned_alloc(64, round_up(int(bytes), 64)))) {
    std::memset(bytes_, 0, bytes);
  }
  Memory(const Memory&) = delete;
  ~Memory() { std::free(bytes_); }
  template <class T>
  T* as() { return reinterpret_cast<T*>(bytes_); }
  std::byte* bytes() { return bytes_; }

 private:
  std::byte* bytes_;
};

float widened(uint16_t bits) {
  const uint32_t wide = uint32_t(bits) << 16;
  float x;
  std::memcpy(&x, &wide, sizeof x);
  return x;
}

// One product with rows and panels of random numbers.
struct ProductCase {
  const Kernels& kernels;
  Element panel_element = Element(whole(0, 2));
  Element row_element = panel_element == Element::kBfloat16 && !kernels.bf16_rows ? Element::kFloat32 : panel_element;
  int rows = whole(1, 70), panels = whole(1, 5), inputs = 64 * whole(1, 4) - (panel_element == Element::kInt8 ? 0 : 32);
  size_t row_stride = inputs * element_size(row_element) + 64 * whole(0, 1), out_stride = panels * kPanel + 16 * whole(0, 1);
  Memory row_memory{round_up(rows, 16) * row_stride}, panel_memory{panels * kPanel * inputs * element_size(panel_element)};
  Memory out_memory{round_up(rows, 16) * out_stride * sizeof(float)};

  Product product(int row, int count, bool accumulate) {
    const int lines = inputs / inputs_per_line(panel_element);
    return {.rows = row_memory.bytes() + row * row_stride, .row_stride = row_stride, .row_count = count,
            .panels = panel_memory.bytes(), .panel_stride = size_t(lines) * kLine, .panel_count = panels, .lines = lines,
            .out = out_memory.as<float>() + row * out_stride, .out_stride = out_stride, .accumulate = accumulate};
  }
  void fill(Memory& memory, Element element, size_t index, bool biased) {
    if (element == Element::kFloat32) memory.as<float>()[index] = normal();
    else if (element == Element::kInt8) memory.as<uint8_t>()[index] = uint8_t(whole(-127, 127) + (biased ? kernels.int8_bias : 0));
    else {
      const float x = normal();
      uint32_t bits;
      std::memcpy(&bits, &x, sizeof bits);
      memory.as<uint16_t>()[index] = uint16_t(bits >> 16);
    }
  }
  double row_at(int row, int k) {
    const std::byte* first = row_memory.bytes() + row * row_stride;
    if (row_element == Element::kFloat32) return reinterpret_cast<const float*>(first)[k];
    if (row_element == Element::kBfloat16) return widened(reinterpret_cast<const uint16_t*>(first)[k]);
    return kernels.int8_bias ? reinterpret_cast<const uint8_t*>(first)[k] : reinterpret_cast<const int8_t*>(first)[k];
  }
  double weight_at(int output, int k) {
    const int depth = inputs_per_line(panel_element), lines = inputs / depth;
    const size_t index = (size_t(output / kPanel) * lines + k / depth) * kPanel * depth + output % kPanel * depth + k % depth;
    if (panel_element == Element::kFloat32) return panel_memory.as<float>()[index];
    if (panel_element == Element::kBfloat16) return widened(panel_memory.as<uint16_t>()[index]);
    return panel_memory.as<int8_t>()[index];
  }
};

void check_product(const Kernels& kernels) {
  ProductCase c{kernels};
  for (int r = 0; r < c.rows; r++)
    for (int k = 0; k < c.inputs; k++)
      c.fill(c.row_memory, c.row_element, r * c.row_stride / element_size(c.row_element) + k, true);
  for (int i = 0; i < c.panels * kPanel * c.inputs; i++) c.fill(c.panel_memory, c.panel_element, i, false);
  const auto multiply = kernels.product_of(c.panel_element);
  multiply(c.product(0, c.rows, false));
  multiply(c.product(0, c.rows, true));
  const float* out = c.out_memory.as<float>();
  std::vector<float> together(out, out + c.rows * c.out_stride);
  for (int r = 0; r < c.rows; r++)
    for (int output = 0; output < c.panels * kPanel; output++) {
      double expected = 0, size = 0;
      for (int k = 0; k < c.inputs; k++) {
        const double term = c.row_at(r, k) * c.weight_at(output, k);
        expected += 2 * term;
        size += std::abs(term);
      }
      const float* place = &together[r * c.out_stride + output];
      int32_t count;
      std::memcpy(&count, place, sizeof count);
      if (c.panel_element == Element::kInt8) expect(count == expected, kernels, "an int8 product is not exact");
      else expect(std::abs(*place - expected) <= 1e-5 * size, kernels, "a product is wrong");
    }
  const int row = whole(0, c.rows - 1), count = std::min(c.rows - row, whole(1, 3));
  if (round_up(row + count, 16) - row > round_up(c.rows, 16) - row || row % 16) return;
  multiply(c.product(row, count, false));
  multiply(c.product(row, count, true));
  for (int r = row; r < row + count; r++)
    expect(std::memcmp(out + r * c.out_stride, &together[r * c.out_stride], c.panels * kPanel * sizeof(float)) == 0, kernels,
           "a row's product depends on the rows beside it");
}

void check_rows(const Kernels& kernels) {
  const int n = 16 * whole(1, 20);
  std::vector<float> row(n), other(n), out(n), again(n), mixed(2 * n);
  for (int i = 0; i < n; i++) row[i] = normal(), other[i] = normal();
  const auto close = [&](double found, double expected, const char* what) {
    expect(std::abs(found - expected) <= 2e-6 * (1 + std::abs(expected)), kernels, what);
  };

  double squares = 0;
  for (const float x : row) squares += double(x) * x;
  kernels.rms_norm(row.data(), other.data(), n, n, 1e-6f, out.data());
  for (int i = 0; i < n; i++) close(out[i], row[i] / std::sqrt(squares / n + 1e-6) * other[i], "rms_norm is wrong");

  for (int i = 0; i < n; i++) mixed[i / 16 * 32 + i % 16] = 20 * row[i], mixed[i / 16 * 32 + 16 + i % 16] = other[i];
  kernels.silu_multiply(mixed.data(), n, out.data());
  for (int i = 0; i < n; i++) close(out[i], 20 * row[i] / (1 + std::exp(-20.0 * row[i])) * other[i], "silu_multiply is wrong");

  std::vector<uint16_t> narrowed(n);
  kernels.narrow(row.data(), n, Element::kBfloat16, narrowed.data());
  kernels.widen(narrowed.data(), Element::kBfloat16, n, again.data());
  for (int i = 0; i < n; i++) expect(std::abs(again[i] - row[i]) <= std::abs(row[i]) / 256, kernels, "narrow is wrong");

  std::vector<float> uneven = row;
  if (whole(0, 1)) uneven[whole(0, n - 1)] = 1000;
  std::vector<uint8_t> rounded(n), rest(n);
  const auto [scale, has_rest] =
      kernels.quantize(uneven.data(), other.data(), n, kernels.int8_bias, rounded.data(), rest.data());
  const auto value = [&](uint8_t x) { return kernels.int8_bias ? x - kernels.int8_bias : int8_t(x); };
  for (int i = 0; i < n; i++) {
    const float expected = uneven[i] * other[i], found = scale * value(rounded[i]);
    expect(std::abs(found - expected) <= 0.501f * scale, kernels, "quantize is wrong");
    if (!has_rest) continue;
    expect(std::abs(found + scale / kFiner * value(rest[i]) - expected) <= 0.51f * scale / kFiner, kernels,
           "the rest of rounding is wrong");
  }

  const int visible = whole(1, n);
  SoftmaxState state{-INFINITY, 0};
  std::vector<float> weights = row;
  std::vector<uint16_t> narrow_weights(n);
  SoftmaxState same = state;
  kernels.softmax(weights.data(), n, visible, same, out.data(), n, Element::kBfloat16, narrow_weights.data());
  kernels.softmax(weights.data(), n, visible, state, out.data(), n, Element::kFloat32, weights.data());
  expect(same.sum == state.sum && same.largest == state.largest, kernels, "softmax depends on what it writes");
  double total = 0;
  for (int i = 0; i < visible; i++) total += std::exp2(double(row[i]) - state.largest);
  close(state.sum / total, 1, "softmax's sum is wrong");
  for (int i = 0; i < n; i++)
    close(weights[i], i < visible ? std::exp2(double(row[i]) - state.largest) : 0, "softmax is wrong");
  std::vector<uint16_t> expected_narrow(n);
  kernels.narrow(weights.data(), n, Element::kBfloat16, expected_narrow.data());
  expect(narrow_weights == expected_narrow, kernels, "softmax in bfloat16 is not its rounding");
}

// A network whose sizes need no filling up.
struct Network {
  static constexpr Shape shape{2, 128, 192, 4, 2, 32, 1e-6f};
  std::vector<float> embedding = numbers(50 * 128, 1), norm = std::vector<float>(192, 1.0f), frequencies{1.0f, 0.5f, 0.1f, 0.01f};
  struct Layer {
    std::vector<float> qkv = numbers(256 * 128, .1f), out = numbers(128 * 128, .1f);
    std::vector<float> gate_up = numbers(384 * 128, .1f), down = numbers(128 * 192, .1f);
  } layers[2];

  Network() {
    for (size_t i = 0; i < embedding.size(); i += 2 * 128) embedding[i + 5] = 300;  // an outlier in every second token
  }
  static std::vector<float> numbers(size_t count, float scale) {
    std::vector<float> made(count);
    for (float& x : made) x = scale * normal();
    return made;
  }
};

struct PackedMatrix {
  Memory panels;
  std::vector<float> scale, input_scale;
  std::vector<int32_t> sums;
  Matrix matrix;

  PackedMatrix(const Kernels& kernels, const std::vector<float>& stored, int inputs, Element element, bool alternate)
      : panels(stored.size() * element_size(element)), scale(stored.size() / inputs), input_scale(inputs), sums(stored.size() / inputs) {
    const int outputs = int(stored.size()) / inputs;
    std::vector<int32_t> source(outputs, 0), row(outputs), column(inputs);
    for (int i = 0; i < outputs; i++)
      row[i] = alternate ? i / 32 * 16 + i % 16 + (i % 32 < 16 ? 0 : outputs / 2) : i;
    for (int i = 0; i < inputs; i++) column[i] = i;
    const Source from{reinterpret_cast<const std::byte*>(stored.data()), Element::kFloat32, inputs};
    const std::vector<float> sizes(inputs, 1.0f);
    pack(kernels, 1, {&from, 1}, {source, row, column}, element, sizes,
         {panels.bytes(), scale.data(), sums.data(), input_scale.data()});
    matrix = {panels.bytes(), scale.data(), sums.data(), input_scale.data(), outputs, inputs, element};
  }
};

using Texts = std::vector<std::vector<int32_t>>;

// Runs texts together, all behind a prefix that is kept or part of each; last rows.
std::vector<float> run(const Network& network, const Kernels& kernels, Element element, int threads, const Texts& texts,
                       const std::vector<int32_t>& prefix, bool keep, bool causal) {
  std::vector<std::unique_ptr<PackedMatrix>> packed;
  const auto matrix = [&](const std::vector<float>& stored, int inputs, bool alternate = false) {
    packed.push_back(std::make_unique<PackedMatrix>(kernels, stored, inputs, element, alternate));
    return packed.back()->matrix;
  };
  Weights weights{reinterpret_cast<const std::byte*>(network.embedding.data()), Element::kFloat32, {}, network.norm.data(),
                  network.frequencies, 1.0f};
  for (const auto& layer : network.layers)
    weights.layers.push_back({matrix(layer.qkv, 128), matrix(layer.out, 128), matrix(layer.gate_up, 128, true),
                              matrix(layer.down, 192), network.norm.data(), network.norm.data(), network.norm.data(),
                              network.norm.data()});
  Shape shape = network.shape;
  shape.causal = causal;
  Model model(shape, weights, element, kernels, threads);
  std::vector<PrefixHandle> kept{nullptr};
  if (keep) {
    const std::vector<int64_t> boundaries{0, int64_t(prefix.size())};
    kept = model.keep({prefix, boundaries, kept});
  }
  std::vector<int32_t> ids;
  std::vector<int64_t> boundaries{0}, rows;
  for (const auto& text : texts) {
    if (!keep) ids.insert(ids.end(), prefix.begin(), prefix.end());
    ids.insert(ids.end(), text.begin(), text.end());
    boundaries.push_back(int64_t(ids.size()));
    rows.push_back(int64_t(ids.size()) - 1);
  }
  std::vector<float> out(rows.size() * network.shape.hidden);
  const std::vector<PrefixHandle> prefixes(texts.size(), kept[0]);
  model.run({ids, boundaries, prefixes}, rows, out.data());
  return out;
}

double cosine(const float* a, const float* b, int n) {
  double product = 0, first = 0, second = 0;
  for (int i = 0; i < n; i++) product += double(a[i]) * b[i], first += double(a[i]) * a[i], second += double(b[i]) * b[i];
  return product / std::sqrt(first * second);
}

void check_network(const Kernels& kernels, Element element) {
  const Network network;
  const auto tokens = [](int count) {
    std::vector<int32_t> ids(count);
    for (auto& id : ids) id = whole(0, 49);
    return ids;
  };
  Texts texts;
  for (int i = 0; i < 3; i++) texts.push_back(tokens(whole(1, 150)));
  const auto prefix = tokens(whole(1, 70));
  const int hidden = network.shape.hidden;
  const bool causal = whole(0, 1);
  const auto expected = run(network, kAvx2Kernels, Element::kFloat32, 1, texts, prefix, false, causal);
  const auto found = run(network, kernels, element, 1, texts, prefix, false, causal);
  const double least[] = {1 - 1e-9, 0.9995, 0.995};
  for (size_t i = 0; i < texts.size(); i++)
    expect(cosine(&expected[i * hidden], &found[i * hidden], hidden) >= least[int(element)], kernels, "the network is wrong");
  expect(found == run(network, kernels, element, 3, texts, prefix, causal, causal), kernels, "threads or a kept prefix change bits");
  for (size_t i = 0; i < texts.size(); i++) {
    const auto alone = run(network, kernels, element, 1, {texts[i]}, prefix, false, causal);
    expect(std::equal(alone.begin(), alone.end(), found.begin() + i * hidden), kernels, "company changes bits");
  }
}

// Rounds without a pause between them, of more threads than cores: every task runs once, on a thread of its round.
void check_threads() {
  const auto turn = Threads::claim(4);
  for (int round = 0; round < 20000; round++) {
    const int tasks = 1 + round % 17, threads = 1 + round % 4;
    int ran[17] = {};
    Threads::run(tasks, threads, [&](int task, int thread) { ran[task] += thread < threads ? 1 : 100; });
    for (int task = 0; task < tasks; task++)
      if (ran[task] != 1) std::printf("a task ran %d times\n", ran[task]), std::exit(1);
  }
}

}  // namespace
}  // namespace quiver

int main(int count, char** arguments) {
  using namespace quiver;
  const int rounds = count > 1 ? std::atoi(arguments[1]) : 20;
  check_threads();
  for (const Kernels* kernels : supported_kernels()) {
    for (int i = 0; i < 10 * rounds; i++) check_product(*kernels), check_rows(*kernels);
    for (int i = 0; i < rounds; i++) check_network(*kernels, Element(i % 3));
    std::printf("%s ", kernels->name);
  }
  std::puts("good");
}
