/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Errors of the C interface, and the version of the library.
 */
#ifndef ACCEL_C_ERROR_H
#define ACCEL_C_ERROR_H

#include <stddef.h>
#include <stdint.h>

#define ACCEL_C_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/** The reason why the card stopped a queue: accel_error_t.status. */
enum {
    ACCEL_ERROR_STATUS_OK = 0, /**< the card did not cause the error */
    ACCEL_ERROR_STATUS_BAD_OPCODE = 1,
    ACCEL_ERROR_STATUS_BAD_FIELD = 2,
    ACCEL_ERROR_STATUS_BAD_ALIGNMENT = 3,
    ACCEL_ERROR_STATUS_BAD_SIZE = 4,
    ACCEL_ERROR_STATUS_BAD_ARGUMENT = 5,
    ACCEL_ERROR_STATUS_NESTED_CALL = 6,
    ACCEL_ERROR_STATUS_BAD_DOORBELL = 7,
    ACCEL_ERROR_STATUS_FAULT_UNMAPPED = 8,
    ACCEL_ERROR_STATUS_FAULT_READ = 9,
    ACCEL_ERROR_STATUS_FAULT_WRITE = 10,
    ACCEL_ERROR_STATUS_FAULT_TABLE = 11,
    ACCEL_ERROR_STATUS_BUS_ERROR = 12,
    ACCEL_ERROR_STATUS_ABORTED = 13,
    ACCEL_ERROR_STATUS_BUSY = 14,
    ACCEL_ERROR_STATUS_EXISTS = 15,
    ACCEL_ERROR_STATUS_NOT_FOUND = 16,
    ACCEL_ERROR_STATUS_INTERNAL = 17,
    ACCEL_ERROR_STATUS_BAD_INDEX = 18,
    ACCEL_ERROR_STATUS_TIME_LIMIT = 19,
    ACCEL_ERROR_STATUS_NO_PROGRESS = 20,
    ACCEL_ERROR_STATUS_STEP_LIMIT = 21
};

/** The reason why a queue stopped or an open device ended: accel_error_t.reason. */
enum {
    ACCEL_ERROR_REASON_NONE = 0,
    ACCEL_ERROR_REASON_ERROR = 1,       /**< a command of the queue failed */
    ACCEL_ERROR_REASON_TIME_LIMIT = 2,  /**< a command of the queue used up its time limit */
    ACCEL_ERROR_REASON_NO_PROGRESS = 3, /**< the queue made no progress; the driver stopped it */
    ACCEL_ERROR_REASON_STOPPED = 4,     /**< an administrator stopped the queue */
    ACCEL_ERROR_REASON_RESET = 5,       /**< an administrator reset the card */
    ACCEL_ERROR_REASON_RECOVERY = 6,    /**< the driver reset the card, because it did not work */
    ACCEL_ERROR_REASON_LINK_ERROR = 7,  /**< the link may have lost data */
    ACCEL_ERROR_REASON_SUSPEND = 8,     /**< the machine was suspended */
    ACCEL_ERROR_REASON_REMOVED = 9,     /**< the card was removed, or its driver was unbound */
    ACCEL_ERROR_REASON_WEDGED = 10      /**< the card failed and no reset helped */
};

/** accel_error_t.list_index of a command outside of a command list. */
#define ACCEL_LIST_INDEX_NONE UINT32_MAX

/**
 * A failure of a function. The caller owns it and sets `size`. A function writes it only when it
 * returns a value other than 0. Nothing needs to be released.
 */
typedef struct accel_error_t {
    uint32_t size;       /**< sizeof(accel_error_t) */
    int32_t code;        /**< the errno that the function returned */
    uint32_t status;     /**< ACCEL_ERROR_STATUS_*: the report of the card */
    uint32_t reason;     /**< ACCEL_ERROR_REASON_*: why a queue stopped or the device ended */
    uint64_t sequence;   /**< the job that failed, as accel_job_sequence() counts; 0: no job */
    uint64_t address;    /**< device address of a fault, or 0 */
    uint32_t opcode;     /**< of the command that failed, as in the data sheet */
    uint32_t list_index; /**< of the command in its command list, or ACCEL_LIST_INDEX_NONE */
    /** A sentence in UTF-8: what failed, why, what to do. A longer one is cut. Ends with NUL. */
    char text[1024];
} accel_error_t;

/** A sentence about an ACCEL_ERROR_STATUS_*; never NULL, and never freed. */
ACCEL_C_API const char *accel_status_text(uint32_t status);

/** A sentence about an ACCEL_ERROR_REASON_*; never NULL, and never freed. */
ACCEL_C_API const char *accel_reason_text(uint32_t reason);

/** The version of the library as text, such as "0.1.0"; never freed. */
ACCEL_C_API const char *accel_library_version(void);

#ifdef __cplusplus
}
#endif

#endif
