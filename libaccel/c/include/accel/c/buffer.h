/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Buffers: memory that the card can access. All sizes and offsets are in bytes.
 */
#ifndef ACCEL_C_BUFFER_H
#define ACCEL_C_BUFFER_H

#include "accel/c/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A handle on memory that the card can access. Released by accel_buffer_free(). The memory is freed
 * when its last handle, and the last unfinished job that uses it, are gone.
 */
typedef struct accel_buffer_t accel_buffer_t;

/** How the card may access a buffer. */
enum {
    ACCEL_ACCESS_DEFAULT = 0, /**< read and write; of an import: read */
    ACCEL_ACCESS_READ = 1,
    ACCEL_ACCESS_WRITE = 2,
    ACCEL_ACCESS_READ_WRITE = 3
};

/** The memory that holds a buffer or a command list. */
enum {
    ACCEL_PLACEMENT_HOST = 0,         /**< host memory, mapped for the CPU */
    ACCEL_PLACEMENT_DEVICE = 1,       /**< device memory without a CPU mapping */
    ACCEL_PLACEMENT_DEVICE_MAPPED = 2 /**< device memory, mapped write-combining; slow to read */
};

typedef struct accel_buffer_options_t {
    uint32_t size;      /**< sizeof(accel_buffer_options_t) */
    uint32_t placement; /**< ACCEL_PLACEMENT_* */
    uint32_t access;    /**< ACCEL_ACCESS_* */
    uint32_t reserved;  /**< 0 */
} accel_buffer_options_t;

/**
 * Allocates zeroed memory. `options` may be NULL.
 *
 * Errors: ENOMEM (host), ENOSPC (device memory), EDQUOT.
 */
ACCEL_C_API int accel_buffer_allocate(const accel_device_t *device, uint64_t bytes,
                                      const accel_buffer_options_t *options, accel_buffer_t **out,
                                      accel_error_t *error);

/**
 * Registers memory of the caller: the card uses it in place. The driver pins its pages and counts
 * them against RLIMIT_MEMLOCK. The caller keeps ownership, and keeps the memory until all handles
 * and jobs that use it are gone. `access` is ACCEL_ACCESS_READ for memory that is read-only.
 */
ACCEL_C_API int accel_buffer_register(const accel_device_t *device, void *memory, uint64_t bytes,
                                      uint32_t access, accel_buffer_t **out, accel_error_t *error);

/** Imports a dma-buf, without a CPU mapping. The caller keeps `fd` and may close it afterwards. */
ACCEL_C_API int accel_buffer_import(const accel_device_t *device, int fd, uint32_t access,
                                    accel_buffer_t **out, accel_error_t *error);

/** Exports all memory of a buffer as a dma-buf. The caller closes `*out`. */
ACCEL_C_API int accel_buffer_export(const accel_device_t *device, const accel_buffer_t *buffer,
                                    int *out, accel_error_t *error);

/** A handle on a part of the same memory. */
ACCEL_C_API int accel_buffer_slice(const accel_buffer_t *buffer, uint64_t offset, uint64_t bytes,
                                   accel_buffer_t **out, accel_error_t *error);

/**
 * The address of the memory for the CPU. It is valid until the last handle is released. The content
 * is undefined while an unfinished job writes it. EINVAL if the buffer has no CPU mapping.
 */
ACCEL_C_API int accel_buffer_data(const accel_buffer_t *buffer, void **out, accel_error_t *error);

/** The size in bytes; 0 for NULL. */
ACCEL_C_API uint64_t accel_buffer_bytes(const accel_buffer_t *buffer);

/** The device address, as raw commands use it; 0 for NULL. */
ACCEL_C_API uint64_t accel_buffer_address(const accel_buffer_t *buffer);

ACCEL_C_API void accel_buffer_free(accel_buffer_t *buffer);

#ifdef __cplusplus
}
#endif

#endif
