/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * accel_hw.h - the hardware contract between the card, the driver and the SDK.
 *
 * This file defines the registers, page-table entries, queues, commands, events
 * and status codes of the accelerator, each number in this place only. The data
 * sheet, docs/reference/hardware.md, explains them. The file compiles as C (kernel, QEMU)
 * and as C++.
 *
 * Everything in memory is little-endian. Software writes reserved fields as
 * zero; the card refuses a command with a reserved field that is not zero.
 */
#ifndef ACCEL_HW_H
#define ACCEL_HW_H

#include <linux/types.h>

/* ---- PCI identity ------------------------------------------------------- */

#define ACCEL_PCI_VENDOR	0x1234
#define ACCEL_PCI_DEVICE	0xacc1
#define ACCEL_PCI_CLASS		0x1200	/* processing accelerator */

#define ACCEL_BAR_REGISTERS	0	/* registers, MSI-X table and PBA */
#define ACCEL_BAR_DOORBELLS	2	/* one 4 KiB page for each queue */
#define ACCEL_BAR_MEMORY	4	/* device memory, prefetchable */

#define ACCEL_REGISTERS_SIZE	0x10000
#define ACCEL_REGISTER_BLOCK	0x1000	/* the registers proper: one page */
#define ACCEL_MSIX_TABLE	0x8000
#define ACCEL_MSIX_PBA		0xc000
#define ACCEL_DOORBELL_STRIDE	0x1000

/* ---- Registers (BAR0) --------------------------------------------------- */

/* Identity and limits; read-only. */
#define ACCEL_REG_MAGIC		0x000	/* u32: ACCEL_MAGIC */
#define ACCEL_REG_VERSION	0x004	/* u32: major << 16 | minor */
#define ACCEL_REG_FEATURES	0x008	/* u64: ACCEL_FEATURE_* */
#define ACCEL_REG_STATUS	0x010	/* u32: ACCEL_STATUS_* */
#define ACCEL_REG_CONTROL	0x014	/* u32, RW: ACCEL_CONTROL_* */
#define ACCEL_REG_QUEUES	0x018	/* u32: user queues; ids 0 .. n-1 */
#define ACCEL_REG_CONTEXTS	0x01c	/* u32: contexts; ids 0 .. n-1 */
#define ACCEL_REG_MEMORY_SIZE	0x020	/* u64: bytes of device memory */
#define ACCEL_REG_RING_ENTRIES	0x028	/* u32: largest user ring, in commands */
#define ACCEL_REG_LIST_COMMANDS	0x02c	/* u32: longest command list of a CALL */
#define ACCEL_REG_VECTORS	0x030	/* u32: MSI-X vectors of the card */
#define ACCEL_REG_VA_BITS	0x034	/* u32: width of a context address */
#define ACCEL_REG_FIRMWARE	0x038	/* u32: major << 24 | minor << 16 | patch */
#define ACCEL_REG_ENGINES	0x03c	/* u32: compute << 8 | DMA */
#define ACCEL_REG_SERIAL	0x040	/* u64: also the PCIe serial number */
#define ACCEL_REG_CLOCK		0x048	/* u64: free-running device ticks */
#define ACCEL_REG_CLOCK_HZ	0x050	/* u32: ticks per second */
#define ACCEL_REG_SEGMENTS	0x054	/* u32: longest segment list of a TRANSFER */
#define ACCEL_REG_LIST_STEPS	0x058	/* u32: commands that a CALL may execute */
#define ACCEL_REG_CALL_ARGUMENTS 0x05c	/* u32: arguments of a CALL; zero: 64 */

/* Sensors. */
#define ACCEL_REG_TEMPERATURE	0x080	/* s32: thousandths of a degree Celsius */
#define ACCEL_REG_POWER		0x084	/* u32: milliwatts */
#define ACCEL_REG_CORE_CLOCK	0x088	/* u32: MHz */
#define ACCEL_REG_POWER_CAP	0x08c	/* u32, RW: milliwatts */
#define ACCEL_REG_POWER_CAP_MIN	0x090	/* u32: milliwatts */
#define ACCEL_REG_POWER_CAP_MAX	0x094	/* u32: milliwatts */

/* Admin queue: bus addresses, driver only. */
#define ACCEL_REG_ADMIN_RING	0x100	/* u64, RW: bus address, 4 KiB aligned */
#define ACCEL_REG_ADMIN_RESULTS	0x108	/* u64, RW: bus address, 4 KiB aligned */
#define ACCEL_REG_ADMIN_ENTRIES	0x110	/* u32, RW: power of two, 2 .. 64 */
#define ACCEL_REG_ADMIN_DOORBELL 0x114	/* u32, WO: low half of the tail */

/* Event queue. */
#define ACCEL_REG_EVENT_RING	0x120	/* u64, RW: bus address, 4 KiB aligned */
#define ACCEL_REG_EVENT_ENTRIES	0x128	/* u32, RW: power of two, 2 .. 8192 */
#define ACCEL_REG_EVENT_HEAD	0x12c	/* u32, RW: events consumed, low half */
#define ACCEL_REG_EVENT_LOST	0x130	/* u32: events dropped, ring was full */

