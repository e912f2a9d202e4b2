// The kernels for AVX-512 with VNNI.
#include "dot_float.hpp"
#include "dot_int8.hpp"
#include "multiply.hpp"
#include "rowwise.hpp"

constinit const quiver::Kernels quiver::kAvx512VnniKernels = with_rowwise({
    .name = "avx512_vnni",
    .bf16_rows = false,
    .int8_bias = 128,
    .row_block = 144,
    .panel_bytes = 16 << 10,
    .multiply = {multiply<Float32Dot>, multiply<WidenedBfloat16Dot>, multiply<Int8Dot>},
});
