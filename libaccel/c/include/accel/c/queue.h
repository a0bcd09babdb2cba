/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * Queues and jobs: submitting commands and waiting for them.
 */
#ifndef ACCEL_C_QUEUE_H
#define ACCEL_C_QUEUE_H

#include "accel/c/command_list.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A hardware queue. Its commands run in order. Released by accel_queue_destroy(), which cancels
 * jobs that are not finished.
 *
 * Thread-safety: one producer. The caller serializes all calls that name a queue, except
 * accel_queue_pending(). Any thread may wait for its jobs meanwhile.
 */
typedef struct accel_queue_t accel_queue_t;

/**
 * A submitted command. Released by accel_job_free(), which neither waits nor cancels.
 *
 * Thread-safety: any thread.
 */
typedef struct accel_job_t accel_job_t;

enum {
    ACCEL_QUEUE_PRIORITY_LOW = -1,
    ACCEL_QUEUE_PRIORITY_NORMAL = 0,
    ACCEL_QUEUE_PRIORITY_HIGH = 1,
    ACCEL_QUEUE_PRIORITY_URGENT = 2
};

/** A timeout without end. */
#define ACCEL_FOREVER INT64_MAX

typedef struct accel_queue_options_t {
    uint32_t size;     /**< sizeof(accel_queue_options_t) */
    int32_t priority;  /**< ACCEL_QUEUE_PRIORITY_* */
    uint32_t entries;  /**< ring size in commands, a power of two; 0: 64 */
    uint32_t reserved; /**< 0 */
    /** How long waits poll before they sleep. 0: 20 us; negative: sleep at once; ACCEL_FOREVER:
     * never sleep. */
    int64_t spin_ns;
    /** The longest device time of a command, rounded up to milliseconds. 0: the card's limit. */
    uint64_t time_limit_ns;
} accel_queue_options_t;

/** The card's counters of a queue, since the queue was created. */
typedef struct accel_queue_counters_t {
    uint32_t size; /**< sizeof(accel_queue_counters_t) */
    uint32_t reserved;
    uint64_t completed; /**< sequence number of the newest finished job */
    uint64_t commands;  /**< finished commands, including those in lists */
    uint64_t doorbells;
    uint64_t interrupts;
    uint64_t dma_busy_ticks;
    uint64_t compute_busy_ticks;
    uint64_t host_bytes_read;
    uint64_t host_bytes_written;
    uint64_t device_bytes_read;
    uint64_t device_bytes_written;
} accel_queue_counters_t;

/**
 * Creates a queue. `options` may be NULL.
 *
 * Errors: EINVAL for options that the card does not have, ENOSPC when all queues are in use,
 * EDQUOT, EPERM for a priority above accel_device_info_t.max_priority.
 */
ACCEL_C_API int accel_queue_create(const accel_device_t *device,
                                   const accel_queue_options_t *options, accel_queue_t **out,
                                   accel_error_t *error);

/**
 * Submits a command, usually without a system call. `job` may be NULL. When the ring is full, this
 * waits for room like accel_job_wait().
 */
ACCEL_C_API int accel_queue_submit(accel_queue_t *queue, const accel_command_t *command,
                                   accel_job_t **job, accel_error_t *error);

/** Like accel_queue_submit(), but returns EAGAIN when the ring is full. */
ACCEL_C_API int accel_queue_try_submit(accel_queue_t *queue, const accel_command_t *command,
                                       accel_job_t **job, accel_error_t *error);

/**
 * Submits `count` commands, which the card sees together. The job is the last of them. When this
 * fails, none is submitted. EINVAL for more commands than the ring has entries, or none.
 */
ACCEL_C_API int accel_queue_submit_batch(accel_queue_t *queue,
                                         const accel_command_t *const *commands, size_t count,
                                         accel_job_t **job, accel_error_t *error);

/** Submits a call of a closed list with `count` arguments. */
ACCEL_C_API int accel_queue_submit_list(accel_queue_t *queue, const accel_command_list_t *list,
                                        const accel_operand_t *arguments, size_t count,
                                        accel_job_t **job, accel_error_t *error);

/** Copies `bytes` bytes of the caller's memory to a buffer, through the queue, and waits. */
ACCEL_C_API int accel_queue_upload(accel_queue_t *queue, const accel_buffer_t *dst,
                                   uint64_t offset, const void *src, uint64_t bytes,
                                   accel_error_t *error);

/** Copies `bytes` bytes of a buffer to the caller's memory, through the queue, and waits. */
ACCEL_C_API int accel_queue_download(accel_queue_t *queue, void *dst, const accel_buffer_t *src,
                                     uint64_t offset, uint64_t bytes, accel_error_t *error);

/** Waits until all submitted jobs are finished; fails like accel_job_wait(). */
ACCEL_C_API int accel_queue_synchronize(accel_queue_t *queue, accel_error_t *error);

/** Cancels jobs that are not finished and restarts the queue, also after an error. */
ACCEL_C_API int accel_queue_reset(accel_queue_t *queue, accel_error_t *error);

/** Makes poll() on accel_device_fd() report POLLIN when `job`, of this queue, is over. */
ACCEL_C_API int accel_queue_notify(accel_queue_t *queue, const accel_job_t *job,
                                   accel_error_t *error);

/** Makes the card check the semaphore that the queue waits for at once. */
ACCEL_C_API int accel_queue_ring_doorbell(accel_queue_t *queue, accel_error_t *error);

ACCEL_C_API int accel_queue_counters(const accel_queue_t *queue, accel_queue_counters_t *out,
                                     accel_error_t *error);

/** Number of submitted commands that are not finished; 0 for NULL. */
ACCEL_C_API uint32_t accel_queue_pending(const accel_queue_t *queue);

ACCEL_C_API void accel_queue_destroy(accel_queue_t *queue);

/**
 * Waits until the job is finished, for at most `timeout_ns` nanoseconds; 0 or less only checks.
 *
 * Errors: ETIMEDOUT when the time is over; EIO if the command failed, ETIME if it used up its time
 * limit or made no progress, ECANCELED after a reset or the end of its queue, ESTALE if the card
 * was reset, ENODEV if it is gone, ENOTRECOVERABLE if it does not work any more.
 */
ACCEL_C_API int accel_job_wait(const accel_job_t *job, int64_t timeout_ns, accel_error_t *error);

/** 1 if the job is over: finished, failed or canceled. Never enters the kernel. 1 for NULL. */
ACCEL_C_API int accel_job_done(const accel_job_t *job);

/** Number of the job in its queue, from 1; 0 for NULL. */
ACCEL_C_API uint64_t accel_job_sequence(const accel_job_t *job);

/**
 * Stores the index of a job that is over. The jobs may be of different queues and devices.
 * ETIMEDOUT when the time is over; EINVAL if there is no job.
 */
ACCEL_C_API int accel_job_wait_any(const accel_job_t *const *jobs, size_t count, int64_t timeout_ns,
                                   size_t *out, accel_error_t *error);

ACCEL_C_API void accel_job_free(accel_job_t *job);

#ifdef __cplusplus
}
#endif

#endif
