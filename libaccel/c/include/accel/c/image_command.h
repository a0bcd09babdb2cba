/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Convolution and pooling of images in NHWC order.
 */
#ifndef ACCEL_C_IMAGE_COMMAND_H
#define ACCEL_C_IMAGE_COMMAND_H

#include "accel/c/matrix_command.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A batch of images in NHWC order. 0 stands for 1 in a length, and for dense in a stride. */
typedef struct accel_image_t {
    uint32_t height;
    uint32_t width;
    uint32_t channels;
    uint32_t pixel_stride; /**< elements */
    uint32_t row_stride;
    uint32_t image_stride;
} accel_image_t;

/** The window of a convolution or a pool. 0 stands for 1, except in the padding. */
typedef struct accel_window_t {
    uint16_t height;
    uint16_t width;
    uint16_t stride_y;
    uint16_t stride_x;
    uint16_t dilation_y;
    uint16_t dilation_x;
    uint16_t pad_top;
    uint16_t pad_left;
} accel_window_t;

/**
 * A 2-D convolution with an activation. `weights` is dense, in the order
 * [window.height][window.width][src_image.channels / groups][dst_image.channels].
 */
typedef struct accel_conv2d_t {
    uint32_t size;   /**< sizeof(accel_conv2d_t) */
    uint32_t batch;  /**< 0: 1 */
    uint32_t groups; /**< 0: 1 */
    uint32_t activation;
    accel_operand_t dst;
    accel_operand_t src;
    accel_operand_t weights;
    accel_operand_t bias; /**< a value for each channel of dst; not set: no bias */
    accel_image_t src_image;
    accel_image_t dst_image;
    accel_window_t window;
    float activation_alpha;
    float activation_beta;
    accel_format_t format;
    uint32_t reserved; /**< 0 */
} accel_conv2d_t;

enum {
    ACCEL_POOLING_MAX = 0,
    ACCEL_POOLING_AVERAGE = 1
};

/** Max or average pooling of each channel. */
typedef struct accel_pool_t {
    uint32_t size;              /**< sizeof(accel_pool_t) */
    uint32_t op;                /**< ACCEL_POOLING_* */
    uint32_t batch;             /**< 0: 1 */
    uint32_t count_include_pad; /**< 1: an average divides by the whole window */
    accel_operand_t dst;
    accel_operand_t src;
    accel_image_t src_image;
    accel_image_t dst_image;
    accel_window_t window;
    uint32_t type;     /**< ACCEL_DTYPE_*: f32, for ACCEL_POOLING_MAX also i8 or u8 */
    uint32_t reserved; /**< 0 */
} accel_pool_t;

ACCEL_C_API int accel_command_conv2d(const accel_conv2d_t *conv, accel_command_t **out,
                                     accel_error_t *error);
ACCEL_C_API int accel_command_pool(const accel_pool_t *pool, accel_command_t **out,
                                   accel_error_t *error);

#ifdef __cplusplus
}
#endif

#endif
