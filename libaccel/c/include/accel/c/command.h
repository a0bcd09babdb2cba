/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Commands: operands, data types, and the commands that move, fill and synchronize. A command is
 * checked and encoded once, and can be submitted many times.
 *
 * The data sheet, docs/reference/hardware.md, defines the result of each command to the bit.
 * Structures that describe a command are only read while the call runs.
 */
#ifndef ACCEL_C_COMMAND_H
#define ACCEL_C_COMMAND_H

#include "accel/c/buffer.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A checked and encoded command. It keeps its buffers alive. Released by accel_command_free(), also
 * while jobs of it run. Any number of threads may submit one command to their queues.
 */
typedef struct accel_command_t accel_command_t;

/**
 * A 64-bit counter that only grows, which orders queues and the host. Released by
 * accel_semaphore_free(). Commands keep it alive.
 */
typedef struct accel_semaphore_t accel_semaphore_t;

enum {
    ACCEL_OPERAND_NONE = 0,     /**< not set */
    ACCEL_OPERAND_BUFFER = 1,   /**< `offset` bytes from the start of `buffer` */
    ACCEL_OPERAND_ARGUMENT = 2, /**< `offset` bytes from argument `argument` of a list's call */
    ACCEL_OPERAND_ADDRESS = 3   /**< device address `offset`; only the card's MMU checks it */
};

/** The place where a command reads or writes. All zero: not set. */
typedef struct accel_operand_t {
    const accel_buffer_t *buffer;
    uint64_t offset;
    uint32_t kind;     /**< ACCEL_OPERAND_* */
    uint32_t argument; /**< index of the argument */
} accel_operand_t;

/** The operand `offset` bytes from the start of a buffer. */
static inline accel_operand_t accel_at(const accel_buffer_t *buffer, uint64_t offset)
{
    accel_operand_t operand;
    operand.buffer = buffer;
    operand.offset = offset;
    operand.kind = ACCEL_OPERAND_BUFFER;
    operand.argument = 0;
    return operand;
}

/** The operand `offset` bytes from the start of argument `index` of a command list's call. */
static inline accel_operand_t accel_argument(uint32_t index, uint64_t offset)
{
    accel_operand_t operand;
    operand.buffer = NULL;
    operand.offset = offset;
    operand.kind = ACCEL_OPERAND_ARGUMENT;
    operand.argument = index;
    return operand;
}

/** The data type of elements. 0: ACCEL_DTYPE_F32. */
enum {
    ACCEL_DTYPE_F32 = 1,
    ACCEL_DTYPE_BF16 = 2,
    ACCEL_DTYPE_F16 = 3,
    ACCEL_DTYPE_I8 = 4,
    ACCEL_DTYPE_U8 = 5,
    ACCEL_DTYPE_I16 = 6,
    ACCEL_DTYPE_U16 = 7,
    ACCEL_DTYPE_I32 = 8,
    ACCEL_DTYPE_U32 = 9,
    ACCEL_DTYPE_I64 = 10,
    ACCEL_DTYPE_BOOLEAN = 11, /**< one byte */
    ACCEL_DTYPE_F64 = 12,     /**< for elementwise commands, which round it to f32 */
    ACCEL_DTYPE_U64 = 13,     /**< for elementwise commands, which clamp it to the range of i64 */
    /* For elementwise commands; one byte for each element. */
    ACCEL_DTYPE_F8E4M3FN = 14,
    ACCEL_DTYPE_F8E4M3FNUZ = 15,
    ACCEL_DTYPE_F8E5M2 = 16,
    ACCEL_DTYPE_F8E5M2FNUZ = 17,
    ACCEL_DTYPE_F8E8M0 = 18, /**< a power of two */
    ACCEL_DTYPE_F4E2M1 = 19, /**< in the low 4 bits */
    ACCEL_DTYPE_I4 = 20,     /**< in the low 4 bits */
    ACCEL_DTYPE_U4 = 21,     /**< in the low 4 bits */
    ACCEL_DTYPE_I2 = 22,     /**< in the low 2 bits */
    ACCEL_DTYPE_U2 = 23      /**< in the low 2 bits */
};

