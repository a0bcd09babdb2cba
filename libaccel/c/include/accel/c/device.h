/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Cards: the list of those that there are, opening one, its properties.
 */
#ifndef ACCEL_C_DEVICE_H
#define ACCEL_C_DEVICE_H

#include "accel/c/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/** An open card with an address space of its own. Released by accel_device_close(). */
typedef struct accel_device_t accel_device_t;

/** The cards of this machine when accel_devices_list() ran. Released by accel_devices_free(). */
typedef struct accel_devices_t accel_devices_t;

/** Properties and limits of a card and its driver. */
typedef struct accel_device_info_t {
    uint32_t size;             /**< sizeof(accel_device_info_t) */
    uint32_t emulated;         /**< 1 if the card is emulated within this process */
    uint64_t serial;
    uint64_t features;         /**< of the card: ACCEL_FEATURE_* of accel_hw.h */
    uint64_t capabilities;     /**< of the driver: ACCEL_CAP_* of accel_uapi.h */
    uint64_t memory_size;      /**< bytes of device memory */
    uint64_t memory_free;      /**< bytes of device memory that are not allocated */
    uint64_t generation;       /**< number of resets of the card */
    uint64_t time_limit_ns;    /**< the longest device time of a command; 0: no limit */
    uint32_t hardware_version; /**< major << 16 | minor */
    uint32_t firmware_version; /**< major << 24 | minor << 16 | patch */
    uint32_t max_queues;       /**< of all processes together */
    uint32_t max_contexts;     /**< how often the card can be open at once */
    uint32_t max_ring_entries; /**< see accel_queue_options_t */
    uint32_t max_list_commands;
    uint32_t address_bits;
    uint32_t compute_engines;
    uint32_t dma_engines;
    uint32_t clock_hz;    /**< device ticks a second */
    int32_t numa_node;    /**< -1: not known */
    int32_t max_priority; /**< highest ACCEL_QUEUE_PRIORITY_* of this user */
    char path[256];       /**< of the device node, or the name of an emulated card; may be cut */
    char pci[32];         /**< domain:bus:device.function */
    uint32_t max_list_steps;     /**< commands that a call may execute; 0: no loops */
    uint32_t max_call_arguments; /**< arguments of a command list */
} accel_device_info_t;

/** The end of an open device, for example by a reset of the card. */
typedef struct accel_device_end_t {
    uint32_t size;            /**< sizeof(accel_device_end_t) */
    uint32_t ended;           /**< 0: the device works, and all other members are 0 */
    int32_t code;             /**< the errno of every call that uses the device */
    uint32_t reason;          /**< ACCEL_ERROR_REASON_* */
    uint64_t generation;      /**< of the card when the device was opened */
    uint64_t card_generation; /**< of the card now */
} accel_device_end_t;

/**
 * Opens a card. `name` is a path ("/dev/accel0"), a PCI address ("0000:01:00.0"), a serial number,
 * or an emulated card ("emulated", "emulated:cards=2,memory=1G"). NULL: the card that the
 * environment variable ACCEL_DEVICE names, or else the first card of the machine.
 *
 * Errors: ENOENT or ENODEV if there is no such card, EINVAL for a name that no card can have, and
 * those of the driver (EACCES, EBUSY, EDQUOT, ...).
 */
ACCEL_C_API int accel_device_open(const char *name, accel_device_t **out, accel_error_t *error);

/** Releases the handle. The card closes when no queue, buffer, model or job needs it. */
ACCEL_C_API void accel_device_close(accel_device_t *device);

/** Queries the driver: memory_free, generation and the limits are current. */
ACCEL_C_API int accel_device_info(const accel_device_t *device, accel_device_info_t *out,
                                  accel_error_t *error);

/** How the device ended. This also answers after the end, when all other calls fail. */
ACCEL_C_API int accel_device_ended(const accel_device_t *device, accel_device_end_t *out,
                                   accel_error_t *error);

/** The file descriptor for poll(), see accel_queue_notify(). The device owns it. */
ACCEL_C_API int accel_device_fd(const accel_device_t *device, int *out, accel_error_t *error);

/** Lists all cards of this machine, or those that ACCEL_DEVICE names. */
ACCEL_C_API int accel_devices_list(accel_devices_t **out, accel_error_t *error);

ACCEL_C_API size_t accel_devices_count(const accel_devices_t *devices);

/** The name for accel_device_open(). NULL if there is no card `index`. Lives as the list does. */
ACCEL_C_API const char *accel_devices_path(const accel_devices_t *devices, size_t index);

/** Why this process cannot open the card; NULL if it can. Lives as the list does. */
ACCEL_C_API const char *accel_devices_reason(const accel_devices_t *devices, size_t index);

ACCEL_C_API void accel_devices_free(accel_devices_t *devices);

#ifdef __cplusplus
}
#endif

#endif
