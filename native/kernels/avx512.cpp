// The kernels for AVX-512 F, BW, VL and DQ.
#include "dot_float.hpp"
#include "dot_int8.hpp"
#include "multiply.hpp"
#include "rowwise.hpp"

constinit const quiver::Kernels quiver::kAvx512Kernels = with_rowwise({
    .name = "avx512",
    .bf16_rows = false,
    .int8_bias = 0,
    .row_block = 144,
    .panel_bytes = 16 << 10,
    .multiply = {multiply<Float32Dot>, multiply<WidenedBfloat16Dot>, multiply<Int8Dot>},
});