/* Counters since power-on or function reset; u64, read-only. */
#define ACCEL_REG_COMMANDS	0x200	/* completed commands, including those in CALLs */
#define ACCEL_REG_DOORBELLS	0x208	/* doorbell writes received */
#define ACCEL_REG_INTERRUPTS	0x210	/* MSI-X messages raised */
#define ACCEL_REG_HOST_READ	0x218	/* bytes read from host memory */
#define ACCEL_REG_HOST_WRITTEN	0x220	/* bytes written to host memory */
#define ACCEL_REG_MEMORY_READ	0x228	/* bytes read from device memory */
#define ACCEL_REG_MEMORY_WRITTEN 0x230	/* bytes written to device memory */
#define ACCEL_REG_TLB_MISSES	0x238	/* page-table walks */
#define ACCEL_REG_FAULTS	0x240	/* commands ended by a translation fault */
#define ACCEL_REG_DMA_BUSY	0x248	/* busy ticks of the DMA engine */
#define ACCEL_REG_COMPUTE_BUSY	0x250	/* busy ticks of the compute engine */

#define ACCEL_MAGIC		0x4c454341	/* "ACEL" */
#define ACCEL_VERSION_MAJOR	1
#define ACCEL_VERSION_MINOR	3
#define ACCEL_VERSION		(ACCEL_VERSION_MAJOR << 16 | ACCEL_VERSION_MINOR)

#define ACCEL_FEATURE_SHADOW	(1ULL << 0)	/* shadow doorbells */
#define ACCEL_FEATURE_CALL	(1ULL << 1)	/* recorded command lists */
#define ACCEL_FEATURE_TIMELINE	(1ULL << 2)	/* WAIT and SIGNAL */
#define ACCEL_FEATURE_F32	(1ULL << 3)	/* f32 compute */
#define ACCEL_FEATURE_SCATTER	(1ULL << 4)	/* TRANSFER and bypass contexts */
#define ACCEL_FEATURE_IMAGE	(1ULL << 5)	/* CONV2D and POOL */
#define ACCEL_FEATURE_TENSOR	(1ULL << 6)	/* all types; TRANSPOSE, GATHER, RESIZE */
#define ACCEL_FEATURE_SHARING	(1ULL << 7)	/* preemption, time limits, QUERY_QUEUES */
#define ACCEL_FEATURE_TENSOR_SCATTER (1ULL << 8)	/* the command SCATTER */
#define ACCEL_FEATURE_SMALL_TYPES (1ULL << 9)	/* types of 2, 4 and 8 bits in ELEMENTWISE */
#define ACCEL_FEATURE_LOOPS	(1ULL << 10)	/* LOOP, SKIP and SET_ARGUMENT in lists */
#define ACCEL_FEATURE_ATTENTION	(1ULL << 11)	/* the command ATTENTION */

#define ACCEL_STATUS_READY	(1U << 0)	/* out of reset; registers may be set */
#define ACCEL_STATUS_RESETTING	(1U << 1)	/* a reset is in progress */
#define ACCEL_STATUS_FATAL	(1U << 2)	/* only a reset recovers the card */
#define ACCEL_STATUS_ENABLED	(1U << 3)	/* queues run */
#define ACCEL_STATUS_THROTTLED	(1U << 4)	/* clock lowered by heat or power cap */

#define ACCEL_CONTROL_ENABLE	(1U << 0)
#define ACCEL_CONTROL_RESET	(1U << 1)	/* reads as zero */

#define ACCEL_VECTOR_EVENTS	0	/* events and admin completions */

/* ---- Page tables -------------------------------------------------------- */

#define ACCEL_VA_BITS		48
#define ACCEL_PAGE_SHIFT	12
#define ACCEL_PAGE_SIZE		(1ULL << ACCEL_PAGE_SHIFT)
#define ACCEL_LARGE_SHIFT	21
#define ACCEL_LARGE_SIZE	(1ULL << ACCEL_LARGE_SHIFT)
#define ACCEL_TABLE_LEVELS	4	/* root is level 3 */
#define ACCEL_TABLE_ENTRIES	512
#define ACCEL_TABLE_SHIFT(level) (ACCEL_PAGE_SHIFT + 9 * (level))

#define ACCEL_PTE_VALID		(1ULL << 0)
#define ACCEL_PTE_READ		(1ULL << 1)	/* leaf only */
#define ACCEL_PTE_WRITE		(1ULL << 2)	/* leaf only */
#define ACCEL_PTE_LEAF		(1ULL << 3)	/* level 0: 4 KiB, level 1: 2 MiB */
#define ACCEL_PTE_MEMORY	(1ULL << 4)	/* leaf only: device memory, not the bus */
#define ACCEL_PTE_ADDRESS	0x000ffffffffff000ULL
#define ACCEL_PTE_RESERVED	0xfff0000000000fe0ULL

/* ---- Status codes ------------------------------------------------------- */

