/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * accel_timing.h - the latencies and rates of the emulated card's timing model
 * (docs/reference/hardware.md, section 10). The card charges these costs with timing=model, and the
 * benchmarks compute the card's peak performance from them. A tick is a nanosecond.
 */
#ifndef ACCEL_TIMING_H
#define ACCEL_TIMING_H

/* Fixed latencies, in ticks. */
#define ACCEL_TIMING_LINK		150	/* a packet crosses the link */
#define ACCEL_TIMING_HOST		150	/* host memory answers a read */
#define ACCEL_TIMING_MEMORY		80	/* device memory answers a read */
#define ACCEL_TIMING_DECODE		20	/* a front end decodes a command */
#define ACCEL_TIMING_LAUNCH		100	/* an engine starts a command */

/* Sharing of an engine, in ticks. */
#define ACCEL_TIMING_TURN		100000	/* the longest turn among queues of one priority */
#define ACCEL_TIMING_SWITCH		1000	/* an engine exchanges a command for another */

/* Rates in units for each tick. Compute rates hold at the full clock of the compute engine. */
#define ACCEL_TIMING_MEMORY_BYTES	128	/* device memory, reads and writes together */
#define ACCEL_TIMING_MACS		4096	/* f32 multiply-adds of GEMM */
#define ACCEL_TIMING_ELEMENTS		256	/* additions, comparisons, ... */
#define ACCEL_TIMING_SPECIALS		32	/* exponentials, divisions */

/* Number of commands that are processed at the same time. */
#define ACCEL_TIMING_FRONT_ENDS		4	/* in the fetch and decode stage */
#define ACCEL_TIMING_DMA_CHANNELS	4	/* on DMA engines */
#define ACCEL_TIMING_COMPUTE_ENGINES	1	/* on compute engines */

#endif /* ACCEL_TIMING_H */
