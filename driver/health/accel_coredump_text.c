// SPDX-License-Identifier: GPL-2.0
/*
 * accel_coredump_text.c - the text of a dump.
 *
 * "key: value" lines below "[section]" headings; the format is in docs/reference/coredump.md.
 */
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/seq_buf.h>
#include <linux/slab.h>
#include <linux/utsname.h>

#include "accel_admin.h"
#include "accel_coredump_text.h"
#include "accel_event_log.h"
#include "accel_mmio.h"
#include "accel_progress.h"
#include "accel_queue.h"
#include "accel_queue_memory.h"
#include "accel_section.h"

#define ACCEL_COREDUMP_VERSION	1
#define ACCEL_COREDUMP_ADMIN	8
#define ACCEL_COREDUMP_COMMANDS	16

/**
 * struct accel_coredump_register - a register in the dump
 * @name: its key
 * @offset: its offset
 * @wide: it has 64 bits
 */
struct accel_coredump_register {
	const char *name;
	u32 offset;
	bool wide;
};

static const struct accel_coredump_register accel_coredump_registers[] = {
	{ "magic", ACCEL_REG_MAGIC },
	{ "version", ACCEL_REG_VERSION },
	{ "firmware", ACCEL_REG_FIRMWARE },
	{ "features", ACCEL_REG_FEATURES, true },
	{ "serial", ACCEL_REG_SERIAL, true },
	{ "status", ACCEL_REG_STATUS },
	{ "control", ACCEL_REG_CONTROL },
	{ "clock", ACCEL_REG_CLOCK, true },
	{ "clock_hz", ACCEL_REG_CLOCK_HZ },
	{ "engines", ACCEL_REG_ENGINES },
	{ "temperature", ACCEL_REG_TEMPERATURE },
	{ "power", ACCEL_REG_POWER },
	{ "core_clock", ACCEL_REG_CORE_CLOCK },
	{ "admin_ring", ACCEL_REG_ADMIN_RING, true },
	{ "admin_results", ACCEL_REG_ADMIN_RESULTS, true },
	{ "admin_entries", ACCEL_REG_ADMIN_ENTRIES },
	{ "event_ring", ACCEL_REG_EVENT_RING, true },
	{ "event_entries", ACCEL_REG_EVENT_ENTRIES },
	{ "event_head", ACCEL_REG_EVENT_HEAD },
	{ "event_lost", ACCEL_REG_EVENT_LOST },
	{ "commands", ACCEL_REG_COMMANDS, true },
	{ "doorbells", ACCEL_REG_DOORBELLS, true },
	{ "interrupts", ACCEL_REG_INTERRUPTS, true },
	{ "host_read", ACCEL_REG_HOST_READ, true },
	{ "host_written", ACCEL_REG_HOST_WRITTEN, true },
	{ "memory_read", ACCEL_REG_MEMORY_READ, true },
	{ "memory_written", ACCEL_REG_MEMORY_WRITTEN, true },
	{ "tlb_misses", ACCEL_REG_TLB_MISSES, true },
	{ "faults", ACCEL_REG_FAULTS, true },
	{ "dma_busy", ACCEL_REG_DMA_BUSY, true },
	{ "compute_busy", ACCEL_REG_COMPUTE_BUSY, true },
};

static void accel_coredump_command(struct seq_buf *out, const char *name, u64 sequence,
				   const void *command)
{
	seq_buf_printf(out, "%s %llu: %*phN\n", name, sequence, ACCEL_COMMAND_SIZE, command);
}

static void accel_coredump_card(struct seq_buf *out, struct accel_device *adev,
				const struct accel_coredump_cause *cause)
{
	struct task_struct *task = get_pid_task(cause->culprit, PIDTYPE_TGID);
	char name[TASK_COMM_LEN];

	seq_buf_printf(out, "accel-coredump: %u\n[card]\n", ACCEL_COREDUMP_VERSION);
	seq_buf_printf(out, "kernel: %s\n", init_utsname()->release);
	seq_buf_printf(out, "node: %s\npci: %s\n", dev_name(&adev->dev), pci_name(adev->pdev));
	seq_buf_printf(out, "time: %llu\n", ktime_get_boottime_ns());
	seq_buf_printf(out, "generation: %llu\n", READ_ONCE(adev->generation));
	seq_buf_printf(out, "cause: %s\n", cause->name);
	if (cause->detail)
		seq_buf_printf(out, "detail: %s\n", cause->detail);
	if (cause->culprit)
		seq_buf_printf(out, "pid: %d\n", pid_nr(cause->culprit));
	if (task) {
		seq_buf_printf(out, "comm: %s\n", get_task_comm(name, task));
		put_task_struct(task);
	}
	if (cause->queue)
		seq_buf_printf(out, "queue: %u\n", cause->id);
	if (cause->fault)
		seq_buf_printf(out, "address: %#llx\n", cause->address);
}

