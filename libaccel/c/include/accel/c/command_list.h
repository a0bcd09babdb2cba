/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Command lists: recorded commands that run as one.
 */
#ifndef ACCEL_C_COMMAND_LIST_H
#define ACCEL_C_COMMAND_LIST_H

#include "accel/c/command.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A recorded list of commands. Released by accel_command_list_free(), also while jobs of it run.
 */
typedef struct accel_command_list_t accel_command_list_t;

/** Creates an empty list. `placement` is ACCEL_PLACEMENT_*. */
ACCEL_C_API int accel_command_list_create(const accel_device_t *device, uint32_t placement,
                                          accel_command_list_t **out, accel_error_t *error);

/** Appends a command. EINVAL if the list is closed or full; the list is then unchanged. */
ACCEL_C_API int accel_command_list_add(accel_command_list_t *list, const accel_command_t *command,
                                       accel_error_t *error);

/** Ends the recording: the list can be submitted, and nothing can be added any more. */
ACCEL_C_API int accel_command_list_close(accel_command_list_t *list, accel_error_t *error);

/** Number of commands; 0 for NULL. */
ACCEL_C_API size_t accel_command_list_size(const accel_command_list_t *list);

/** Number of arguments of a call: the highest recorded accel_argument(), plus one; 0 for NULL. */
ACCEL_C_API uint32_t accel_command_list_arguments(const accel_command_list_t *list);

/**
 * Runs the next `commands` commands of the list, its body, in several passes: `limit` of them, or
 * fewer if the int64_t at `count` is less. The loop ends before a pass if the byte at `condition` is
 * zero. At `index` the card stores the number of each pass. Loops nest to a depth of 4.
 */
typedef struct accel_loop_t {
    uint32_t size; /**< sizeof(accel_loop_t) */
    uint32_t commands;
    uint64_t limit;            /**< 0: no limit */
    accel_operand_t count;     /**< 8-byte aligned; may be left out */
    accel_operand_t condition; /**< may be left out */
    accel_operand_t index;     /**< 8-byte aligned; may be left out */
} accel_loop_t;

/** Skips the next `commands` commands of the list if the byte at `condition` is zero. */
typedef struct accel_skip_t {
    uint32_t size; /**< sizeof(accel_skip_t) */
    uint32_t commands;
    accel_operand_t condition;
    uint32_t if_nonzero; /**< 1: skips them if it is not zero */
    uint32_t reserved;   /**< 0 */
} accel_skip_t;

/**
 * Makes `argument` of the call a slice of `base`, for the commands that follow. The number of the
 * slice is the pass of the innermost loop, or the int64_t at `number`. It must be below `count`. The
 * caller passes only arguments with lower numbers.
 */
typedef struct accel_set_argument_t {
    uint32_t size; /**< sizeof(accel_set_argument_t) */
    uint32_t argument;
    accel_operand_t base;
    uint64_t bytes;  /**< of a slice */
    uint64_t count;  /**< slices; 0: 1 */
    uint64_t stride; /**< bytes from one slice to the next */
    accel_operand_t number; /**< 8-byte aligned; may be left out */
    uint32_t by_pass;       /**< 1: the number is the pass of the innermost loop */
    uint32_t reversed;      /**< 1: slice 0 is the last one */
    uint32_t access;        /**< ACCEL_ACCESS_*: of the commands that use the argument */
    uint32_t reserved;      /**< 0 */
} accel_set_argument_t;

/* Commands that only a list may hold. They need a card with ACCEL_FEATURE_LOOPS. */
ACCEL_C_API int accel_command_loop(const accel_loop_t *loop, accel_command_t **out,
                                   accel_error_t *error);
ACCEL_C_API int accel_command_skip(const accel_skip_t *skip, accel_command_t **out,
                                   accel_error_t *error);
ACCEL_C_API int accel_command_set_argument(const accel_set_argument_t *set, accel_command_t **out,
                                           accel_error_t *error);

ACCEL_C_API void accel_command_list_free(accel_command_list_t *list);

#ifdef __cplusplus
}
#endif

#endif
