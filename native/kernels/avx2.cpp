// The kernels for AVX2 with FMA and F16C.
#include "dot_float.hpp"
#include "dot_int8.hpp"
#include "multiply.hpp"
#include "rowwise.hpp"

constinit const quiver::Kernels quiver::kAvx2Kernels = with_rowwise({
    .name = "avx2",
    .bf16_rows = false,
    .int8_bias = 0,
    .row_block = 144,
    .panel_bytes = 32 << 10,
    .multiply = {multiply<Float32Dot>, multiply<WidenedBfloat16Dot>, multiply<Int8Dot>},
});