enum accel_status {
	ACCEL_OK = 0,
	ACCEL_BAD_OPCODE = 1,		/* unknown command */
	ACCEL_BAD_FIELD = 2,		/* reserved bit set, or a value out of range */
	ACCEL_BAD_ALIGNMENT = 3,	/* an address or stride is not aligned */
	ACCEL_BAD_SIZE = 4,		/* a size overflows or passes a limit */
	ACCEL_BAD_ARGUMENT = 5,		/* a command uses an argument that its CALL lacks */
	ACCEL_NESTED_CALL = 6,		/* CALL inside a command list */
	ACCEL_BAD_DOORBELL = 7,		/* tail is ahead by more than the ring length */
	ACCEL_FAULT_UNMAPPED = 8,	/* no valid translation */
	ACCEL_FAULT_READ = 9,		/* mapped, reading not permitted */
	ACCEL_FAULT_WRITE = 10,		/* mapped, writing not permitted */
	ACCEL_FAULT_TABLE = 11,		/* malformed page-table entry */
	ACCEL_BUS_ERROR = 12,		/* the bus refused the access */
	ACCEL_ABORTED = 13,		/* the queue was destroyed or reset */
	ACCEL_BUSY = 14,		/* admin: object still in use */
	ACCEL_EXISTS = 15,		/* admin: id already in use */
	ACCEL_NOT_FOUND = 16,		/* admin: no object of that id */
	ACCEL_INTERNAL = 17,		/* the card failed */
	ACCEL_BAD_INDEX = 18,		/* an index in a tensor is out of range */
	ACCEL_TIME_LIMIT = 19,		/* the command used all device time of its limit */
	ACCEL_NO_PROGRESS = 20,		/* only the driver: the queue made no progress */
	ACCEL_STEP_LIMIT = 21,		/* a CALL executed more commands than LIST_STEPS */
};

/* ---- Queues ------------------------------------------------------------- */

#define ACCEL_COMMAND_SIZE	64
#define ACCEL_RING_ENTRIES_MIN	2
#define ACCEL_PRIORITIES	4	/* of users: 0 lowest .. 3 highest */
#define ACCEL_PRIORITY_DRIVER	4	/* above all queues of users; for the copy queue */

enum accel_queue_state {
	ACCEL_QUEUE_RUNNING = 1,
	ACCEL_QUEUE_ERROR = 2,		/* stopped at a command; see the error block */
};

/*
 * struct accel_queue_status - the status page that card and host share.
 *
 * Sequence numbers count commands from 1: the n-th command enqueued since the
 * queue was created or reset has sequence number n and occupies slot
 * (n - 1) % entries. @tail is the sequence number of the newest enqueued
 * command, @completed that of the newest finished command.
 */
struct accel_queue_status {
	/* Written by the card. */
	__le64 completed;
	__le32 state;			/* enum accel_queue_state */
	__le32 error;			/* enum accel_status */
	__le64 error_sequence;		/* the command that failed */
	__le64 error_address;		/* context address of a fault */
	__le32 error_list_index;	/* its index in the CALL's list, or ~0 */
	__le32 error_opcode;
	__le64 reserved0[3];
	__le64 event_index;		/* ring the doorbell when tail passes this */
	__le64 reserved1[7];
	/* Written by the host. */
	__le64 tail;			/* shadow doorbell */
	__le64 arm;			/* interrupt when completed reaches this */
	__le64 reserved2[6];
};

/* ---- Commands ----------------------------------------------------------- */

enum accel_opcode {
	ACCEL_OP_NOP = 0x00,
	ACCEL_OP_CALL = 0x01,		/* run a recorded command list */
	ACCEL_OP_WAIT = 0x02,		/* wait until a 64-bit word is >= a value */
	ACCEL_OP_SIGNAL = 0x03,		/* store a 64-bit word */
	ACCEL_OP_LOOP = 0x04,		/* in a list: repeat the next commands */
	ACCEL_OP_SKIP = 0x05,		/* in a list: skip the next commands, on a condition */
	ACCEL_OP_SET_ARGUMENT = 0x06,	/* in a list: change an argument of the CALL */
	ACCEL_OP_COPY = 0x10,
	ACCEL_OP_FILL = 0x11,
	ACCEL_OP_TRANSFER = 0x12,	/* copy between lists of segments */
	ACCEL_OP_GEMM = 0x20,
	ACCEL_OP_ELEMENTWISE = 0x21,
	ACCEL_OP_SOFTMAX = 0x22,
	ACCEL_OP_REDUCE = 0x23,
	ACCEL_OP_CONV2D = 0x24,
	ACCEL_OP_POOL = 0x25,
	ACCEL_OP_TRANSPOSE = 0x26,	/* a strided copy of up to six dimensions */
	ACCEL_OP_GATHER = 0x27,
	ACCEL_OP_RESIZE = 0x28,
	ACCEL_OP_SCATTER = 0x29,	/* updates elements at indices */
	ACCEL_OP_ATTENTION = 0x2a,
};

#define ACCEL_CMD_RECORD	(1U << 0)	/* write a struct accel_completion_record */
#define ACCEL_CMD_FLAGS		(ACCEL_CMD_RECORD)

#define ACCEL_CALL_INDIRECT	(1U << 0)	/* variant: args[0] points at the table */
#define ACCEL_CALL_ARGS_INLINE	4
#define ACCEL_CALL_ARGS_MAX	1024
#define ACCEL_CALL_ARGS_OLD	64	/* of cards without ACCEL_REG_CALL_ARGUMENTS */

/*
 * In a recorded command list an address may name an argument of the CALL and
 * an offset from it, instead of an address in the context.
 */
#define ACCEL_ARG_FLAG		(1ULL << 63)
#define ACCEL_ARG_SHIFT		48
#define ACCEL_ARG_OFFSET	((1ULL << ACCEL_ARG_SHIFT) - 1)
#define ACCEL_ARG(index, offset) \
	(ACCEL_ARG_FLAG | (__u64)(index) << ACCEL_ARG_SHIFT | (offset))

struct accel_call {
	__le64 list;			/* struct accel_command[count], 64-byte aligned */
	__le32 count;
	__le32 arguments;		/* how many arguments */
	__le64 args[ACCEL_CALL_ARGS_INLINE];
};

