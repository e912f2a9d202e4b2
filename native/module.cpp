// The Python module quiver._native.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "dispatch.hpp"
#include "model.hpp"
#include "pack.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace quiver {
namespace {

using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using WritableBytes = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Floats = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using WritableFloats = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using WritableRows = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Ints = nb::ndarray<const int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using WritableInts = nb::ndarray<int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Longs = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class Array>
auto span_of(const Array& array) {
  return std::span(array.data(), array.size());
}

const std::byte* bytes_of(const Bytes& array) { return reinterpret_cast<const std::byte*>(array.data()); }

const Kernels& kernels_named(const std::string& name) {
  if (const Kernels* kernels = find_kernels(name)) return *kernels;
  throw nb::value_error("this processor does not have that instruction set");
}

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const Kernels* kernels : supported_kernels()) names.emplace_back(kernels->name);
  return names;
}

bool pack_matrix(const std::string& kernels, int threads, const std::vector<std::tuple<Bytes, int, int>>& sources,
                 Ints source, Ints row, Ints column, int element, Floats input_sizes, WritableBytes panels,
                 WritableFloats scale, WritableInts sums, WritableFloats input_scale) {
  const auto kind = Element(element);
  const size_t wanted = row.size() * column.size() * element_size(kind);
  const bool scaled = kind != Element::kInt8 || (scale.size() == row.size() && sums.size() == row.size() &&
                                                 input_scale.size() == column.size() && input_sizes.size() == column.size());
  if (source.size() != row.size() || panels.size() != wanted || row.size() % kPanel ||
      column.size() % kInputMultiple || !scaled)
    throw nb::value_error("the packed matrix does not have the size of its order");
  std::vector<Source> stored;
  for (const auto& [bytes, stored_element, columns] : sources)
    stored.push_back({bytes_of(bytes), Element(stored_element), columns});
  for (size_t i = 0; i < row.size(); i++) {
    if (row.data()[i] < 0) continue;
    const size_t s = size_t(source.data()[i]);
    if (s >= stored.size()) throw nb::value_error("the order names no source");
    const size_t end = (size_t(row.data()[i]) + 1) * stored[s].columns * element_size(stored[s].element);
    if (end > std::get<0>(sources[s]).size()) throw nb::value_error("the order names a row behind its source's end");
  }
  for (size_t i = 0; i < column.size(); i++)
    for (const Source& s : stored)
      if (column.data()[i] >= s.columns) throw nb::value_error("the order names no column");
  nb::gil_scoped_release release;
  return pack(kernels_named(kernels), threads, stored, {span_of(source), span_of(row), span_of(column)}, kind,
              span_of(input_sizes),
              {reinterpret_cast<std::byte*>(panels.data()), scale.data(), sums.data(), input_scale.data()});
}

// A model and the arrays that its weights lie in.
struct LoadedModel {
  std::vector<nb::object> arrays;
  std::unique_ptr<Model> model;
};

Matrix matrix_of(const nb::handle& entry) {
  const auto tuple = nb::cast<nb::tuple>(entry);
  const auto panels = nb::cast<Bytes>(tuple[0]);
  const auto scale = nb::cast<Floats>(tuple[1]);
  const auto sums = nb::cast<Ints>(tuple[2]);
  const auto input_scale = nb::cast<Floats>(tuple[3]);
  const int outputs = nb::cast<int>(tuple[4]), inputs = nb::cast<int>(tuple[5]);
  const auto element = Element(nb::cast<int>(tuple[6]));
  if (panels.size() != size_t(outputs) * inputs * element_size(element)) throw nb::value_error("a matrix is cut short");
  return {bytes_of(panels), scale.data(), sums.data(), input_scale.data(), outputs, inputs, element};
}

void load(LoadedModel* self, const std::string& kernels, int threads, int precision, nb::dict shape,
          Bytes embedding, int embedding_element, nb::list layers, Floats final_norm, Floats frequencies,
          float rotation_scale) {
  const auto number = [&](const char* name) { return nb::cast<int>(shape[name]); };
  const Shape sizes{number("layers"),    number("hidden_size"), number("intermediate_size"), number("query_heads"),
                    number("key_value_heads"), number("head_dim"),
                    nb::cast<float>(shape["rms_norm_eps"]), nb::cast<bool>(shape["causal"])};
  if (sizes.channels() > kMostChannels || threads < 1) throw nb::value_error("a head is too wide, or no thread given");
  new (self) LoadedModel;
  Weights weights{bytes_of(embedding), Element(embedding_element), {}, final_norm.data(), span_of(frequencies),
                  rotation_scale};
  for (const nb::handle item : layers) {
    const auto entry = nb::cast<nb::tuple>(item);
    const auto norm = [&](int i) { return nb::cast<Floats>(entry[i]).data(); };
    weights.layers.push_back({matrix_of(entry[0]), matrix_of(entry[1]), matrix_of(entry[2]), matrix_of(entry[3]),
                              norm(4), norm(5), norm(6), norm(7)});
    self->arrays.push_back(nb::borrow(item));
  }
  self->arrays.insert(self->arrays.end(), {embedding.cast(), final_norm.cast(), frequencies.cast()});
  self->model = std::make_unique<Model>(sizes, std::move(weights), Element(precision), kernels_named(kernels), threads);
}

void run(LoadedModel& self, Ints token_ids, Longs boundaries, const std::vector<PrefixHandle>& prefixes,
         Longs rows, WritableRows out) {
  nb::gil_scoped_release release;
  self.model->run({span_of(token_ids), span_of(boundaries), prefixes}, span_of(rows), out.data());
}

std::vector<PrefixHandle> keep(LoadedModel& self, Ints token_ids, Longs boundaries,
                               const std::vector<PrefixHandle>& prefixes) {
  nb::gil_scoped_release release;
  return self.model->keep({span_of(token_ids), span_of(boundaries), prefixes});
}

}  // namespace
}  // namespace quiver

NB_MODULE(_native, module) {
  using namespace quiver;
  // A model may live until the interpreter ends, as a server's does: that is no leak.
  nb::set_leak_warnings(false);
  nb::class_<Prefix>(module, "Prefix").def_ro("length", &Prefix::length);
  nb::class_<LoadedModel>(module, "Model")
      .def("__init__", &load)
      .def("run", &run, "token_ids"_a, "boundaries"_a, "prefixes"_a, "rows"_a, "out"_a)
      .def("keep", &keep, "token_ids"_a, "boundaries"_a, "prefixes"_a);
  module.attr("MOST_HEAD_CHANNELS") = kMostChannels;
  module.def("pack", &pack_matrix);
  module.def("instruction_sets", &instruction_sets);
  module.def("multiplies_bfloat16", [](const std::string& name) { return kernels_named(name).bf16_rows; });
}
