// SPDX-License-Identifier: GPL-2.0
/*
 * accel_sysfs.c - identity, state and counters of a card, as attributes of the
 * node's device: /sys/class/accel-card/accelN/. Each file has one value, except
 * the file of recent events. docs/concepts/driver.md lists the files.
 */
#include <linux/device.h>
#include <linux/genalloc.h>
#include <linux/sysfs.h>

#include "accel_admin.h"
#include "accel_admin_stop.h"
#include "accel_context.h"
#include "accel_event_log.h"
#include "accel_failure.h"
#include "accel_mmio.h"
#include "accel_quota.h"
#include "accel_section.h"
#include "accel_sysfs.h"

/* Reads a register if the hardware is present and answers. */
static int accel_sysfs_read(struct device *dev, u32 offset, bool wide, u64 *value)
{
	struct accel_device *adev = accel_device_of(dev);
	int section, ret;

	ret = accel_section_enter(adev, &section);
	if (ret)
		return ret;
	*value = wide ? accel_read64(adev, offset) : accel_read32(adev, offset);
	if (*value == (wide ? ~0ULL : ~0U) && accel_silent(adev))
		ret = -ENODEV;
	accel_section_end(adev, section);
	return ret;
}

/**
 * struct accel_attribute - a file that shows a register
 * @attr: the file
 * @offset: offset of the register
 * @wide: the register has 64 bits
 * @format: format of the value
 */
struct accel_attribute {
	struct device_attribute attr;
	u32 offset;
	bool wide;
	const char *format;
};

static ssize_t accel_register_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct accel_attribute *file = container_of(attr, struct accel_attribute, attr);
	u64 value;
	int ret;

	ret = accel_sysfs_read(dev, file->offset, file->wide, &value);
	return ret ? ret : sysfs_emit(buf, file->format, value);
}

#define ACCEL_REGISTER_FILE(name, register_, wide_, format_)				\
	static struct accel_attribute accel_file_##name = {				\
		.attr = __ATTR(name, 0444, accel_register_show, NULL),			\
		.offset = (register_), .wide = (wide_), .format = (format_) }

ACCEL_REGISTER_FILE(serial, ACCEL_REG_SERIAL, true, "%016llx\n");
ACCEL_REGISTER_FILE(memory_size, ACCEL_REG_MEMORY_SIZE, true, "%llu\n");

ACCEL_REGISTER_FILE(commands, ACCEL_REG_COMMANDS, true, "%llu\n");
ACCEL_REGISTER_FILE(doorbells, ACCEL_REG_DOORBELLS, true, "%llu\n");
ACCEL_REGISTER_FILE(interrupts, ACCEL_REG_INTERRUPTS, true, "%llu\n");
ACCEL_REGISTER_FILE(host_read_bytes, ACCEL_REG_HOST_READ, true, "%llu\n");
ACCEL_REGISTER_FILE(host_written_bytes, ACCEL_REG_HOST_WRITTEN, true, "%llu\n");
ACCEL_REGISTER_FILE(memory_read_bytes, ACCEL_REG_MEMORY_READ, true, "%llu\n");
ACCEL_REGISTER_FILE(memory_written_bytes, ACCEL_REG_MEMORY_WRITTEN, true, "%llu\n");
ACCEL_REGISTER_FILE(tlb_misses, ACCEL_REG_TLB_MISSES, true, "%llu\n");
ACCEL_REGISTER_FILE(faults, ACCEL_REG_FAULTS, true, "%llu\n");
ACCEL_REGISTER_FILE(events_lost, ACCEL_REG_EVENT_LOST, false, "%llu\n");
ACCEL_REGISTER_FILE(dma_busy_ticks, ACCEL_REG_DMA_BUSY, true, "%llu\n");
ACCEL_REGISTER_FILE(compute_busy_ticks, ACCEL_REG_COMPUTE_BUSY, true, "%llu\n");
ACCEL_REGISTER_FILE(clock_ticks, ACCEL_REG_CLOCK, true, "%llu\n");

