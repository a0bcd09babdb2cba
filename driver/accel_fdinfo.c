// SPDX-License-Identifier: GPL-2.0
/*
 * accel_fdinfo.c - what a file uses, in /proc/PID/fdinfo/FD, with the keys that
 * DRM drivers have (Documentation/gpu/drm-usage-stats.rst), so that the tools
 * that know these show our files too.
 *
 * Busy times are the card's counters of the queues, asked for when somebody
 * looks, and kept when a queue ends. Who looks never waits for a call of the
 * file or for a reset: if one is under way he gets what was last known.
 */
#include <linux/math64.h>
#include <linux/seq_file.h>
#include <linux/time64.h>

#include "accel.h"

/**
 * accel_ticks_to_ns() - what the card counts, as nanoseconds
 * @adev: the card
 * @ticks: device ticks
 *
 * Return: nanoseconds.
 */
u64 accel_ticks_to_ns(struct accel_device *adev, u64 ticks)
{
	return mul_u64_u32_div(ticks, NSEC_PER_SEC, adev->clock_hz);
}

static void accel_usage_add(struct accel_usage *usage, const struct accel_buffer *buffer)
{
	usage->bytes[buffer->kind] += buffer->bytes;
}

/**
 * accel_usage_of() - what a file has
 * @ctx: the context, entered
 * @usage: filled in
 */
void accel_usage_of(struct accel_context *ctx, struct accel_usage *usage)
{
	struct accel_buffer *buffer;
	struct accel_queue *queue;
	unsigned long handle;

	*usage = (struct accel_usage) {};
	xa_for_each(&ctx->queues, handle, queue) {
		accel_usage_add(usage, queue->memory);
		usage->queues++;
	}
	xa_for_each(&ctx->buffers, handle, buffer) {
		accel_usage_add(usage, buffer);
		usage->buffers++;
	}
}

/* Called with the context entered. */
static void accel_usage_refresh(struct accel_context *ctx)
{
	struct accel_queue_stats stats;
	struct accel_queue *queue;
	unsigned long handle;

	accel_usage_of(ctx, &ctx->usage);
	xa_for_each(&ctx->queues, handle, queue)
		accel_queue_read_stats(queue, &stats);
}

static void accel_usage_look(struct accel_context *ctx, struct accel_usage *usage)
{
	struct accel_device *adev = ctx->adev;

	if (down_read_trylock(&adev->hw_lock)) {
		if (mutex_trylock(&ctx->lock)) {
			if (!ctx->dead)
				accel_usage_refresh(ctx);
			*usage = ctx->usage;
			mutex_unlock(&ctx->lock);
			up_read(&adev->hw_lock);
			return;
		}
		up_read(&adev->hw_lock);
	}
	/* Figures of two looks may mix; each of them was so. */
	*usage = data_race(ctx->usage);
}

static void accel_fdinfo_memory(struct seq_file *m, const char *region, u64 bytes)
{
	seq_printf(m, "drm-total-%s:\t%llu KiB\n", region, bytes >> 10);
	seq_printf(m, "drm-resident-%s:\t%llu KiB\n", region, bytes >> 10);
	/* The older name. */
	seq_printf(m, "drm-memory-%s:\t%llu KiB\n", region, bytes >> 10);
}

static const char *accel_fdinfo_state(int dead)
{
	switch (dead) {
	case 0:
		return "running";
	case -ESTALE:
		return "reset";
	default:
		return "gone";
	}
}

/* What runs and what does not move, for tools. Who holds the context is not waited for. */
static void accel_fdinfo_queues(struct seq_file *m, struct accel_context *ctx)
{
	struct accel_device *adev = ctx->adev;
	struct accel_queue *queue;
	unsigned long handle;

	if (!mutex_trylock(&ctx->lock))
		return;
	xa_for_each(&ctx->queues, handle, queue) {
		/* The page is its owner's: what he wrote there is shown as it is. */
		struct accel_queue_status *status = queue->status;
		u64 completed = le64_to_cpu(READ_ONCE(status->completed));

		if (queue->id < 0)
			continue;
		seq_printf(m, "accel-queue-%d:\t%s priority %u completed %llu pending %llu dma %llu ns compute %llu ns\n",
			   queue->id, queue->stopped ? "stopped" :
			   READ_ONCE(queue->error.status) ? "error" : "running", queue->priority,
			   completed, le64_to_cpu(READ_ONCE(status->tail)) - completed,
			   accel_ticks_to_ns(adev, queue->busy.dma),
			   accel_ticks_to_ns(adev, queue->busy.compute));
	}
	mutex_unlock(&ctx->lock);
}

void accel_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct accel_context *ctx = file->private_data;
	struct accel_device *adev = ctx->adev;
	struct accel_usage usage;

	accel_usage_look(ctx, &usage);
	seq_printf(m, "drm-driver:\t%s\n", ACCEL_NAME);
	seq_printf(m, "drm-pdev:\t%s\n", pci_name(adev->pdev));
	seq_printf(m, "drm-client-id:\t%llu\n", ctx->client);
	seq_printf(m, "drm-engine-dma:\t%llu ns\n",
		   accel_ticks_to_ns(adev, READ_ONCE(ctx->busy.dma)));
	seq_printf(m, "drm-engine-capacity-dma:\t%u\n", max(accel_dma_engines(adev), 1U));
	seq_printf(m, "drm-engine-compute:\t%llu ns\n",
		   accel_ticks_to_ns(adev, READ_ONCE(ctx->busy.compute)));
	seq_printf(m, "drm-engine-capacity-compute:\t%u\n", max(accel_compute_engines(adev), 1U));
	accel_fdinfo_memory(m, "memory",
			    usage.bytes[ACCEL_KIND_HOST] + usage.bytes[ACCEL_KIND_USER]);
	accel_fdinfo_memory(m, "vram", usage.bytes[ACCEL_KIND_DEVICE]);
	seq_printf(m, "accel-registered:\t%llu KiB\n", usage.bytes[ACCEL_KIND_USER] >> 10);
	seq_printf(m, "accel-imported:\t%llu KiB\n", usage.bytes[ACCEL_KIND_IMPORT] >> 10);
	seq_printf(m, "accel-buffers:\t%u\n", usage.buffers);
	seq_printf(m, "accel-queues:\t%u\n", usage.queues);
	seq_printf(m, "accel-state:\t%s\n", accel_fdinfo_state(READ_ONCE(ctx->dead)));
	accel_fdinfo_queues(m, ctx);
}