struct accel_semaphore {
	__le64 address;			/* 8-byte aligned */
	__le64 value;
	__le64 reserved[4];
};

/* variant of LOOP: which of the addresses it has; the others are zero */
#define ACCEL_LOOP_COUNT	(1U << 0)	/* at most as many passes as a word says */
#define ACCEL_LOOP_CONDITION	(1U << 1)	/* ends before a pass if a byte is zero */
#define ACCEL_LOOP_INDEX	(1U << 2)	/* stores the number of each pass */
#define ACCEL_LOOP_FLAGS	(ACCEL_LOOP_COUNT | ACCEL_LOOP_CONDITION | ACCEL_LOOP_INDEX)

#define ACCEL_LOOP_DEPTH	4		/* how deep loops nest */

struct accel_loop {
	__le64 count;			/* address of an s64, 8-byte aligned, read once */
	__le64 condition;		/* address of a byte, read before each pass */
	__le64 index;			/* address of an s64, 8-byte aligned, written */
	__le64 limit;			/* most passes */
	__le32 commands;		/* of the body: the next ones of the list */
	__le32 reserved0;
	__le64 reserved1;
};

/* variant of SKIP */
#define ACCEL_SKIP_NONZERO	(1U << 0)	/* skips if the byte is not zero; else if zero */

struct accel_skip {
	__le64 condition;		/* address of a byte */
	__le32 commands;		/* the next ones of the list */
	__le32 reserved0;
	__le64 reserved1[4];
};

/* variant of SET_ARGUMENT: where its number comes from, else it is zero */
#define ACCEL_SET_ARGUMENT_WORD	(1U << 0)	/* the s64 at @number */
#define ACCEL_SET_ARGUMENT_PASS	(1U << 1)	/* the pass of the innermost loop, from 0 */
#define ACCEL_SET_ARGUMENT_FLAGS (ACCEL_SET_ARGUMENT_WORD | ACCEL_SET_ARGUMENT_PASS)

struct accel_set_argument {
	__le64 base;			/* what the number is added to */
	__le64 number;			/* address of an s64, 8-byte aligned */
	__le64 bound;			/* the number is at least 0 and below the bound */
	__le64 stride;			/* s64: bytes from one number to the next */
	__le32 argument;		/* becomes base + number * stride */
	__le32 reserved0;
	__le64 reserved1;
};

struct accel_copy {
	__le64 dst;
	__le64 src;
	__le64 bytes;			/* of a row */
	__le64 dst_stride;		/* bytes from row to row */
	__le64 src_stride;
	__le32 rows;			/* 1 for a plain copy */
	__le32 reserved;
};

struct accel_fill {
	__le64 dst;
	__le64 pattern;			/* low bytes used; variant = 1, 2, 4 or 8 */
	__le64 bytes;			/* of a row, a multiple of the pattern */
	__le64 dst_stride;
	__le32 rows;
	__le32 reserved[3];
};

/* An entry of a segment list of a TRANSFER. */
struct accel_segment {
	__le64 address;
	__le64 bytes;
};

struct accel_transfer {
	__le64 dst;			/* struct accel_segment[dst_count], 16-byte aligned */
	__le64 src;			/* struct accel_segment[src_count], 16-byte aligned */
	__le32 dst_count;
	__le32 src_count;
	__le64 bytes;			/* in total; neither list is shorter */
	__le64 reserved[2];
};

/* The operands of a tensor command; the parameter block holds its shape and options. */
struct accel_tensor {
	__le64 dst;
	__le64 src0;
	__le64 src1;
	__le64 src2;
	__le64 params;			/* 16-byte aligned parameter block */
	__le32 params_size;
	__le32 reserved;
};

struct accel_command {
	__u8 opcode;			/* enum accel_opcode */
	__u8 flags;			/* ACCEL_CMD_* */
	__le16 variant;			/* by opcode, else zero */
	__le32 reserved;
	__le64 record;			/* struct accel_completion_record, 32-byte aligned */
	union {
		struct accel_call call;
		struct accel_semaphore semaphore;
		struct accel_loop loop;
		struct accel_skip skip;
		struct accel_set_argument set_argument;
		struct accel_copy copy;
		struct accel_fill fill;
		struct accel_transfer transfer;
		struct accel_tensor tensor;
		__le64 words[6];
	};
};

/* The card writes the completion record before the sequence number. */
struct accel_completion_record {
	__le64 sequence;
	__le32 status;			/* enum accel_status */
	__le32 list_index;		/* index in the CALL's list, or ~0 */
	__le64 start;			/* device ticks */
	__le64 end;
};

#define ACCEL_NO_LIST_INDEX	0xffffffffU

enum accel_data_type {
	ACCEL_TYPE_F32 = 1,
	ACCEL_TYPE_BF16 = 2,
	ACCEL_TYPE_F16 = 3,
	ACCEL_TYPE_I8 = 4,
	ACCEL_TYPE_U8 = 5,
	ACCEL_TYPE_I16 = 6,
	ACCEL_TYPE_U16 = 7,
	ACCEL_TYPE_I32 = 8,
	ACCEL_TYPE_U32 = 9,
	ACCEL_TYPE_I64 = 10,
	ACCEL_TYPE_BOOL = 11,		/* a byte: zero or not; written as 0 or 1 */
	/* Only for ELEMENTWISE, which rounds or saturates them to its computation type. */
	ACCEL_TYPE_F64 = 12,
	ACCEL_TYPE_U64 = 13,
	/* Likewise; a byte for each element. They need ACCEL_FEATURE_SMALL_TYPES. */
	ACCEL_TYPE_F8E4M3FN = 14,
	ACCEL_TYPE_F8E4M3FNUZ = 15,
	ACCEL_TYPE_F8E5M2 = 16,
	ACCEL_TYPE_F8E5M2FNUZ = 17,
	ACCEL_TYPE_F8E8M0 = 18,
	ACCEL_TYPE_F4E2M1 = 19,		/* in the low 4 bits */
	ACCEL_TYPE_I4 = 20,		/* likewise */
	ACCEL_TYPE_U4 = 21,
	ACCEL_TYPE_I2 = 22,		/* in the low 2 bits */
	ACCEL_TYPE_U2 = 23,
};

