/* SPDX-License-Identifier: GPL-2.0 */
/*
 * accel_core.h - the card without its bus: a C interface to the C++ core.
 *
 * The core is the card behind its PCIe endpoint: registers, admin and event
 * queue, contexts, MMU, queues and engines. It knows nothing of QEMU. Whoever
 * embeds it (the QEMU glue, a unit test, a fuzzer) hands it memory and a few
 * callbacks, and passes on the register and doorbell accesses of the host.
 *
 * Threads. accel_core_* may be called from one thread at a time (in QEMU:
 * under the big lock). Callbacks are called from the core's own threads, and
 * from within accel_core_* calls never, but for clock(), which reading the clock
 * register needs; they must be safe to call at any time until
 * accel_core_destroy() returns. No accel_core_* call but
 * accel_core_destroy() waits for a thread of the core, so a callback may take
 * a lock that the caller of accel_core_* holds; the caller of
 * accel_core_destroy() must not hold such a lock.
 *
 * With a timing model the core has no threads. All it does it does in
 * accel_core_timer(), callbacks are called from there, and timer() and clock()
 * from anywhere. Runs of the same accesses at the same times are then the same.
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
	ACCEL_LOG_GUEST_ERROR,		/* the host did what it must not do */
	ACCEL_LOG_TRACE,
};

struct accel_core_callbacks {
	/* Read or write bus memory by DMA. False: the bus refused. */
	bool (*read)(void *opaque, uint64_t address, void *data, size_t bytes);
	bool (*write)(void *opaque, uint64_t address, const void *data, size_t bytes);
	/* One aligned little-endian 64-bit word, not torn. */
	bool (*read64)(void *opaque, uint64_t address, uint64_t *value);
	bool (*write64)(void *opaque, uint64_t address, uint64_t value);
	/* Send the MSI-X message of a vector. */
	void (*interrupt)(void *opaque, unsigned int vector);
	void (*log)(void *opaque, enum accel_log_level level, const char *text);
	/* Nanoseconds that never go back. */
	uint64_t (*clock)(void *opaque);
	/*
	 * With a timing model: call accel_core_timer() when clock() reaches @deadline.
	 * Replaces what was asked for before; UINT64_MAX: do not call.
	 */
	void (*timer)(void *opaque, uint64_t deadline);
	/* Bracket every thread the core makes; may be NULL. */
	void (*thread_enter)(void *opaque);
	void (*thread_leave)(void *opaque);
};

/* The link of the timing model. Sizes are in bytes. */
struct accel_core_link {
	uint32_t generation;		/* 1 to 6 */
	uint32_t lanes;
	uint32_t payload;		/* longest of a packet */
	uint32_t read_request;		/* longest read */
	uint32_t completion;		/* pieces in which the host answers reads */
};

struct accel_core_config {
	uint8_t *memory;		/* device memory; owned by the caller */
	uint64_t memory_size;
	uint64_t serial;
	uint32_t queues;
	uint32_t contexts;
	uint32_t vectors;
	uint32_t ring_entries;		/* longest ring */
	const struct accel_core_link *link;	/* NULL: no timing model */
};

/*
 * Returns NULL, with one sentence in @error, for a configuration it cannot
 * serve.
 */
struct accel_core *accel_core_create(const struct accel_core_config *config,
				     const struct accel_core_callbacks *callbacks, void *opaque,
				     char *error, size_t error_size);
void accel_core_destroy(struct accel_core *core);

/* A card that misbehaves, for tests of what sits above it. */
enum accel_core_defect {
	ACCEL_DEFECT_NONE,
	ACCEL_DEFECT_ENGINES,		/* engines take no command; a function reset cures it */
	ACCEL_DEFECT_ADMIN,		/* the admin queue is not served; likewise */
	ACCEL_DEFECT_RESET,		/* a reset does not end */
};

void accel_core_set_defect(struct accel_core *core, enum accel_core_defect defect);
enum accel_core_defect accel_core_get_defect(const struct accel_core *core);

/* The temperature of the air around the card, thousandths of a degree Celsius. */
void accel_core_set_ambient(struct accel_core *core, int32_t millicelsius);
int32_t accel_core_ambient(const struct accel_core *core);

/* BAR0 below ACCEL_REGISTER_BLOCK, accesses of 4 or 8 bytes. */
uint64_t accel_core_register_read(struct accel_core *core, uint64_t offset, unsigned int bytes);
void accel_core_register_write(struct accel_core *core, uint64_t offset, uint64_t value,
			       unsigned int bytes);

/* With a timing model: the clock has come as far as timer() asked for. */
void accel_core_timer(struct accel_core *core);

/* BAR2. */
void accel_core_doorbell(struct accel_core *core, uint64_t offset, uint64_t value,
			 unsigned int bytes);

/*
 * Function reset: as ACCEL_CONTROL_RESET, and the counters and settings
 * (power cap, ...) return to their power-on values as well. Returns at once; the
 * card is usable when ACCEL_STATUS_READY is set. Until then callbacks for the
 * old state may still come; after that none does.
 */
void accel_core_reset(struct accel_core *core);

#ifdef __cplusplus
}
#endif

#endif /* ACCEL_CORE_H */