static ssize_t hardware_version_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	u64 value;
	int ret;

	ret = accel_sysfs_read(dev, ACCEL_REG_VERSION, false, &value);
	return ret ? ret : sysfs_emit(buf, "%llu.%llu\n", value >> 16, value & 0xffff);
}
static DEVICE_ATTR_RO(hardware_version);

static ssize_t firmware_version_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	u64 value;
	int ret;

	ret = accel_sysfs_read(dev, ACCEL_REG_FIRMWARE, false, &value);
	return ret ? ret : sysfs_emit(buf, "%llu.%llu.%llu\n", value >> 24, value >> 16 & 0xff,
				      value & 0xffff);
}
static DEVICE_ATTR_RO(firmware_version);

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct accel_device *adev = accel_device_of(dev);
	u64 value;

	switch (accel_sysfs_read(dev, ACCEL_REG_STATUS, false, &value)) {
	case 0:
		break;
	case -ESTALE:
		/* A reset or a suspend starts it again. */
		return sysfs_emit(buf, "stopped\n");
	case -ENOTRECOVERABLE:
		return sysfs_emit(buf, "wedged\n");
	default:
		return sysfs_emit(buf, "gone\n");
	}
	if ((value & ACCEL_STATUS_FATAL) || READ_ONCE(adev->admin->failed))
		return sysfs_emit(buf, "failed\n");
	if (!(value & ACCEL_STATUS_ENABLED))
		return sysfs_emit(buf, "stopped\n");
	return sysfs_emit(buf, value & ACCEL_STATUS_THROTTLED ? "throttled\n" : "running\n");
}
static DEVICE_ATTR_RO(state);

static ssize_t memory_used_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct accel_device *adev = accel_device_of(dev);

	return sysfs_emit(buf, "%zu\n", gen_pool_size(adev->vram_pool) -
			  gen_pool_avail(adev->vram_pool));
}
static DEVICE_ATTR_RO(memory_used);

static ssize_t contexts_used_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct accel_device *adev = accel_device_of(dev);

	return sysfs_emit(buf, "%d\n", atomic_read(&adev->contexts_used));
}
static DEVICE_ATTR_RO(contexts_used);

static ssize_t queues_used_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct accel_device *adev = accel_device_of(dev);

	return sysfs_emit(buf, "%d\n", atomic_read(&adev->queues_used));
}
static DEVICE_ATTR_RO(queues_used);

static ssize_t generation_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct accel_device *adev = accel_device_of(dev);

	return sysfs_emit(buf, "%llu\n", READ_ONCE(adev->generation));
}
static DEVICE_ATTR_RO(generation);

static ssize_t time_limit_ms_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(accel_device_of(dev)->time_limit_ms));
}

/* For queues that are created from now on, and for the driver's own watch over all queues. */
static ssize_t time_limit_ms_store(struct device *dev, struct device_attribute *attr,
				   const char *buf, size_t count)
{
	struct accel_device *adev = accel_device_of(dev);
	unsigned int limit;
	int ret;

	ret = kstrtouint(buf, 0, &limit);
	if (ret)
		return ret;
	WRITE_ONCE(adev->time_limit_ms, limit);
	accel_event_log_setting(adev, attr->attr.name, limit);
	/* Its period depends on the limit. */
	accel_health_watch(adev, 0);
	return count;
}
static DEVICE_ATTR_RW(time_limit_ms);

static ssize_t events_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return accel_event_log_show(accel_device_of(dev), buf);
}
static DEVICE_ATTR_RO(events);

/* The value is the id of the queue on the card. */
static ssize_t stop_queue_store(struct device *dev, struct device_attribute *attr,
				const char *buf, size_t count)
{
	struct accel_device *adev = accel_device_of(dev);
	unsigned int id;
	int ret;

	ret = kstrtouint(buf, 0, &id);
	if (!ret)
		ret = accel_admin_stop_queue(adev, id);
	return ret ?: count;
}
static DEVICE_ATTR_WO(stop_queue);

