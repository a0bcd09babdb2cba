// SPDX-License-Identifier: GPL-2.0
/*
 * accel_debugfs.c - internal state of a card, for debugging:
 * <debugfs>/accel-card/accelN/. The files are not an interface and may change.
 *
 * Each line of a table is gathered under the locks that it needs and printed
 * without them, so a long table delays no other caller. Addresses are shown only
 * if the file was opened with CAP_SYS_ADMIN. The kernel waits for readers before
 * it removes a file.
 */
#include <linux/capability.h>
#include <linux/debugfs.h>
#include <linux/pid.h>
#include <linux/seq_file.h>

#include "accel_admin.h"
#include "accel_buffer.h"
#include "accel_copy_queue.h"
#include "accel_debugfs.h"
#include "accel_event.h"
#include "accel_mmio.h"
#include "accel_queue.h"
#include "accel_progress.h"
#include "accel_usage.h"

/* Newer kernels have their own folder "accel". */
static struct dentry *accel_debugfs_root;

static void accel_debugfs_address(struct seq_file *m, u64 address)
{
	if (file_ns_capable(m->file, &init_user_ns, CAP_SYS_ADMIN))
		seq_printf(m, " %#018llx", address);
	else
		seq_puts(m, " (hidden)");
}

/* ---- state: the state of the card --------------------------------------- */

static void accel_debugfs_copy_queue(struct seq_file *m, struct accel_copy_queue *copy)
{
	struct accel_copy_flow *flow;
	struct accel_copy_job *job;
	unsigned int jobs = 0, waiting = 0;

	spin_lock(&copy->lock);
	list_for_each_entry(job, &copy->jobs, node)
		jobs++;
	list_for_each_entry(job, &copy->again, node)
		waiting++;
	list_for_each_entry(flow, &copy->flows, node)
		list_for_each_entry(job, &flow->jobs, node)
			waiting++;
	spin_unlock(&copy->lock);
	seq_printf(m, "transfers: context %d, queue %d, epoch %u, tail %llu, ", copy->context,
		   copy->queue, READ_ONCE(copy->epoch), READ_ONCE(copy->tail));
	seq_printf(m, "completed %llu, arm %llu, jobs %u, waiting %u, error %u; status and ring",
		   le64_to_cpu(READ_ONCE(copy->status->completed)),
		   le64_to_cpu(READ_ONCE(copy->status->arm)), jobs, waiting,
		   le32_to_cpu(READ_ONCE(copy->status->error)));
	accel_debugfs_address(m, copy->status_dma);
	accel_debugfs_address(m, copy->memory_dma);
	seq_puts(m, "\n");
}

