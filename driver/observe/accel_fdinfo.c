// SPDX-License-Identifier: GPL-2.0
/*
 * accel_fdinfo.c - resources of a file in /proc/PID/fdinfo/FD, with the keys of
 * DRM drivers (Documentation/gpu/drm-usage-stats.rst), so that tools for these
 * keys show the files of this driver as well.
 */
#include <linux/seq_file.h>

#include "accel_fdinfo.h"
#include "accel_queue.h"
#include "accel_usage.h"

static void accel_fdinfo_memory(struct seq_file *m, const char *region, u64 bytes)
{
	seq_printf(m, "drm-total-%s:\t%llu KiB\n", region, bytes >> 10);
	seq_printf(m, "drm-resident-%s:\t%llu KiB\n", region, bytes >> 10);
	/* The older key. */
	seq_printf(m, "drm-memory-%s:\t%llu KiB\n", region, bytes >> 10);
}

static const char *accel_fdinfo_state(int detach_errno)
{
	switch (detach_errno) {
	case 0:
		return "running";
	case -ESTALE:
		return "reset";
	case -ENOTRECOVERABLE:
		return "wedged";
	default:
		return "gone";
	}
}

static const char *accel_fdinfo_activity(const struct accel_queue_report *report)
{
	switch (le32_to_cpu(report->activity)) {
	case ACCEL_ACTIVITY_IDLE:
		return "idle";
	case ACCEL_ACTIVITY_READY:
		return "ready";
	case ACCEL_ACTIVITY_RUNNING:
		return "running";
	case ACCEL_ACTIVITY_BLOCKED:
		return "blocked";
	case ACCEL_ACTIVITY_STOPPED:
		return "stopped";
	default:
		return "unknown";
	}
}

/* Progress of each queue, for tools. Skipped while a call of the file holds the context. */
static void accel_fdinfo_queues(struct seq_file *m, struct accel_context *ctx)
{
	struct accel_device *adev = ctx->adev;
	struct accel_queue *queue;
	unsigned long handle;

	if (!mutex_trylock(&ctx->lock))
		return;
	xa_for_each(&ctx->queues, handle, queue) {
		/* The owner can write the page; the values are shown as they are. */
		struct accel_queue_status *status;
		u64 completed, tail;

		rcu_read_lock();
		status = READ_ONCE(queue->status);
		completed = le64_to_cpu(READ_ONCE(status->completed));
		tail = le64_to_cpu(READ_ONCE(status->tail));
		rcu_read_unlock();
		if (queue->id < 0)
			continue;
		seq_printf(m, "accel-queue-%d:\t%s priority %u completed %llu pending %llu ",
			   queue->id, queue->stopped ? "stopped" :
			   READ_ONCE(queue->error.status) ? "error" : "running", queue->priority,
			   completed, tail - completed);
		seq_printf(m, "dma %llu ns compute %llu ns activity %s pieces %llu\n",
			   accel_ticks_to_ns(adev, queue->busy.dma),
			   accel_ticks_to_ns(adev, queue->busy.compute),
			   accel_fdinfo_activity(&queue->report),
			   le64_to_cpu(queue->report.pieces));
	}
	mutex_unlock(&ctx->lock);
}

void accel_fdinfo_show(struct seq_file *m, struct file *file)
{
	struct accel_context *ctx = file->private_data;
	struct accel_device *adev = ctx->adev;
	struct accel_usage usage;

	accel_usage_query(ctx, &usage);
	seq_printf(m, "drm-driver:\t%s\n", ACCEL_NAME);
	seq_printf(m, "drm-pdev:\t%s\n", pci_name(adev->pdev));
	seq_printf(m, "drm-client-id:\t%llu\n", ctx->client);
	seq_printf(m, "drm-engine-dma:\t%llu ns\n",
		   accel_ticks_to_ns(adev, READ_ONCE(ctx->busy.dma)));
	seq_printf(m, "drm-engine-capacity-dma:\t%u\n", max(accel_engines_dma(adev), 1U));
	seq_printf(m, "drm-engine-compute:\t%llu ns\n",
		   accel_ticks_to_ns(adev, READ_ONCE(ctx->busy.compute)));
	seq_printf(m, "drm-engine-capacity-compute:\t%u\n", max(accel_engines_compute(adev), 1U));
	accel_fdinfo_memory(m, "memory",
			    usage.bytes[ACCEL_KIND_HOST] + usage.bytes[ACCEL_KIND_USERPTR]);
	accel_fdinfo_memory(m, "vram", usage.bytes[ACCEL_KIND_VRAM]);
	seq_printf(m, "accel-registered:\t%llu KiB\n", usage.bytes[ACCEL_KIND_USERPTR] >> 10);
	seq_printf(m, "accel-imported:\t%llu KiB\n", usage.bytes[ACCEL_KIND_IMPORT] >> 10);
	seq_printf(m, "accel-buffers:\t%u\n", usage.buffers);
	seq_printf(m, "accel-queues:\t%u\n", usage.queues);
	seq_printf(m, "accel-state:\t%s\n", accel_fdinfo_state(READ_ONCE(ctx->detach_errno)));
	accel_fdinfo_queues(m, ctx);
}
