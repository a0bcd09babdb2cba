// SPDX-License-Identifier: GPL-2.0
/*
 * accel_watchdog.c - notices queues, engines and cards that make no progress, and takes
 * the first steps of the ladder (docs/concepts/states.md).
 *
 * The card counts the pieces of commands that it processes for each queue. A queue that
 * an engine runs and whose count stands still for the time limit hangs: the driver stops
 * that queue alone. If queues are ready and no count of the card changes, the engines
 * hang: only a reset helps. A slow command makes progress, and the card itself ends it
 * at its time limit, so the two are never mistaken for each other.
 *
 * Each round also is the heartbeat of the card, and replaces a lost interrupt of events.
 */
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "accel_admin.h"
#include "accel_copy_queue.h"
#include "accel_coredump.h"
#include "accel_event.h"
#include "accel_event_log.h"
#include "accel_failure.h"
#include "accel_mmio.h"
#include "accel_queue_stop.h"
#include "accel_progress.h"
#include "accel_section.h"
#include "accel_watchdog.h"

/* The limit for the driver's own queues, if commands of users have none. */
#define ACCEL_WATCHDOG_LIMIT_MS		30000
#define ACCEL_WATCHDOG_PERIOD_MIN_MS	20
#define ACCEL_WATCHDOG_PERIOD_MAX_MS	5000
/* Queues that are stopped in a round; the next round stops the others. */
#define ACCEL_WATCHDOG_HUNG_MAX		8

/**
 * struct accel_watch - what the last rounds saw of a queue
 * @report: the newest report
 * @since: jiffies when the report last changed
 */
struct accel_watch {
	struct accel_queue_report report;
	unsigned long since;
};

/**
 * struct accel_watchdog - the watchdog of a card; only its work uses it
 * @adev: the card
 * @generation: generation of the card in @watches
 * @limit: time limit in jiffies, in this round
 * @advanced: jiffies when any queue last made progress
 * @copy_tried: the copy queue was restarted, and has made no progress since
 * @ready: a queue waits for an engine, and has done so for the limit
 * @hung: ids of queues that hang, in this round
 * @hung_count: length of @hung
 * @reports: reports of the card
 * @watches: one for each queue
 */
struct accel_watchdog {
	struct accel_device *adev;
	u64 generation;
	unsigned long limit;
	unsigned long advanced;
	bool copy_tried;
	bool ready;
	u32 hung[ACCEL_WATCHDOG_HUNG_MAX];
	unsigned int hung_count;
	struct accel_queue_report reports[ACCEL_REPORTS_MAX];
	struct accel_watch watches[];
};

static u32 accel_watchdog_limit_ms(struct accel_device *adev)
{
	return READ_ONCE(adev->time_limit_ms) ?: ACCEL_WATCHDOG_LIMIT_MS;
}

static unsigned long accel_watchdog_period(struct accel_device *adev)
{
	return msecs_to_jiffies(clamp_t(u32, accel_watchdog_limit_ms(adev) / 4,
					ACCEL_WATCHDOG_PERIOD_MIN_MS,
					ACCEL_WATCHDOG_PERIOD_MAX_MS));
}

/* True if the queue has processed something between two reports, or is another queue. */
static bool accel_watchdog_progress(const struct accel_queue_report *before,
				    const struct accel_queue_report *now)
{
	return before->pieces != now->pieces || before->completed != now->completed ||
	       le64_to_cpu(before->ticks) > le64_to_cpu(now->ticks);
}

static void accel_watchdog_late(struct accel_watchdog *watchdog, u32 id, u32 activity)
{
	struct accel_device *adev = watchdog->adev;
	bool own = id == READ_ONCE(adev->copy_queue->queue);

	/* An administrator can switch off the limit of users. */
	if (!own && !READ_ONCE(adev->time_limit_ms))
		return;
	if (activity == ACCEL_ACTIVITY_READY)
		watchdog->ready = true;
	else if (watchdog->hung_count < ACCEL_WATCHDOG_HUNG_MAX)
		watchdog->hung[watchdog->hung_count++] = id;
}

