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

ACCEL_C_API void accel_command_list_free(accel_command_list_t *list);

#ifdef __cplusplus
}
#endif

#endif