/** The most dimensions of a command that takes a shape. */
#define ACCEL_MAX_DIMENSIONS 6

/** Copies `rows` rows of `bytes` bytes each. `dst` and `src` must not overlap. */
typedef struct accel_copy_t {
    uint32_t size; /**< sizeof(accel_copy_t) */
    uint32_t rows; /**< 0: 1 */
    accel_operand_t dst;
    accel_operand_t src;
    uint64_t bytes;      /**< of one row */
    uint64_t dst_stride; /**< bytes from one row to the next */
    uint64_t src_stride;
} accel_copy_t;

/** Repeats the low `pattern_bytes` bytes of `pattern` over `rows` rows of `bytes` bytes each. */
typedef struct accel_fill_t {
    uint32_t size;          /**< sizeof(accel_fill_t) */
    uint32_t pattern_bytes; /**< 1, 2, 4 or 8; 0: 4 */
    accel_operand_t dst;
    uint64_t pattern;
    uint64_t bytes;      /**< of one row: a multiple of pattern_bytes */
    uint64_t dst_stride; /**< bytes from one row to the next: a multiple of pattern_bytes */
    uint32_t rows;       /**< 0: 1 */
    uint32_t reserved;   /**< 0 */
} accel_fill_t;

/** Written by the card for a command of accel_command_with_record(). */
typedef struct accel_record_t {
    uint64_t sequence;   /**< as accel_job_sequence() */
    uint32_t status;     /**< ACCEL_ERROR_STATUS_* */
    uint32_t list_index; /**< in the command list, or ACCEL_LIST_INDEX_NONE */
    uint64_t start;      /**< device ticks, of which accel_device_info_t.clock_hz make a second */
    uint64_t end;
} accel_record_t;

/*
 * Errors of all functions that make a command: EINVAL with a sentence that names the field, E2BIG,
 * ENOMEM.
 */

ACCEL_C_API int accel_command_copy(const accel_copy_t *copy, accel_command_t **out,
                                   accel_error_t *error);
ACCEL_C_API int accel_command_fill(const accel_fill_t *fill, accel_command_t **out,
                                   accel_error_t *error);

/** A command that does nothing: its job is over when all earlier commands of the queue are. */
ACCEL_C_API int accel_command_nop(accel_command_t **out, accel_error_t *error);

/** A command that holds its queue until the semaphore is at least `value`. */
ACCEL_C_API int accel_command_wait(const accel_semaphore_t *semaphore, uint64_t value,
                                   accel_command_t **out, accel_error_t *error);

/** A command that sets the semaphore, after all earlier commands of its queue. */
ACCEL_C_API int accel_command_signal(const accel_semaphore_t *semaphore, uint64_t value,
                                     accel_command_t **out, accel_error_t *error);

/**
 * A command of 64 bytes that the card gets unchanged, for cards with commands that this library
 * does not know. The library checks nothing and keeps nothing alive.
 */
ACCEL_C_API int accel_command_raw(const void *bytes, accel_command_t **out, accel_error_t *error);

/** The same command; the card also writes an accel_record_t (32-byte aligned) at `record`. */
ACCEL_C_API int accel_command_with_record(const accel_command_t *command,
                                          const accel_operand_t *record, accel_command_t **out,
                                          accel_error_t *error);

ACCEL_C_API void accel_command_free(accel_command_t *command);

ACCEL_C_API int accel_semaphore_create(const accel_device_t *device, uint64_t value,
                                       accel_semaphore_t **out, accel_error_t *error);

/** The current value. Writes that precede the signal are visible to this thread afterwards. */
ACCEL_C_API int accel_semaphore_value(const accel_semaphore_t *semaphore, uint64_t *out,
                                      accel_error_t *error);

/** Sets the semaphore from the host. A waiting queue checks it within a millisecond. */
ACCEL_C_API int accel_semaphore_set(accel_semaphore_t *semaphore, uint64_t value,
                                    accel_error_t *error);

ACCEL_C_API void accel_semaphore_free(accel_semaphore_t *semaphore);

#ifdef __cplusplus
}
#endif

#endif
