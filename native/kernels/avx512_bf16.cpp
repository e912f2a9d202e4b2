// The kernels for AVX-512 with VNNI and BF16.
#include "dot_bf16.hpp"
#include "dot_float.hpp"
#include "dot_int8.hpp"
#include "multiply.hpp"
#include "rowwise.hpp"

constinit const quiver::Kernels quiver::kAvx512Bf16Kernels = with_rowwise({
    .name = "avx512_bf16",
    .bf16_rows = true,
    .int8_bias = 128,
    .row_block = 144,
    .panel_bytes = 16 << 10,
    .multiply = {multiply<Float32Dot>, multiply<Bfloat16Dot>, multiply<Int8Dot>},
});
