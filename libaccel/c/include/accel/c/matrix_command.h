/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Matrix products, and the numeric format and the activation of commands.
 */
#ifndef ACCEL_C_MATRIX_COMMAND_H
#define ACCEL_C_MATRIX_COMMAND_H

#include "accel/c/command.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The function of one value that a command applies to each result. */
enum {
    ACCEL_ACTIVATION_NONE = 0,
    ACCEL_ACTIVATION_RELU = 1,
    ACCEL_ACTIVATION_CLIP = 2,         /**< alpha is the lower bound, beta the upper one */
    ACCEL_ACTIVATION_LEAKY_RELU = 3,   /**< alpha * x for negative x */
    ACCEL_ACTIVATION_HARD_SIGMOID = 4, /**< alpha * x + beta, clipped to [0, 1] */
    ACCEL_ACTIVATION_HARD_SWISH = 5,
    ACCEL_ACTIVATION_ABS = 6,
    ACCEL_ACTIVATION_NEG = 7,
    ACCEL_ACTIVATION_SQRT = 8,
    ACCEL_ACTIVATION_RECIPROCAL = 9,
    ACCEL_ACTIVATION_FLOOR = 10,
    ACCEL_ACTIVATION_CEIL = 11,
    ACCEL_ACTIVATION_ROUND = 12, /**< half to even */
    ACCEL_ACTIVATION_EXP = 13,
    ACCEL_ACTIVATION_LOG = 14,
    ACCEL_ACTIVATION_SIGMOID = 15,
    ACCEL_ACTIVATION_TANH = 16,
    ACCEL_ACTIVATION_ERF = 17,
    ACCEL_ACTIVATION_GELU = 18,
    ACCEL_ACTIVATION_ELU = 19, /**< alpha * (exp(x) - 1) for negative x */
    ACCEL_ACTIVATION_SOFTPLUS = 20,
    ACCEL_ACTIVATION_SIN = 21,
    ACCEL_ACTIVATION_COS = 22,
    ACCEL_ACTIVATION_ATAN = 23,
    ACCEL_ACTIVATION_SIGN = 24,       /**< -1, 0 or 1 */
    ACCEL_ACTIVATION_LOGICAL_NOT = 25, /**< 1 for zero, 0 for any other value */
    ACCEL_ACTIVATION_TAN = 26,
    ACCEL_ACTIVATION_ASIN = 27,
    ACCEL_ACTIVATION_ACOS = 28,
    ACCEL_ACTIVATION_SINH = 29,
    ACCEL_ACTIVATION_COSH = 30,
    ACCEL_ACTIVATION_ASINH = 31,
    ACCEL_ACTIVATION_ACOSH = 32,
    ACCEL_ACTIVATION_ATANH = 33
};

/**
 * Data types, zero points and requantization of a matrix product or a convolution. Floats: any
 * combination of f32, bf16 and f16. Quantized: both sources are i8 or u8 and the result is i32;
 * with `requantize` it is f32, i8 or u8, and the bias holds {i32 bias, f32 scale} per channel.
 */
typedef struct accel_format_t {
    uint8_t a_type; /**< ACCEL_DTYPE_* of the first source */
    uint8_t b_type; /**< of the second source: the weights of a convolution */
    uint8_t result_type;
    uint8_t requantize; /**< 0 or 1 */
    int16_t a_zero_point;
    int16_t b_zero_point;
    int16_t result_zero_point;
    uint8_t accumulate; /**< 1 adds the old content of the result before the activation; f32 */
    uint8_t reserved;   /**< 0 */
} accel_format_t;

/**
 * d[m][n] = activation(sum over k of a[m][k] * b[k][n] + bias[n]), for each matrix of a batch.
 * Matrices are row-major. Leading dimensions and batch strides are in elements.
 */
typedef struct accel_gemm_t {
    uint32_t size;       /**< sizeof(accel_gemm_t) */
    uint32_t activation; /**< ACCEL_ACTIVATION_* */
    accel_operand_t d;
    accel_operand_t a;
    accel_operand_t b;
    accel_operand_t bias; /**< n values; not set: no bias */
    uint32_t m;
    uint32_t n;
    uint32_t k;
    uint32_t transpose_a; /**< 1: a is stored as k x m */
    uint32_t transpose_b; /**< 1: b is stored as n x k */
    uint32_t lda;         /**< from one stored row of a to the next; 0: dense */
    uint32_t ldb;
    uint32_t ldd;
    float activation_alpha;
    float activation_beta;
    accel_format_t format;
    uint32_t batch;          /**< number of matrices; 0: 1 */
    uint32_t batch_stride_a; /**< from one matrix to the next; 0: all use the same a */
    uint32_t batch_stride_b;
    uint32_t batch_stride_d;
    uint32_t reserved; /**< 0 */
} accel_gemm_t;

ACCEL_C_API int accel_command_gemm(const accel_gemm_t *gemm, accel_command_t **out,
                                   accel_error_t *error);

#ifdef __cplusplus
}
#endif

#endif
