/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Element-wise commands, commands on one axis of a tensor, and rearranging of tensors. Where a
 * command has an axis, the tensor is seen as outer x n x inner: the axis has n elements.
 */
#ifndef ACCEL_C_TENSOR_COMMAND_H
#define ACCEL_C_TENSOR_COMMAND_H

#include "accel/c/matrix_command.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Dimensions or strides, outermost first. A rank of 0 in strides means dense. */
typedef struct accel_shape_t {
    uint32_t rank;     /**< at most ACCEL_MAX_DIMENSIONS */
    uint32_t reserved; /**< 0 */
    uint64_t dimensions[ACCEL_MAX_DIMENSIONS];
} accel_shape_t;

enum {
    ACCEL_ELEMENTWISE_ADD = 0,
    ACCEL_ELEMENTWISE_SUB = 1,
    ACCEL_ELEMENTWISE_MUL = 2,
    ACCEL_ELEMENTWISE_DIV = 3,
    ACCEL_ELEMENTWISE_MIN = 4,
    ACCEL_ELEMENTWISE_MAX = 5,
    ACCEL_ELEMENTWISE_IDENTITY = 6, /**< a; b is not set */
    ACCEL_ELEMENTWISE_PRELU = 7,    /**< a < 0 ? a * b : a */
    ACCEL_ELEMENTWISE_POW = 8,
    ACCEL_ELEMENTWISE_FMOD = 9, /**< remainder with the sign of a */
    ACCEL_ELEMENTWISE_MOD = 10, /**< remainder with the sign of b */
    ACCEL_ELEMENTWISE_EQUAL = 11,
    ACCEL_ELEMENTWISE_LESS = 12,
    ACCEL_ELEMENTWISE_LESS_EQUAL = 13,
    ACCEL_ELEMENTWISE_BIT_AND = 14, /**< bit-wise operations and shifts need ACCEL_DTYPE_I64 */
    ACCEL_ELEMENTWISE_BIT_OR = 15,
    ACCEL_ELEMENTWISE_BIT_XOR = 16,
    ACCEL_ELEMENTWISE_SHIFT_LEFT = 17,
    ACCEL_ELEMENTWISE_SHIFT_RIGHT = 18,
    ACCEL_ELEMENTWISE_SELECT = 19 /**< c != 0 ? a : b */
};

/** dst[i] = activation(op(a[i], b[i])) over `shape`. A stride of 0 on a source broadcasts it. */
typedef struct accel_elementwise_t {
    uint32_t size; /**< sizeof(accel_elementwise_t) */
    uint32_t op;   /**< ACCEL_ELEMENTWISE_* */
    accel_operand_t dst;
    accel_operand_t a;
    accel_operand_t b;
    accel_operand_t c; /**< the condition of SELECT; not set for the others */
    accel_shape_t shape;
    accel_shape_t dst_strides; /**< elements */
    accel_shape_t a_strides;
    accel_shape_t b_strides;
    accel_shape_t c_strides;
    uint32_t activation; /**< ACCEL_ACTIVATION_* */
    float activation_alpha;
    float activation_beta;
    uint32_t type; /**< ACCEL_DTYPE_* of the computation: f32 or i64; operands are converted */
    uint32_t dst_type;
    uint32_t a_type;
    uint32_t b_type;
    uint32_t c_type; /**< 0: ACCEL_DTYPE_BOOLEAN */
} accel_elementwise_t;

/** Softmax over the axis of a dense f32 tensor. `dst` may be `src`. */
typedef struct accel_softmax_t {
    uint32_t size;  /**< sizeof(accel_softmax_t) */
    uint32_t outer; /**< 0: 1 */
    uint32_t n;
    uint32_t inner; /**< 0: 1 */
    accel_operand_t dst;
    accel_operand_t src;
} accel_softmax_t;

enum {
    ACCEL_REDUCTION_SUM = 0,
    ACCEL_REDUCTION_MAX = 1,
    ACCEL_REDUCTION_MIN = 2,
    ACCEL_REDUCTION_ARGMAX = 3,
    ACCEL_REDUCTION_ARGMIN = 4,
    ACCEL_REDUCTION_PRODUCT = 5,
    ACCEL_REDUCTION_MEAN = 6
};

