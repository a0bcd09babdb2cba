/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * accel_timing.h - the timing model of the emulated card (docs/hardware.md, section 10): what takes
 * how long with timing=model. The card charges these numbers, and the benchmarks compute from
 * them what the card could do at best. A tick is a nanosecond.
 */
#ifndef ACCEL_TIMING_H
#define ACCEL_TIMING_H

/* Fixed latencies, in ticks. */
#define ACCEL_TIMING_LINK		150	/* a packet, from one end of the link to the other */
#define ACCEL_TIMING_HOST		150	/* host memory answers a read */
#define ACCEL_TIMING_MEMORY		80	/* device memory answers a read */
#define ACCEL_TIMING_DECODE		20	/* a command, by a front end */
#define ACCEL_TIMING_LAUNCH		100	/* a command, by an engine, until it does something */

/* Rates, in units a tick. Those of the compute engine are at its full clock. */
#define ACCEL_TIMING_MEMORY_BYTES	128	/* device memory, reads and writes together */
#define ACCEL_TIMING_MACS		4096	/* f32 multiply-adds of GEMM */
#define ACCEL_TIMING_ELEMENTS		256	/* additions, comparisons, ... */
#define ACCEL_TIMING_SPECIALS		32	/* exponentials, divisions */

/* How many commands at once. */
#define ACCEL_TIMING_FRONT_ENDS		4	/* are fetched and decoded */
#define ACCEL_TIMING_DMA_CHANNELS	4	/* move data */
#define ACCEL_TIMING_COMPUTE_ENGINES	1	/* compute */

#endif /* ACCEL_TIMING_H */
