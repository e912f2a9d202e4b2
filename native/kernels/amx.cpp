// The kernels for AMX, and AVX-512 for float32.
#include "dot_float.hpp"
#include "multiply.hpp"
#include "multiply_amx.hpp"
#include "rowwise.hpp"

constinit const quiver::Kernels quiver::kAmxKernels = with_rowwise({
    .name = "amx",
    .bf16_rows = true,
    .int8_bias = 0,
    .row_block = 512,
    .panels_at_once = 4,
    .panel_bytes = 16 << 10,
    .multiply = {multiply<Float32Dot>, multiply_amx<Bfloat16Tiles>, multiply_amx<Int8Tiles>},
});