static void accel_coredump_regs(struct seq_buf *out, struct accel_device *adev)
{
	const struct accel_coredump_register *reg = accel_coredump_registers;
	const struct accel_coredump_register *end = reg + ARRAY_SIZE(accel_coredump_registers);

	seq_buf_printf(out, "[registers]\n");
	for (; reg < end; reg++)
		seq_buf_printf(out, "%s: %#llx\n", reg->name,
			       reg->wide ? accel_read64(adev, reg->offset) :
					   accel_read32(adev, reg->offset));
}

/* Takes no lock, because a command that the card does not answer holds the lock. */
static void accel_coredump_admin(struct seq_buf *out, struct accel_device *adev)
{
	struct accel_admin *admin = adev->admin;
	const struct accel_admin_result *result;
	u64 tail = READ_ONCE(admin->tail), i;
	unsigned int slot;

	seq_buf_printf(out, "[admin]\ntail: %llu\nfailed: %d\n", tail, READ_ONCE(admin->failed));
	for (i = tail - min_t(u64, tail, ACCEL_COREDUMP_ADMIN); i < tail; i++) {
		slot = i % ACCEL_ADMIN_ENTRIES;
		result = &admin->results[slot];
		accel_coredump_command(out, "command", i + 1, &admin->ring[slot]);
		if (le64_to_cpu(READ_ONCE(result->sequence)) == i + 1)
			seq_buf_printf(out, "status %llu: %u\n", i + 1,
				       le32_to_cpu(READ_ONCE(result->status)));
	}
	seq_buf_printf(out, "[events]\nhead: %llu\n", READ_ONCE(adev->events->head));
}

/* A line about a queue: "queue N KEY: VALUE". */
#define accel_coredump_field(out, id, key, format, value) \
	seq_buf_printf(out, "queue %u " key ": " format "\n", id, value)

static void accel_coredump_queue(struct seq_buf *out, const struct accel_queue *queue, u32 id)
{
	const struct accel_queue_status *status;

	accel_coredump_field(out, id, "pid", "%d", pid_nr(queue->ctx->owner));
	accel_coredump_field(out, id, "client", "%llu", queue->ctx->client);
	accel_coredump_field(out, id, "handle", "%u", queue->handle);
	accel_coredump_field(out, id, "context", "%d", queue->ctx->id);
	accel_coredump_field(out, id, "entries", "%u", queue->entries);
	accel_coredump_field(out, id, "priority", "%u", queue->priority);
	accel_coredump_field(out, id, "time_limit", "%llu", queue->time_limit);
	accel_coredump_field(out, id, "error", "%u", READ_ONCE(queue->error.status));
	accel_coredump_field(out, id, "reason", "%u", READ_ONCE(queue->error.reason));
	/* The owner can write the page; the values are shown as they are. */
	rcu_read_lock();
	status = READ_ONCE(queue->status);
	accel_coredump_field(out, id, "completed", "%llu",
			     le64_to_cpu(READ_ONCE(status->completed)));
	accel_coredump_field(out, id, "tail", "%llu", le64_to_cpu(READ_ONCE(status->tail)));
	accel_coredump_field(out, id, "arm", "%llu", le64_to_cpu(READ_ONCE(status->arm)));
	rcu_read_unlock();
}

static void accel_coredump_queues(struct seq_buf *out, struct accel_device *adev)
{
	struct accel_queue *queue;
	u32 id;

	seq_buf_printf(out, "[queues]\n");
	for (id = 0; id < adev->queue_count; id++) {
		queue = accel_queue_find(adev, id);
		if (!queue)
			continue;
		accel_coredump_queue(out, queue, id);
		accel_queue_found_put(queue);
		cond_resched();
	}
}

static void accel_coredump_report(struct seq_buf *out, u32 id,
				  const struct accel_queue_report *report)
{
	accel_coredump_field(out, id, "activity", "%u", le32_to_cpu(report->activity));
	accel_coredump_field(out, id, "pieces", "%llu", le64_to_cpu(report->pieces));
	accel_coredump_field(out, id, "completed", "%llu", le64_to_cpu(report->completed));
	accel_coredump_field(out, id, "ticks", "%llu", le64_to_cpu(report->ticks));
	accel_coredump_field(out, id, "opcode", "%#x", le32_to_cpu(report->opcode));
	if (!report->error)
		return;
	accel_coredump_field(out, id, "error", "%u", le32_to_cpu(report->error));
	accel_coredump_field(out, id, "error_sequence", "%llu",
			     le64_to_cpu(report->error_sequence));
	accel_coredump_field(out, id, "error_address", "%#llx",
			     le64_to_cpu(report->error_address));
	if (report->error_list_index != cpu_to_le32(ACCEL_NO_LIST_INDEX))
		accel_coredump_field(out, id, "error_list_index", "%u",
				     le32_to_cpu(report->error_list_index));
	accel_coredump_field(out, id, "error_opcode", "%#x", le32_to_cpu(report->error_opcode));
}