/* A function that the card applies to a result before the store; alpha and beta are f32. */
enum accel_unary_op {
	ACCEL_UNARY_NONE = 0,
	ACCEL_UNARY_RELU = 1,
	ACCEL_UNARY_CLIP = 2,		/* to alpha .. beta */
	ACCEL_UNARY_LEAKY_RELU = 3,	/* alpha * x below zero */
	ACCEL_UNARY_HARD_SIGMOID = 4,	/* alpha * x + beta, to 0 .. 1 */
	ACCEL_UNARY_HARD_SWISH = 5,
	ACCEL_UNARY_ABS = 6,
	ACCEL_UNARY_NEG = 7,
	ACCEL_UNARY_SQRT = 8,
	ACCEL_UNARY_RECIPROCAL = 9,
	ACCEL_UNARY_FLOOR = 10,
	ACCEL_UNARY_CEIL = 11,
	ACCEL_UNARY_ROUND = 12,		/* half to even */
	ACCEL_UNARY_EXP = 13,
	ACCEL_UNARY_LOG = 14,
	ACCEL_UNARY_SIGMOID = 15,
	ACCEL_UNARY_TANH = 16,
	ACCEL_UNARY_ERF = 17,
	ACCEL_UNARY_GELU = 18,
	ACCEL_UNARY_ELU = 19,		/* alpha * (exp(x) - 1) below zero */
	ACCEL_UNARY_SOFTPLUS = 20,
	ACCEL_UNARY_SIN = 21,
	ACCEL_UNARY_COS = 22,
	ACCEL_UNARY_ATAN = 23,
	ACCEL_UNARY_SIGN = 24,		/* -1, 0 or 1 */
	ACCEL_UNARY_NOT = 25,		/* 1 for zero, else 0 */
	ACCEL_UNARY_TAN = 26,
	ACCEL_UNARY_ASIN = 27,
	ACCEL_UNARY_ACOS = 28,
	ACCEL_UNARY_SINH = 29,
	ACCEL_UNARY_COSH = 30,
	ACCEL_UNARY_ASINH = 31,
	ACCEL_UNARY_ACOSH = 32,
	ACCEL_UNARY_ATANH = 33,
};

/*
 * The numeric format of GEMM and CONV2D. If src0 is I8 or U8, so is src1: sums
 * are exact in 32 bits. The result is I32; with ACCEL_*_REQUANTIZE the card
 * multiplies it by a scale of each channel and rounds it to dst_type. The card
 * subtracts a zero point from each operand and adds one to each result; a zero
 * point is a byte of the data type of its tensor.
 */
struct accel_numeric_format {
	__u8 src1_type;			/* zero: as src0 */
	__u8 dst_type;			/* zero: as src0 */
	__u8 src0_zero;
	__u8 src1_zero;
	__u8 dst_zero;
	__u8 reserved[3];
};

/* An entry of src2 for each channel of a requantized result. */
struct accel_channel_quant {
	__le32 bias;			/* s32, added to the sum */
	__le32 scale;			/* f32, times that */
};

#define ACCEL_GEMM_BIAS		(1U << 0)	/* src2 holds n values: f32, s32 for I8 and U8 */
#define ACCEL_GEMM_TRANSPOSE_A	(1U << 1)	/* A is stored k x m */
#define ACCEL_GEMM_TRANSPOSE_B	(1U << 2)	/* B is stored n x k */
#define ACCEL_GEMM_REQUANTIZE	(1U << 3)	/* src2 holds n of struct accel_channel_quant */
#define ACCEL_GEMM_ACCUMULATE	(1U << 4)	/* adds the old dst before the activation; f32 */
#define ACCEL_GEMM_FLAGS	31U

/* D[m][n] = act(sum over k of A[m][k] * B[k][n] + bias[n]), for each matrix of a batch */
struct accel_gemm {
	__u8 type;			/* enum accel_data_type, of src0 */
	__u8 activation;
	__le16 flags;			/* ACCEL_GEMM_* */
	__le32 m;
	__le32 n;
	__le32 k;
	__le32 lda;			/* elements from row to row as stored */
	__le32 ldb;
	__le32 ldd;
	__le32 alpha;			/* f32, of the activation */
	__le32 beta;
	struct accel_numeric_format format;
	__le32 batch;			/* zero is one */
	__le32 batch_a;			/* elements from matrix to matrix; zero: the same */
	__le32 batch_b;
	__le32 batch_d;
	__le32 reserved;
};