static void accel_watchdog_look(struct accel_watchdog *watchdog, u32 id,
				const struct accel_queue_report *report)
{
	struct accel_watch *watch = &watchdog->watches[id];
	u32 activity = le32_to_cpu(report->activity);

	if (accel_watchdog_progress(&watch->report, report)) {
		watch->since = jiffies;
		watchdog->advanced = jiffies;
		if (id == READ_ONCE(watchdog->adev->copy_queue->queue))
			watchdog->copy_tried = false;
	} else if (watch->report.activity != report->activity) {
		watch->since = jiffies;
	}
	watch->report = *report;
	if ((activity == ACCEL_ACTIVITY_RUNNING || activity == ACCEL_ACTIVITY_READY) &&
	    time_after(jiffies, watch->since + watchdog->limit))
		accel_watchdog_late(watchdog, id, activity);
}

/* The card has restarted: older reports do not count. */
static void accel_watchdog_restart(struct accel_watchdog *watchdog)
{
	struct accel_device *adev = watchdog->adev;
	u32 id;

	watchdog->generation = adev->generation;
	watchdog->advanced = jiffies;
	watchdog->copy_tried = false;
	for (id = 0; id < adev->queue_count; id++)
		watchdog->watches[id] = (struct accel_watch) { .since = jiffies };
}

/* Reads all reports. The command is the heartbeat, too. Return: 0 or -errno. */
static int accel_watchdog_read(struct accel_watchdog *watchdog)
{
	struct accel_admin_command nop = { .opcode = ACCEL_ADMIN_NOP };
	struct accel_device *adev = watchdog->adev;
	u32 first, count, i;
	int ret;

	if (!(adev->features & ACCEL_FEATURE_SHARING))
		return accel_admin_run(adev, &nop);
	for (first = 0; first < adev->queue_count; first += count) {
		count = min_t(u32, adev->queue_count - first, ACCEL_REPORTS_MAX);
		ret = accel_progress_read(adev, first, count, watchdog->reports);
		if (ret)
			return ret;
		for (i = 0; i < count; i++)
			accel_watchdog_look(watchdog, first + i, &watchdog->reports[i]);
	}
	return 0;
}

/* Looks at the card. Return: false if it is stopped or fails. */
static bool accel_watchdog_check(struct accel_watchdog *watchdog)
{
	struct accel_device *adev = watchdog->adev;
	u32 status;
	int section;
	bool good = false;

	if (accel_section_enter(adev, &section))
		return false;
	if (watchdog->generation != adev->generation)
		accel_watchdog_restart(watchdog);
	status = accel_read32(adev, ACCEL_REG_STATUS);
	if (status == ~0U || pci_dev_is_disconnected(adev->pdev)) {
		accel_failure(adev, ACCEL_FAILURE_LOST, NULL);
		goto out;
	}
	if (status & ACCEL_STATUS_FATAL) {
		accel_failure(adev, ACCEL_FAILURE_FATAL, NULL);
		goto out;
	}
	accel_events_drain(adev);
	if (accel_watchdog_read(watchdog)) {
		accel_failure(adev, ACCEL_FAILURE_ADMIN, NULL);
		goto out;
	}
	good = true;
out:
	accel_section_end(adev, section);
	return good;
}

/* True if the queue still hangs: it has made no progress since its last report. */
static bool accel_watchdog_confirm(struct accel_watchdog *watchdog, u32 id)
{
	const struct accel_queue_report *before = &watchdog->watches[id].report;
	struct accel_device *adev = watchdog->adev;
	struct accel_queue_report now;
	int section, ret;

	if (accel_section_enter(adev, &section))
		return false;
	ret = watchdog->generation == READ_ONCE(adev->generation) ?
	      accel_progress_read(adev, id, 1, &now) : -ESTALE;
	accel_section_end(adev, section);
	return !ret && now.activity == before->activity && !accel_watchdog_progress(before, &now);
}

static void accel_watchdog_tell(struct accel_device *adev, struct accel_queue *queue, u32 id)
{
	struct task_struct *task = get_pid_task(queue->ctx->owner, PIDTYPE_TGID);
	char name[TASK_COMM_LEN] = "?";

	if (task) {
		get_task_comm(name, task);
		put_task_struct(task);
	}
	dev_warn_ratelimited(&adev->pdev->dev,
			     "queue %u of %s[%d] stopped: no progress in %u ms; see the coredump\n",
			     id, name, pid_nr(queue->ctx->owner), accel_watchdog_limit_ms(adev));
	accel_event_log_owner(adev, queue->ctx->owner, "queue-hung", "queue=%u client=%llu", id,
			      queue->ctx->client);
}