static int accel_debugfs_state_show(struct seq_file *m, void *unused)
{
	struct accel_device *adev = m->private;
	struct accel_admin *admin = adev->admin;
	int section = accel_section_begin(adev);

	seq_printf(m, "card: errno %d, generation %llu, vectors %d, features %#llx\n",
		   adev->stop_errno, adev->generation, adev->vector_count, adev->features);
	if (!READ_ONCE(adev->stop_errno)) {
		seq_printf(m, "registers: status %#x, control %#x, events lost %u\n",
			   accel_read32(adev, ACCEL_REG_STATUS),
			   accel_read32(adev, ACCEL_REG_CONTROL),
			   accel_read32(adev, ACCEL_REG_EVENT_LOST));
		seq_printf(m, "admin: tail %llu, failed %d; ring and results",
			   READ_ONCE(admin->tail), READ_ONCE(admin->failed));
		accel_debugfs_address(m, admin->ring_dma);
		accel_debugfs_address(m, admin->results_dma);
		seq_printf(m, "\nevents: head %llu; ring", READ_ONCE(adev->events->head));
		accel_debugfs_address(m, adev->events->ring_dma);
		seq_puts(m, "\n");
		accel_debugfs_copy_queue(m, adev->copy_queue);
	}
	accel_section_end(adev, section);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(accel_debugfs_state);

/* ---- queues: a line for each queue --------------------------------------- */

/**
 * struct accel_debugfs_queue - a line of queues, as the driver knows it
 * @client: number of the file
 * @handle: handle in the file
 * @context: id of the context
 * @entries: length of the ring
 * @vector: interrupt vector
 * @memory: context address of the status page
 * @error: enum accel_status that stopped the queue
 * @waited: somebody waits for a command
 * @status: copy of the status page
 */
struct accel_debugfs_queue {
	u64 client;
	u32 handle;
	int context;
	u32 entries;
	int vector;
	u64 memory;
	u32 error;
	bool waited;
	struct accel_queue_status status;
};

static void *accel_debugfs_queues_start(struct seq_file *m, loff_t *pos)
{
	struct accel_device *adev = m->private;

	/* The first line is the heading. */
	return *pos <= adev->queue_count ? pos : NULL;
}

static void *accel_debugfs_queues_next(struct seq_file *m, void *item, loff_t *pos)
{
	++*pos;
	return accel_debugfs_queues_start(m, pos);
}

static void accel_debugfs_stop(struct seq_file *m, void *item)
{
}

#define ACCEL_DEBUGFS_QUEUES \
	"queue client handle context entries vector error completed tail arm event_index waited " \
	"activity pieces opcode ticks memory\n"

/* Copies the values of a queue of that id under the lock. Return: false if there is none. */
static bool accel_debugfs_queue_read(struct accel_device *adev, u32 id,
				     struct accel_debugfs_queue *line)
{
	struct accel_queue *queue;

	spin_lock_irq(&adev->lock);
	queue = adev->queues[id];
	if (queue) {
		*line = (struct accel_debugfs_queue) {
			.client = queue->ctx->client,
			.handle = queue->handle,
			.context = queue->ctx->id,
			.entries = queue->entries,
			.vector = queue->vector,
			.memory = queue->memory->va.start,
			.error = queue->error.status,
			.waited = queue->notify || !RB_EMPTY_ROOT(&queue->waiters.rb_root),
			.status = *queue->status,
		};
	}
	spin_unlock_irq(&adev->lock);
	return queue;
}

/* Asks the card for the progress of a queue; all values are zero if it does not answer. */
static void accel_debugfs_report(struct accel_device *adev, u32 id,
				 struct accel_queue_report *report)
{
	int section;

	*report = (struct accel_queue_report) {};
	if (accel_section_enter(adev, &section))
		return;
	accel_progress_read(adev, id, 1, report);
	accel_section_end(adev, section);
}

static int accel_debugfs_queues_show(struct seq_file *m, void *item)
{
	struct accel_device *adev = m->private;
	struct accel_queue_report report;
	struct accel_debugfs_queue line;
	u32 id;

	if (!*(loff_t *)item) {
		seq_puts(m, ACCEL_DEBUGFS_QUEUES);
		return 0;
	}
	id = *(loff_t *)item - 1;
	if (!accel_debugfs_queue_read(adev, id, &line))
		return 0;
	accel_debugfs_report(adev, id, &report);
	/* The owner can write the page; the values are shown as they are. */
	seq_printf(m, "%u %llu %u %d %u %d %u %llu %llu %llu %llu %d", id, line.client,
		   line.handle, line.context, line.entries, line.vector, line.error,
		   le64_to_cpu(line.status.completed), le64_to_cpu(line.status.tail),
		   le64_to_cpu(line.status.arm), le64_to_cpu(line.status.event_index), line.waited);
	seq_printf(m, " %u %llu %u %llu", le32_to_cpu(report.activity),
		   le64_to_cpu(report.pieces), le32_to_cpu(report.opcode),
		   le64_to_cpu(report.ticks));
	accel_debugfs_address(m, line.memory);
	seq_puts(m, "\n");
	return 0;
}

static const struct seq_operations accel_debugfs_queues_ops = {
	.start = accel_debugfs_queues_start,
	.next = accel_debugfs_queues_next,
	.stop = accel_debugfs_stop,
	.show = accel_debugfs_queues_show,
};

static int accel_debugfs_queues_open(struct inode *inode, struct file *file)
{
	int ret = seq_open(file, &accel_debugfs_queues_ops);

	if (!ret)
		((struct seq_file *)file->private_data)->private = inode->i_private;
	return ret;
}

static const struct file_operations accel_debugfs_queues_fops = {
	.owner = THIS_MODULE,
	.open = accel_debugfs_queues_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = seq_release,
};

/* ---- contexts, page_tables: a line for each file, or range of memory ------ */

/**
 * struct accel_debugfs_walk - position of a reader, and its current line
 * @adev: the card
 * @tables: the reader reads page_tables, else contexts
 * @client: number of the file of the line
 * @address: first address that was not shown yet
 * @run: page_tables: the range of the line
 * @id: contexts: id of the context on the card
 * @error: contexts: errno of every call, or 0
 * @pid: contexts: process that opened the file, in the reader's namespace
 * @usage: contexts: resources of the file
 */
struct accel_debugfs_walk {
	struct accel_device *adev;
	bool tables;
	u64 client;
	u64 address;
	struct accel_mmu_run run;
	int id;
	int error;
	pid_t pid;
	struct accel_usage usage;
};

/* Gathers the next line of a file. Return: 1 if there is one, 0 if not, or -EINTR. */
static int accel_debugfs_gather(struct accel_debugfs_walk *walk, struct accel_context *ctx)
{
	int ret = accel_context_enter(ctx);
	bool found;

	if (ret == -EINTR)
		return ret;
	if (walk->tables) {
		found = !ret && accel_mmu_next_run(&ctx->mmu, walk->address, &walk->run);
	} else {
		/* A file has one line; any address is behind it. */
		found = !walk->address;
		walk->error = ret;
		walk->id = -1;
		walk->usage = (struct accel_usage) {};
		walk->pid = pid_vnr(ctx->owner);
		if (!ret) {
			walk->id = ctx->id;
			accel_usage_count(ctx, &walk->usage);
		}
	}
	if (!ret)
		accel_context_leave(ctx);
	return found;
}

static void *accel_debugfs_walk_find(struct accel_debugfs_walk *walk)
{
	struct accel_context *ctx;
	int found;

	for (;;) {
		ctx = accel_context_next(walk->adev, walk->client);
		if (!ctx)
			return NULL;
		if (ctx->client != walk->client)
			walk->address = 0;
		walk->client = ctx->client;
		found = accel_debugfs_gather(walk, ctx);
		accel_context_put(ctx);
		if (found < 0)
			return ERR_PTR(found);
		if (found)
			return walk;
		walk->client++;
		walk->address = 0;
	}
}

static void *accel_debugfs_walk_start(struct seq_file *m, loff_t *pos)
{
	struct accel_debugfs_walk *walk = m->private;

	if (!*pos) {
		walk->client = 0;
		walk->address = 0;
		return SEQ_START_TOKEN;
	}
	return accel_debugfs_walk_find(walk);
}

static void *accel_debugfs_walk_next(struct seq_file *m, void *item, loff_t *pos)
{
	struct accel_debugfs_walk *walk = m->private;

	++*pos;
	if (item != SEQ_START_TOKEN)
		walk->address = walk->tables ? walk->run.start + walk->run.bytes : 1;
	return accel_debugfs_walk_find(walk);
}

static void accel_debugfs_show_run(struct seq_file *m, const struct accel_debugfs_walk *walk)
{
	const struct accel_mmu_run *run = &walk->run;

	seq_printf(m, "%llu %llu %s %c%c %s", walk->client, run->bytes,
		   run->large ? "2M" : "4K",
		   run->flags & ACCEL_PTE_READ ? 'r' : '-',
		   run->flags & ACCEL_PTE_WRITE ? 'w' : '-',
		   run->flags & ACCEL_PTE_MEMORY ? "device" : "host");
	accel_debugfs_address(m, run->start);
	accel_debugfs_address(m, run->target);
	seq_puts(m, "\n");
}

#define ACCEL_DEBUGFS_CONTEXTS \
	"client pid context errno queues buffers host_bytes registered_bytes device_bytes\n"

static int accel_debugfs_walk_show(struct seq_file *m, void *item)
{
	struct accel_debugfs_walk *walk = m->private;
	struct accel_usage *usage = &walk->usage;

	if (item == SEQ_START_TOKEN && walk->tables)
		seq_puts(m, "client bytes page access memory address target\n");
	else if (item == SEQ_START_TOKEN)
		seq_puts(m, ACCEL_DEBUGFS_CONTEXTS);
	else if (walk->tables)
		accel_debugfs_show_run(m, walk);
	else
		seq_printf(m, "%llu %d %d %d %u %u %llu %llu %llu\n", walk->client, walk->pid,
			   walk->id, walk->error, usage->queues, usage->buffers,
			   usage->bytes[ACCEL_KIND_HOST], usage->bytes[ACCEL_KIND_USERPTR],
			   usage->bytes[ACCEL_KIND_VRAM]);
	return 0;
}

static const struct seq_operations accel_debugfs_walk_ops = {
	.start = accel_debugfs_walk_start,
	.next = accel_debugfs_walk_next,
	.stop = accel_debugfs_stop,
	.show = accel_debugfs_walk_show,
};

static int accel_debugfs_walk_open(struct inode *inode, struct file *file, bool tables)
{
	struct accel_debugfs_walk *walk;

	walk = __seq_open_private(file, &accel_debugfs_walk_ops, sizeof(*walk));
	if (!walk)
		return -ENOMEM;
	walk->adev = inode->i_private;
	walk->tables = tables;
	return 0;
}

static int accel_debugfs_contexts_open(struct inode *inode, struct file *file)
{
	return accel_debugfs_walk_open(inode, file, false);
}

static int accel_debugfs_tables_open(struct inode *inode, struct file *file)
{
	return accel_debugfs_walk_open(inode, file, true);
}

static const struct file_operations accel_debugfs_contexts_fops = {
	.owner = THIS_MODULE,
	.open = accel_debugfs_contexts_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = seq_release_private,
};

static const struct file_operations accel_debugfs_tables_fops = {
	.owner = THIS_MODULE,
	.open = accel_debugfs_tables_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = seq_release_private,
};

/* ---- Creation and removal. The driver works without debugfs as well. ------ */

void accel_debugfs_init(void)
{
	accel_debugfs_root = debugfs_create_dir("accel-card", NULL);
}

void accel_debugfs_fini(void)
{
	debugfs_remove(accel_debugfs_root);
}

void accel_debugfs_add(struct accel_device *adev)
{
	struct dentry *folder = debugfs_create_dir(dev_name(&adev->dev), accel_debugfs_root);

	adev->debugfs = folder;
	debugfs_create_file("state", 0444, folder, adev, &accel_debugfs_state_fops);
	debugfs_create_file("queues", 0444, folder, adev, &accel_debugfs_queues_fops);
	debugfs_create_file("contexts", 0444, folder, adev, &accel_debugfs_contexts_fops);
	debugfs_create_file("page_tables", 0444, folder, adev, &accel_debugfs_tables_fops);
}

/* On return the files have no reader. */
void accel_debugfs_del(struct accel_device *adev)
{
	debugfs_remove(adev->debugfs);
}