/** Reduces the axis of a dense f32 tensor to outer x inner values: f32, or u32 for indices. */
typedef struct accel_reduce_t {
    uint32_t size;  /**< sizeof(accel_reduce_t) */
    uint32_t op;    /**< ACCEL_REDUCTION_* */
    uint32_t outer; /**< 0: 1 */
    uint32_t n;
    uint32_t inner;    /**< 0: 1 */
    uint32_t reserved; /**< 0 */
    accel_operand_t dst;
    accel_operand_t src;
} accel_reduce_t;

/** dst[i] = src[i] over `shape`: a strided copy that permutes, slices, repeats or reverses. */
typedef struct accel_transpose_t {
    uint32_t size;         /**< sizeof(accel_transpose_t) */
    uint32_t element_size; /**< bytes: 1, 2, 4 or 8; 0: 4 */
    accel_operand_t dst;
    accel_operand_t src;
    accel_shape_t shape;
    accel_shape_t dst_strides;                 /**< elements */
    int32_t src_strides[ACCEL_MAX_DIMENSIONS]; /**< elements; 0 repeats, negative reverses */
    uint64_t src_offset;                       /**< elements from `src` to element zero */
} accel_transpose_t;

/**
 * dst[o][c][i] = src[o][indices[c]][i], or with `elements` src[o][indices[o][c][i]][i]. A negative
 * index counts from the end. One out of range stops the queue.
 */
typedef struct accel_gather_t {
    uint32_t size; /**< sizeof(accel_gather_t) */
    uint32_t elements;
    accel_operand_t dst;
    accel_operand_t src;
    accel_operand_t indices;
    uint32_t index_type;   /**< ACCEL_DTYPE_I32 or _I64; 0: ACCEL_DTYPE_I64 */
    uint32_t element_size; /**< bytes: 1, 2, 4 or 8; 0: 4 */
    uint32_t outer;        /**< 0: 1 */
    uint32_t n;
    uint32_t count;
    uint32_t inner; /**< 0: 1 */
} accel_gather_t;

enum {
    ACCEL_SCATTERING_SET = 0,
    ACCEL_SCATTERING_ADD = 1,
    ACCEL_SCATTERING_MUL = 2,
    ACCEL_SCATTERING_MIN = 3,
    ACCEL_SCATTERING_MAX = 4
};

/**
 * dst[o][indices[c]][i] = op(dst[o][indices[c]][i], src[o][c][i]), or with `elements` at the index
 * indices[o][c][i], in ascending order of c. dst is outer x n x inner, src is outer x count x
 * inner. A negative index counts from the end. One out of range stops the queue.
 */
typedef struct accel_scatter_t {
    uint32_t size; /**< sizeof(accel_scatter_t) */
    uint32_t op;   /**< ACCEL_SCATTERING_* */
    accel_operand_t dst;
    accel_operand_t src;
    accel_operand_t indices;
    uint32_t type;       /**< ACCEL_DTYPE_* of dst and src; 0: ACCEL_DTYPE_F32 */
    uint32_t index_type; /**< ACCEL_DTYPE_I32 or _I64; 0: ACCEL_DTYPE_I64 */
    uint32_t elements;   /**< whether each element of src has an index */
    uint32_t outer;      /**< 0: 1 */
    uint32_t n;
    uint32_t count;
    uint32_t inner;    /**< 0: 1 */
    uint32_t reserved; /**< 0 */
} accel_scatter_t;

/** One source element of a result of accel_resize_t, and its weight: an entry of the table. */
typedef struct accel_tap_t {
    uint32_t index; /**< along the axis of the source */
    float weight;
} accel_tap_t;

/** dst[o][c][i] = sum over the taps of c of weight * src[o][index][i], f32. */
typedef struct accel_resize_t {
    uint32_t size; /**< sizeof(accel_resize_t) */
    uint32_t taps; /**< for each result; 0: 1 */
    accel_operand_t dst;
    accel_operand_t src;
    accel_operand_t table; /**< count x taps of accel_tap_t */
    uint32_t outer;        /**< 0: 1 */
    uint32_t n;
    uint32_t count;
    uint32_t inner; /**< 0: 1 */
} accel_resize_t;