/* Shows a register that counts ticks as nanoseconds. */
static ssize_t accel_time_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct accel_attribute *file = container_of(attr, struct accel_attribute, attr);
	struct accel_device *adev = accel_device_of(dev);
	u64 ticks;
	int ret;

	ret = accel_sysfs_read(dev, file->offset, true, &ticks);
	return ret ? ret : sysfs_emit(buf, "%llu\n", accel_ticks_to_ns(adev, ticks));
}

#define ACCEL_TIME_FILE(name, register_)						\
	static struct accel_attribute accel_file_##name = {				\
		.attr = __ATTR(name, 0444, accel_time_show, NULL),			\
		.offset = (register_) }

ACCEL_TIME_FILE(dma_busy_ns, ACCEL_REG_DMA_BUSY);
ACCEL_TIME_FILE(compute_busy_ns, ACCEL_REG_COMPUTE_BUSY);
ACCEL_TIME_FILE(clock_ns, ACCEL_REG_CLOCK);

static ssize_t dma_count_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct accel_device *adev = accel_device_of(dev);

	return sysfs_emit(buf, "%u\n", accel_engines_dma(adev));
}
static DEVICE_ATTR_RO(dma_count);

static ssize_t compute_count_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct accel_device *adev = accel_device_of(dev);

	return sysfs_emit(buf, "%u\n", accel_engines_compute(adev));
}
static DEVICE_ATTR_RO(compute_count);

static struct attribute *accel_engine_attrs[] = {
	&accel_file_dma_busy_ns.attr.attr,
	&accel_file_compute_busy_ns.attr.attr,
	&accel_file_clock_ns.attr.attr,
	&dev_attr_dma_count.attr,
	&dev_attr_compute_count.attr,
	NULL
};

/*
 * A reader computes the load of an engine from two samples: busy / (clock * count).
 * So the kernel keeps no state, and any number of readers can sample.
 */
static const struct attribute_group accel_engine_group = {
	.name = "engines",
	.attrs = accel_engine_attrs,
};

static struct attribute *accel_identity_attrs[] = {
	&accel_file_serial.attr.attr,
	&accel_file_memory_size.attr.attr,
	&dev_attr_hardware_version.attr,
	&dev_attr_firmware_version.attr,
	&dev_attr_state.attr,
	&dev_attr_memory_used.attr,
	&dev_attr_contexts_used.attr,
	&dev_attr_queues_used.attr,
	&dev_attr_generation.attr,
	&dev_attr_events.attr,
	&dev_attr_stop_queue.attr,
	&dev_attr_time_limit_ms.attr,
	NULL
};

static const struct attribute_group accel_identity_group = {
	.attrs = accel_identity_attrs,
};

static struct attribute *accel_counter_attrs[] = {
	&accel_file_commands.attr.attr,
	&accel_file_doorbells.attr.attr,
	&accel_file_interrupts.attr.attr,
	&accel_file_host_read_bytes.attr.attr,
	&accel_file_host_written_bytes.attr.attr,
	&accel_file_memory_read_bytes.attr.attr,
	&accel_file_memory_written_bytes.attr.attr,
	&accel_file_tlb_misses.attr.attr,
	&accel_file_faults.attr.attr,
	&accel_file_events_lost.attr.attr,
	&accel_file_dma_busy_ticks.attr.attr,
	&accel_file_compute_busy_ticks.attr.attr,
	&accel_file_clock_ticks.attr.attr,
	NULL
};

static const struct attribute_group accel_counter_group = {
	.name = "counters",
	.attrs = accel_counter_attrs,
};

const struct attribute_group *accel_sysfs_groups[] = {
	&accel_identity_group,
	&accel_counter_group,
	&accel_engine_group,
	&accel_quota_group,
	NULL
};