enum accel_elementwise_op {
	ACCEL_EW_ADD = 0,
	ACCEL_EW_SUB = 1,
	ACCEL_EW_MUL = 2,
	ACCEL_EW_DIV = 3,
	ACCEL_EW_MIN = 4,
	ACCEL_EW_MAX = 5,
	ACCEL_EW_IDENTITY = 6,		/* dst = src0; src1 and its strides are zero */
	ACCEL_EW_PRELU = 7,		/* src0, multiplied by src1 where src0 is below zero */
	ACCEL_EW_POW = 8,
	ACCEL_EW_FMOD = 9,		/* the remainder has the sign of src0 */
	ACCEL_EW_MOD = 10,		/* the remainder has the sign of src1 */
	ACCEL_EW_EQUAL = 11,		/* 1 or 0 */
	ACCEL_EW_LESS = 12,
	ACCEL_EW_LESS_EQUAL = 13,
	ACCEL_EW_AND = 14,		/* bits; in I64 only */
	ACCEL_EW_OR = 15,
	ACCEL_EW_XOR = 16,
	ACCEL_EW_SHIFT_LEFT = 17,	/* in I64 only */
	ACCEL_EW_SHIFT_RIGHT = 18,
	ACCEL_EW_SELECT = 19,		/* src2 != 0 ? src0 : src1; else src2 is zero */
};

#define ACCEL_RANK_MAX		6

/*
 * dst[i] = act(op(src0[i], src1[i])); a stride of zero broadcasts. The card
 * computes in F32 or I64 and converts operands of other data types.
 */
struct accel_elementwise {
	__u8 type;			/* ACCEL_TYPE_F32 or ACCEL_TYPE_I64 */
	__u8 activation;
	__u8 op;			/* enum accel_elementwise_op */
	__u8 rank;			/* 1 .. ACCEL_RANK_MAX */
	__u8 dst_type;			/* zero, here and below: as @type */
	__u8 src0_type;
	__u8 src1_type;
	__u8 src2_type;
	__le32 dims[ACCEL_RANK_MAX];	/* outermost first; unused ones zero */
	__le32 dst_strides[ACCEL_RANK_MAX];	/* elements */
	__le32 src0_strides[ACCEL_RANK_MAX];
	__le32 src1_strides[ACCEL_RANK_MAX];
	__le32 alpha;			/* f32, of the activation */
	__le32 beta;
	__le32 src2_strides[ACCEL_RANK_MAX];
	__le32 reserved[2];
};

/* dst[i] = src[i]. A stride may be negative: it is an s32. */
struct accel_transpose {
	__u8 size;			/* bytes of an element: 1, 2, 4 or 8 */
	__u8 rank;			/* 1 .. ACCEL_RANK_MAX */
	__le16 reserved0;
	__le32 reserved1;
	__le32 dims[ACCEL_RANK_MAX];	/* outermost first; unused ones zero */
	__le32 dst_strides[ACCEL_RANK_MAX];	/* elements */
	__le32 src_strides[ACCEL_RANK_MAX];
};

#define ACCEL_GATHER_ELEMENTS	(1U << 0)	/* an index for every element of dst */
#define ACCEL_GATHER_FLAGS	1U

/*
 * dst[outer][count][inner] is src[outer][n][inner] at the indices in src1. src1
 * holds count indices, or outer x count x inner. A negative index counts from
 * the end.
 */
struct accel_gather {
	__u8 size;			/* bytes of an element: 1, 2, 4 or 8 */
	__u8 index_type;		/* ACCEL_TYPE_I32 or ACCEL_TYPE_I64 */
	__le16 flags;			/* ACCEL_GATHER_* */
	__le32 outer;
	__le32 n;
	__le32 count;
	__le32 inner;
	__le32 reserved[3];
};

enum accel_scatter_op {
	ACCEL_SCATTER_SET = 0,
	ACCEL_SCATTER_ADD = 1,
	ACCEL_SCATTER_MUL = 2,
	ACCEL_SCATTER_MIN = 3,
	ACCEL_SCATTER_MAX = 4,
};

#define ACCEL_SCATTER_ELEMENTS	(1U << 0)	/* an index for every element of src0 */
#define ACCEL_SCATTER_FLAGS	1U

/*
 * Updates elements of dst[outer][n][inner], at the indices in src1, with the
 * elements of src0[outer][count][inner], in ascending order along count. src1
 * holds count indices, or outer x count x inner. A negative index counts from
 * the end.
 */
struct accel_scatter {
	__u8 type;			/* enum accel_data_type, of dst and src0 */
	__u8 op;			/* enum accel_scatter_op */
	__u8 index_type;		/* ACCEL_TYPE_I32 or ACCEL_TYPE_I64 */
	__u8 flags;			/* ACCEL_SCATTER_* */
	__le32 outer;
	__le32 n;
	__le32 count;
	__le32 inner;
	__le32 reserved[3];
};

/* A weighted source element of a RESIZE result; src1 holds @taps of them for each result. */
struct accel_resize_tap {
	__le32 index;			/* along the axis of the source */
	__le32 weight;			/* f32 */
};

/* dst[outer][i][inner] = sum over the taps of i of weight * src[outer][index][inner] */
struct accel_resize {
	__u8 type;			/* ACCEL_TYPE_F32 */
	__u8 reserved0;
	__le16 taps;			/* for each of @count */
	__le32 outer;
	__le32 n;			/* length of the source axis */
	__le32 count;			/* length of the result axis */
	__le32 inner;
	__le32 reserved1[3];
};

