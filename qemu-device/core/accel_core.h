/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * accel_core.h - the card without its bus: a C interface to the C++ core.
 *
 * The core is the card behind its PCIe endpoint: registers, admin and event
 * queue, contexts, MMU, queues and engines. It does not depend on QEMU. The
 * embedder (the QEMU glue, a unit test, a fuzzer) gives it memory and a few
 * callbacks, and forwards the register and doorbell accesses of the host.
 *
 * Threads. One thread at a time may call accel_core_* (in QEMU: under the big
 * lock). The core calls the callbacks from its own threads, several at once, and
 * never from within an accel_core_* call. The exception is clock(), which a read
 * of the clock register needs. The callbacks must be safe to call at any time
 * until accel_core_destroy() returns.
 *
 * The core has a thread for each engine, one for the admin queue, and a team
 * that helps the engines (accel_core_config.threads). A thread without work
 * sleeps.
 *
 * Locks. Of all accel_core_* functions only accel_core_destroy() waits for a
 * thread of the core. So a callback may take a lock that callers of the other
 * functions hold, but the caller of accel_core_destroy() must not hold it.
 *
 * With a timing model the core has no threads. It does all of its work in
 * accel_core_timer() and calls the callbacks from there, but timer() and
 * clock() from every function. Runs with the same accesses at the same times
 * are then identical.
 *
 * No C++ exception leaves these functions.
 */
#ifndef ACCEL_CORE_H
#define ACCEL_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct accel_core;

enum accel_log_level {
	ACCEL_LOG_GUEST_ERROR,		/* the host violated the contract of the card */
	ACCEL_LOG_TRACE,
};

struct accel_core_callbacks {
	/* Read or write bus memory by DMA. False: the bus refused. */
	bool (*read)(void *opaque, uint64_t address, void *data, size_t bytes);
	bool (*write)(void *opaque, uint64_t address, const void *data, size_t bytes);
	/* Read or write one aligned little-endian 64-bit word in a single access. */
	bool (*read64)(void *opaque, uint64_t address, uint64_t *value);
	bool (*write64)(void *opaque, uint64_t address, uint64_t value);
	/* Send the MSI-X message of a vector. */
	void (*interrupt)(void *opaque, unsigned int vector);
	void (*log)(void *opaque, enum accel_log_level level, const char *text);
	/* Monotonic time in nanoseconds. */
	uint64_t (*clock)(void *opaque);
	/*
	 * With a timing model: call accel_core_timer() when clock() reaches @deadline.
	 * This replaces the previous deadline. UINT64_MAX: do not call it.
	 */
	void (*timer)(void *opaque, uint64_t deadline);
	/* Called first and last in every thread of the core; may be NULL. */
	void (*thread_enter)(void *opaque);
	void (*thread_leave)(void *opaque);
};

/* The link of the timing model. Sizes are in bytes. */
struct accel_core_link {
	uint32_t generation;		/* 1 to 6 */
	uint32_t lanes;
	uint32_t payload;		/* longest payload of a packet */
	uint32_t read_request;		/* longest read request */
	uint32_t completion;		/* longest completion of a read request */
};

/* The most threads that may compute one command together. */
#define ACCEL_CORE_MAX_THREADS 1024

struct accel_core_config {
	uint8_t *memory;		/* device memory; owned by the caller */
	uint64_t memory_size;
	uint64_t serial;
	uint32_t queues;
	uint32_t contexts;
	uint32_t vectors;
	uint32_t ring_entries;		/* longest ring */
	const struct accel_core_link *link;	/* NULL: no timing model */
	/*
	 * How many threads may compute one command together, up to
	 * ACCEL_CORE_MAX_THREADS. 0: one for each core that the process may use.
	 * With a timing model it has no effect.
	 */
	uint32_t threads;
};

/*
 * Creates a card. Returns NULL on failure, with a sentence in @error and the
 * cause in errno: EINVAL, the configuration is invalid; ENOMEM, memory is short;
 * EAGAIN, no thread can be started.
 */
struct accel_core *accel_core_create(const struct accel_core_config *config,
				     const struct accel_core_callbacks *callbacks, void *opaque,
				     char *error, size_t error_size);
void accel_core_destroy(struct accel_core *core);

/* Planted defects of the card, for tests of the software that drives it. */
enum accel_core_defect {
	ACCEL_DEFECT_NONE,
	ACCEL_DEFECT_ENGINES,		/* engines run no command, until a function reset */
	ACCEL_DEFECT_ADMIN,		/* the admin queue is not served, until a function reset */
	ACCEL_DEFECT_RESET,		/* a reset does not end */
	ACCEL_DEFECT_EVENTS,		/* every event is dropped, and counted as lost */
	ACCEL_DEFECT_PROGRESS,		/* the next command of an engine does not advance */
	ACCEL_DEFECT_DUPLICATES,	/* every event is written twice */
};

void accel_core_set_defect(struct accel_core *core, enum accel_core_defect defect);
enum accel_core_defect accel_core_get_defect(const struct accel_core *core);

/* The temperature of the air around the card, in thousandths of a degree Celsius. */
void accel_core_set_ambient(struct accel_core *core, int32_t millicelsius);
int32_t accel_core_ambient(const struct accel_core *core);

/* Accesses of 4 or 8 bytes to BAR0, below ACCEL_REGISTER_BLOCK. */
uint64_t accel_core_register_read(struct accel_core *core, uint64_t offset, unsigned int bytes);
void accel_core_register_write(struct accel_core *core, uint64_t offset, uint64_t value,
			       unsigned int bytes);

/* With a timing model: tells the core that clock() reached the deadline of timer(). */
void accel_core_timer(struct accel_core *core);

/* A write to BAR2. */
void accel_core_doorbell(struct accel_core *core, uint64_t offset, uint64_t value,
			 unsigned int bytes);

/*
 * Function reset: like ACCEL_CONTROL_RESET, but counters and settings (such as
 * the power cap) return to their power-on values as well. It returns at once. The
 * card is usable when ACCEL_STATUS_READY is set. Until then the core may still
 * call callbacks for the old state.
 */
void accel_core_reset(struct accel_core *core);

#ifdef __cplusplus
}
#endif

#endif /* ACCEL_CORE_H */