/* Stops a queue of a user. If even that fails, the card is reset because of this user. */
static void accel_watchdog_stop_queue(struct accel_watchdog *watchdog, u32 id)
{
	struct accel_device *adev = watchdog->adev;
	struct accel_queue *queue = accel_queue_find(adev, id);
	struct accel_coredump_cause cause = { .name = "hang", .queue = queue, .id = id };

	if (!queue)
		return;
	cause.culprit = queue->ctx->owner;
	if (accel_watchdog_confirm(watchdog, id)) {
		accel_coredump(adev, &cause);
		accel_failure_suspect(adev, queue->ctx->owner);
		if (!accel_queue_stop(queue, id, ACCEL_NO_PROGRESS, ACCEL_REASON_NO_PROGRESS))
			accel_watchdog_tell(adev, queue, id);
		accel_failure_suspect(adev, NULL);
	}
	accel_queue_found_put(queue);
}

/*
 * Reports a failure that the reports of this round show. The card may have been reset meanwhile:
 * then they say nothing about it.
 */
static void accel_watchdog_fail(struct accel_watchdog *watchdog, enum accel_failure_cause cause)
{
	struct accel_device *adev = watchdog->adev;
	int section;

	if (accel_section_enter(adev, &section))
		return;
	if (watchdog->generation == READ_ONCE(adev->generation))
		accel_failure(adev, cause, NULL);
	accel_section_end(adev, section);
}

/* A transfer hangs: the first time only that transfer fails. */
static void accel_watchdog_stop_copy_queue(struct accel_watchdog *watchdog)
{
	struct accel_device *adev = watchdog->adev;

	if (watchdog->copy_tried) {
		accel_watchdog_fail(watchdog, ACCEL_FAILURE_COPY);
		return;
	}
	watchdog->copy_tried = true;
	dev_warn_ratelimited(&adev->pdev->dev,
			     "a transfer stopped: no progress for %u ms; its caller gets EIO\n",
			     accel_watchdog_limit_ms(adev));
	accel_event_log_card(adev, "transfer-hung", "queue=%d", adev->copy_queue->queue);
	accel_copy_queue_recover(adev);
}

/* Acts on what a round has seen. The caller is in no section. */
static void accel_watchdog_act(struct accel_watchdog *watchdog)
{
	struct accel_device *adev = watchdog->adev;
	unsigned int i;

	for (i = 0; i < watchdog->hung_count; i++) {
		if (watchdog->hung[i] == READ_ONCE(adev->copy_queue->queue))
			accel_watchdog_stop_copy_queue(watchdog);
		else
			accel_watchdog_stop_queue(watchdog, watchdog->hung[i]);
		watchdog->watches[watchdog->hung[i]].since = jiffies;
	}
	if (watchdog->hung_count) {
		/* The engines may continue now. */
		watchdog->advanced = jiffies;
		return;
	}
	if (watchdog->ready && time_after(jiffies, watchdog->advanced + watchdog->limit))
		accel_watchdog_fail(watchdog, ACCEL_FAILURE_ENGINES);
}

static void accel_watchdog_work(struct work_struct *work)
{
	struct accel_health *health = container_of(to_delayed_work(work), struct accel_health,
						   watch);
	struct accel_watchdog *watchdog = health->watchdog;
	struct accel_device *adev = health->adev;

	watchdog->limit = msecs_to_jiffies(accel_watchdog_limit_ms(adev));
	watchdog->ready = false;
	watchdog->hung_count = 0;
	if (accel_watchdog_check(watchdog))
		accel_watchdog_act(watchdog);
	accel_health_watch(adev, accel_watchdog_period(adev));
}

int accel_watchdog_init(struct accel_device *adev)
{
	struct accel_watchdog *watchdog;

	watchdog = devm_kzalloc(&adev->pdev->dev,
				struct_size(watchdog, watches, adev->queue_count), GFP_KERNEL);
	if (!watchdog)
		return -ENOMEM;
	watchdog->adev = adev;
	adev->health->watchdog = watchdog;
	INIT_DELAYED_WORK(&adev->health->watch, accel_watchdog_work);
	return 0;
}

/* The card runs, and failures have an effect. */
void accel_watchdog_start(struct accel_device *adev)
{
	/* Generations count from zero, so the first round starts anew. */
	adev->health->watchdog->generation = U64_MAX;
	accel_health_watch(adev, accel_watchdog_period(adev));
}

/* After accel_recovery_disable(), which keeps the work from queuing itself. */
void accel_watchdog_stop(struct accel_device *adev)
{
	cancel_delayed_work_sync(&adev->health->watch);
}