enum accel_reduce_op {
	ACCEL_REDUCE_SUM = 0,
	ACCEL_REDUCE_MAX = 1,
	ACCEL_REDUCE_MIN = 2,
	ACCEL_REDUCE_ARGMAX = 3,	/* dst holds u32 */
	ACCEL_REDUCE_ARGMIN = 4,	/* dst holds u32 */
	ACCEL_REDUCE_PRODUCT = 5,
	ACCEL_REDUCE_MEAN = 6,		/* the sum, divided by n */
};

/* REDUCE and SOFTMAX over the middle axis of a dense outer x n x inner tensor. */
struct accel_reduce {
	__u8 type;
	__u8 op;			/* enum accel_reduce_op; SOFTMAX: zero */
	__le16 reserved0;
	__le32 outer;
	__le32 n;
	__le32 inner;
	__le32 reserved1[4];
};

#define ACCEL_ATTENTION_LEFT	(1U << 0)	/* a query attends no key more than @left before it */
#define ACCEL_ATTENTION_RIGHT	(1U << 1)	/* nor one more than @right behind it */
#define ACCEL_ATTENTION_LENGTHS	(1U << 2)	/* @lengths has the number of keys of each batch */
#define ACCEL_ATTENTION_POSITIONS (1U << 3)	/* @positions has the first query's for each batch */
#define ACCEL_ATTENTION_NAN	(1U << 4)	/* a query without keys gives NaN instead of zero */
#define ACCEL_ATTENTION_FLAGS	31U

#define ACCEL_ATTENTION_TILE	128	/* keys whose exponentials share a maximum */
#define ACCEL_ATTENTION_SIZE_MAX 512	/* of @size and @value_size */

/*
 * dst = softmax(scale * Q K^T + mask) V, for each head of each batch. Strides
 * are those of a batch, a head and a row, in elements; zero broadcasts.
 */
struct accel_attention {
	__u8 type;			/* enum accel_data_type, of Q, src0 */
	__u8 key_type;			/* of K, src1; zero, here and below: as @type */
	__u8 value_type;		/* of V, src2 */
	__u8 dst_type;
	__u8 mask_type;			/* zero: there is no mask */
	__u8 index_type;		/* of lengths and positions: I32 or I64, else zero */
	__le16 flags;			/* ACCEL_ATTENTION_* */
	__le32 batch;
	__le32 heads;			/* of Q; a multiple of @key_heads */
	__le32 key_heads;		/* of K and V */
	__le32 queries;
	__le32 keys;
	__le32 size;			/* of a row of Q and K */
	__le32 value_size;		/* of a row of V and dst */
	__le32 scale;			/* f32 */
	__le32 softcap;			/* f32; zero: none */
	__le32 left;
	__le32 right;
	__le32 offset;			/* s32: added to the positions of queries */
	__le32 dst_strides[3];
	__le32 src0_strides[3];
	__le32 src1_strides[3];
	__le32 src2_strides[3];
	__le32 mask_strides[3];		/* the keys of a row are dense */
	__le32 reserved;
	/* In a list, these may name arguments of the CALL. */
	__le64 mask;
	__le64 lengths;			/* @batch integers */
	__le64 positions;		/* @batch integers */
};

/*
 * The memory layout of the images of a batch. The channels of a pixel are
 * contiguous. Strides are in elements.
 */
struct accel_image_layout {
	__le32 height;
	__le32 width;
	__le32 channels;
	__le32 pixel;			/* stride of a pixel; at least @channels */
	__le32 row;			/* stride of a row */
	__le32 image;			/* stride of an image */
};

/* The input of a result: tap (i, j) reads row y * stride_y + i * dilation_y - pad_top. */
struct accel_conv_window {
	__le16 height;
	__le16 width;
	__le16 stride_y;
	__le16 stride_x;
	__le16 dilation_y;
	__le16 dilation_x;
	__le16 pad_top;
	__le16 pad_left;
};

#define ACCEL_CONV2D_BIAS	(1U << 0)	/* src2 holds dst.channels values, as for GEMM */
#define ACCEL_CONV2D_REQUANTIZE	(1U << 1)	/* src2 holds dst.channels of accel_channel_quant */
#define ACCEL_CONV2D_ACCUMULATE	(1U << 2)	/* adds the old dst before the activation; f32 */
#define ACCEL_CONV2D_FLAGS	7U

/* src1 holds the weights: [window.height][window.width][src.channels / groups][dst.channels] */
struct accel_conv2d {
	__u8 type;			/* enum accel_data_type, of src0 */
	__u8 activation;		/* enum accel_unary_op */
	__le16 flags;			/* ACCEL_CONV2D_* */
	__le32 batch;
	__le32 groups;
	__le32 alpha;			/* f32, of the activation */
	__le32 beta;
	struct accel_numeric_format format;
	__le32 reserved0;
	struct accel_image_layout src;
	struct accel_image_layout dst;
	struct accel_conv_window window;
	__le32 reserved1[8];
};

enum accel_pool_op {
	ACCEL_POOL_MAX = 0,
	ACCEL_POOL_AVERAGE = 1,
};

#define ACCEL_POOL_COUNT_INCLUDE_PAD (1U << 0)	/* AVERAGE divides by all taps */
#define ACCEL_POOL_FLAGS	1U

struct accel_pool {
	__u8 type;			/* enum accel_data_type */
	__u8 op;			/* enum accel_pool_op */
	__le16 flags;			/* ACCEL_POOL_* */
	__le32 batch;
	__le32 reserved0[2];
	struct accel_image_layout src;
	struct accel_image_layout dst;
	struct accel_conv_window window;
	__le32 reserved1[4];
};

/* ---- Admin queue -------------------------------------------------------- */