/** The distances in elements from a batch, a head and a row to the next. */
typedef struct accel_head_strides_t {
    uint32_t batch;
    uint32_t head;
    uint32_t row;
} accel_head_strides_t;

enum {
    ACCEL_ATTEND_LEFT = 1,            /**< keys more than `left` before a query are blocked */
    ACCEL_ATTEND_RIGHT = 2,           /**< keys more than `right` behind a query are blocked */
    ACCEL_ATTEND_NAN_WITHOUT_KEYS = 4 /**< a query without keys gives NaN instead of zero */
};

/**
 * d = softmax(cap(scale * q k^T) + mask) v, for each head of each batch. Query i has the position
 * offset + i, plus the element of its batch in `positions`. Strides of the mask that are 0 repeat a
 * row; strides of another operand that are all 0 mean [batch][head][row][element], dense.
 */
typedef struct accel_attention_t {
    uint32_t size;  /**< sizeof(accel_attention_t) */
    uint32_t flags; /**< ACCEL_ATTEND_* */
    accel_operand_t d;
    accel_operand_t q;
    accel_operand_t k;
    accel_operand_t v;
    accel_operand_t mask;      /**< rows of `keys` elements, or not set */
    accel_operand_t lengths;   /**< the number of keys of each batch, or not set */
    accel_operand_t positions; /**< of the first query of each batch, or not set */
    uint32_t batch;            /**< 0: 1 */
    uint32_t heads;            /**< 0: 1 */
    uint32_t key_heads;        /**< divides `heads`; 0: as many */
    uint32_t queries;
    uint32_t keys;
    uint32_t head_size;  /**< 1 to 512 */
    uint32_t value_size; /**< up to 512; 0: head_size */
    float scale;         /**< 0: 1 */
    float softcap;       /**< cap(x) = softcap * tanh(x / softcap); 0: none */
    uint32_t left;
    uint32_t right; /**< 0: causal */
    int32_t offset;
    accel_head_strides_t d_strides;
    accel_head_strides_t q_strides;
    accel_head_strides_t k_strides;
    accel_head_strides_t v_strides;
    accel_head_strides_t mask_strides;
    uint32_t d_type; /**< ACCEL_DTYPE_F32, _F16 or _BF16; 0, here and below: ACCEL_DTYPE_F32 */
    uint32_t q_type;
    uint32_t k_type;
    uint32_t v_type;
    uint32_t mask_type;  /**< as the others: added; ACCEL_DTYPE_BOOL: zero blocks a key */
    uint32_t index_type; /**< ACCEL_DTYPE_I32 or _I64; 0: ACCEL_DTYPE_I64 */
    uint32_t reserved;   /**< 0 */
} accel_attention_t;

ACCEL_C_API int accel_command_attention(const accel_attention_t *attention, accel_command_t **out,
                                     accel_error_t *error);
ACCEL_C_API int accel_command_elementwise(const accel_elementwise_t *elementwise,
                                          accel_command_t **out, accel_error_t *error);
ACCEL_C_API int accel_command_softmax(const accel_softmax_t *softmax, accel_command_t **out,
                                      accel_error_t *error);
ACCEL_C_API int accel_command_reduce(const accel_reduce_t *reduce, accel_command_t **out,
                                     accel_error_t *error);
ACCEL_C_API int accel_command_transpose(const accel_transpose_t *transpose, accel_command_t **out,
                                        accel_error_t *error);
ACCEL_C_API int accel_command_gather(const accel_gather_t *gather, accel_command_t **out,
                                     accel_error_t *error);
ACCEL_C_API int accel_command_scatter(const accel_scatter_t *scatter, accel_command_t **out,
                                      accel_error_t *error);
ACCEL_C_API int accel_command_resize(const accel_resize_t *resize, accel_command_t **out,
                                     accel_error_t *error);

#ifdef __cplusplus
}
#endif

#endif