static void accel_coredump_reports(struct seq_buf *out, struct accel_device *adev)
{
	struct accel_queue_report *reports;
	u32 first, count, i;

	reports = kcalloc(ACCEL_REPORTS_MAX, sizeof(*reports), GFP_KERNEL);
	if (!reports)
		return;
	seq_buf_printf(out, "[reports]\n");
	for (first = 0; first < adev->queue_count; first += count) {
		count = min_t(u32, adev->queue_count - first, ACCEL_REPORTS_MAX);
		if (accel_progress_read(adev, first, count, reports))
			break;
		for (i = 0; i < count; i++)
			if (reports[i].activity != cpu_to_le32(ACCEL_ACTIVITY_NONE))
				accel_coredump_report(out, first + i, &reports[i]);
	}
	kfree(reports);
}

/*
 * The newest completed command, and those after it. The entries beyond the tail were not submitted,
 * or before the last reset: they may explain a failure all the same. The context is entered.
 */
static void accel_coredump_ring(struct seq_buf *out, struct accel_queue *queue)
{
	/* The owner may have written anything here. */
	u64 tail = le64_to_cpu(READ_ONCE(queue->status->tail));
	u64 first = max(accel_queue_completed(queue), 1ULL), i;
	u64 count = min_t(u64, queue->entries, ACCEL_COREDUMP_COMMANDS);
	const struct accel_command *command;
	u64 slot;

	seq_buf_printf(out, "[commands]\n");
	for (i = first; i < first + count; i++) {
		slot = (i - 1) % queue->entries;
		command = accel_queue_memory_slot(queue->memory, slot);
		if (!command)
			continue;
		if (i <= tail)
			accel_coredump_command(out, "sequence", i, command);
		else if (memchr_inv(command, 0, sizeof(*command)))
			accel_coredump_command(out, "slot", slot, command);
	}
}

static void accel_coredump_tables(struct seq_buf *out, struct accel_mmu *mmu, u64 address)
{
	u64 entries[ACCEL_TABLE_LEVELS];
	int level = ACCEL_TABLE_LEVELS, count = accel_mmu_walk(mmu, address, entries);

	seq_buf_printf(out, "[page-table]\naddress: %#llx\n", address);
	while (count--) {
		level--;
		seq_buf_printf(out, "level %d: %#llx\n", level, entries[level]);
	}
}

static void accel_coredump_guilty(struct seq_buf *out, const struct accel_coredump_cause *cause)
{
	struct accel_context *ctx = cause->queue->ctx;

	if (accel_context_enter(ctx))
		return;
	if (cause->queue->id == (int)cause->id) {
		accel_coredump_ring(out, cause->queue);
		if (cause->fault)
			accel_coredump_tables(out, &ctx->mmu, cause->address);
	}
	accel_context_leave(ctx);
}

static void accel_coredump_log(struct seq_buf *out, struct accel_device *adev)
{
	char *page = (char *)get_zeroed_page(GFP_KERNEL), *at = page, *line;

	if (!page)
		return;
	accel_event_log_show(adev, page);
	seq_buf_printf(out, "[event-log]\n");
	while ((line = strsep(&at, "\n")) && *line)
		seq_buf_printf(out, "event: %s\n", line);
	free_page((unsigned long)page);
}

/**
 * accel_coredump_write() - write the state of a card as text
 * @adev: the card
 * @cause: why
 * @buffer: takes the text
 * @size: its size in bytes
 *
 * The caller is in no section and holds no lock below stop_lock. The text lacks what a
 * stopped or silent card cannot tell, and its end if it is too long.
 *
 * Return: the length of the text.
 */
size_t accel_coredump_write(struct accel_device *adev, const struct accel_coredump_cause *cause,
			    char *buffer, size_t size)
{
	struct seq_buf out;
	int section;

	seq_buf_init(&out, buffer, size);
	accel_coredump_card(&out, adev, cause);
	if (cause->queue)
		accel_coredump_guilty(&out, cause);
	accel_coredump_log(&out, adev);
	if (!accel_section_enter(adev, &section)) {
		accel_coredump_regs(&out, adev);
		accel_coredump_admin(&out, adev);
		/* Last: only their length has no bound, so the end of a dump may be missing. */
		accel_coredump_queues(&out, adev);
		if (!cause->silent)
			accel_coredump_reports(&out, adev);
		accel_section_end(adev, section);
	}
	return seq_buf_used(&out);
}