enum accel_admin_opcode {
	ACCEL_ADMIN_NOP = 0,
	ACCEL_ADMIN_CREATE_CONTEXT = 1,
	ACCEL_ADMIN_DESTROY_CONTEXT = 2,
	ACCEL_ADMIN_INVALIDATE = 3,
	ACCEL_ADMIN_CREATE_QUEUE = 4,
	ACCEL_ADMIN_DESTROY_QUEUE = 5,
	ACCEL_ADMIN_RESET_QUEUE = 6,
	ACCEL_ADMIN_QUERY_QUEUE = 7,
	ACCEL_ADMIN_CLEAR_MEMORY = 8,
	ACCEL_ADMIN_QUERY_QUEUES = 9,
};

/*
 * A bypass context has no page tables; it is for the driver's own queue. An
 * address is a bus address, or with ACCEL_BYPASS_MEMORY set an offset in device
 * memory.
 */
#define ACCEL_CONTEXT_BYPASS	(1U << 0)
#define ACCEL_BYPASS_MEMORY	(1ULL << 62)

struct accel_admin_command {
	__u8 opcode;			/* enum accel_admin_opcode */
	__u8 reserved0[3];
	__le32 id;			/* context or queue */
	/* Pedantic compilers would refuse types that an anonymous union declares. */
	__extension__ union {
		struct {
			__le64 root;	/* bus address of the level 3 table */
			__le32 flags;	/* ACCEL_CONTEXT_* */
			__le32 reserved;
		} create_context;
		struct {
			__le64 address;	/* of the context, 4 KiB aligned */
			__le64 bytes;	/* zero: the whole context */
		} invalidate;
		struct {
			__le64 ring;	/* context address, 4 KiB aligned */
			__le64 status;	/* context address, 4 KiB aligned */
			__le32 context;
			__le32 entries;	/* power of two */
			__le32 vector;
			__le32 priority; /* to ACCEL_PRIORITY_DRIVER */
			__le64 time_limit; /* ticks for a command of the ring; zero: none */
		} create_queue;
		struct {
			__le64 address;	/* bus address of a struct accel_queue_stats */
		} query_queue;
		struct {
			__le64 address;	/* in device memory */
			__le64 bytes;
		} clear_memory;
		struct {
			__le64 address;	/* bus address of struct accel_queue_report[count] */
			__le32 count;	/* 1 .. ACCEL_REPORTS_MAX; id is the first queue */
			__le32 reserved;
		} query_queues;
		__le64 words[7];
	};
};

/* Slot i of the results belongs to slot i of the admin ring. */
struct accel_admin_result {
	__le64 sequence;		/* written last: the finished command */
	__le32 status;			/* enum accel_status */
	__le32 reserved;
};

struct accel_queue_stats {
	__le64 commands;		/* completed, including those in CALLs */
	__le64 doorbells;
	__le64 interrupts;
	__le64 dma_busy;		/* ticks */
	__le64 compute_busy;		/* ticks */
	__le64 host_read;		/* bytes of operands, rings and records */
	__le64 host_written;
	__le64 memory_read;
	__le64 memory_written;
	__le64 reserved[7];
};

#define ACCEL_REPORTS_MAX	64

enum accel_queue_activity {
	ACCEL_ACTIVITY_NONE = 0,	/* no queue of that id */
	ACCEL_ACTIVITY_IDLE = 1,	/* the ring is empty */
	ACCEL_ACTIVITY_READY = 2,	/* waits for an engine */
	ACCEL_ACTIVITY_RUNNING = 3,	/* an engine runs its command */
	ACCEL_ACTIVITY_BLOCKED = 4,	/* in a WAIT */
	ACCEL_ACTIVITY_STOPPED = 5,	/* stopped at an error */
};

/*
 * struct accel_queue_report - progress and error of a queue, as the card knows them
 *
 * The owner of a queue can write its status page, and an event can be lost; this
 * report depends on neither. @pieces counts the pieces of commands that the card
 * has processed since the queue was created. While it increases, the queue makes
 * progress. The error is kept until the queue is reset or destroyed.
 */
struct accel_queue_report {
	__le64 pieces;
	__le64 completed;
	__le64 ticks;			/* device time that the current command has used */
	__le64 error_sequence;
	__le64 error_address;
	__le32 activity;		/* enum accel_queue_activity */
	__le32 error;			/* enum accel_status */
	__le32 error_list_index;
	__le32 error_opcode;
	__le32 opcode;			/* of the current command; zero if there is none */
	__le32 reserved;
};

/* ---- Event queue -------------------------------------------------------- */

enum accel_event_type {
	ACCEL_EVENT_QUEUE_ERROR = 1,
	ACCEL_EVENT_BAD_DOORBELL = 2,	/* a doorbell without a queue */
	ACCEL_EVENT_THERMAL = 3,
	ACCEL_EVENT_FATAL = 4,
};

#define ACCEL_NO_ID		0xffffffffU

struct accel_event {
	__le64 sequence;		/* written last: 1, 2, 3, ... */
	__le32 type;			/* enum accel_event_type */
	__le32 context;			/* or ACCEL_NO_ID */
	__le32 queue;			/* or ACCEL_NO_ID */
	__le32 status;			/* enum accel_status */
	__le64 command_sequence;
	__le64 address;
	__le64 time;			/* device ticks */
	__le32 list_index;
	__le32 opcode;
	__le64 reserved;
};

#endif /* ACCEL_HW_H */
