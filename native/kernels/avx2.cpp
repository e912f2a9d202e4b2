// The kernels for AVX2 with FMA and F16C.
#include "multiply.hpp"
#include "multiply_int8_avx2.hpp"
#include "rowwise.hpp"

const quiver::Kernels quiver::kAvx2Kernels = {
    .name = "avx2",
    .bf16_rows = false,
    .int8_bias = 0,
    .row_block = 144,
    .multiply = {multiply<Float32Line>, multiply<Bfloat16Line>, multiply_int8},
    .widen = widen,
    .narrow = narrow,
    .quantize = quantize,
    .rms_norm = rms_norm,
    .rotate = rotate,
    .add = add,
    .silu_multiply = silu_multiply,
    .dequantize = dequantize,
    .softmax = softmax,
    .scale = scale_row,
};
