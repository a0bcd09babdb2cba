// SPDX-License-Identifier: GPL-2.0
/*
 * accel_hwmon.c - temperature, power, power cap and clock of a card, for `sensors`
 * and other users of hwmon. Only root can set the power cap.
 */
#include <linux/hwmon.h>
#include <linux/sysfs.h>

#include "accel_hwmon.h"
#include "accel_mmio.h"
#include "accel_section.h"

/* hwmon uses microwatts, the card milliwatts. */
#define ACCEL_MICRO	1000
#define ACCEL_HZ_PER_MHZ	1000000ULL

static umode_t accel_hwmon_visible(const void *data, enum hwmon_sensor_types type, u32 attr,
				   int channel)
{
	return type == hwmon_power && attr == hwmon_power_cap ? 0644 : 0444;
}

/* Reads a register if the hardware is present and answers; else @value is zero. */
static int accel_hwmon_register(struct device *dev, u32 offset, u32 *value)
{
	struct accel_device *adev = dev_get_drvdata(dev);
	int section, ret;

	*value = 0;
	ret = accel_section_enter(adev, &section);
	if (ret)
		return ret;
	*value = accel_read32(adev, offset);
	/* All ones are also -0.001 degrees. */
	if (*value == ~0U && accel_silent(adev))
		ret = -ENODEV;
	accel_section_end(adev, section);
	return ret;
}

static int accel_hwmon_read(struct device *dev, enum hwmon_sensor_types type, u32 attr,
			    int channel, long *value)
{
	u32 raw;
	int ret;

	if (type == hwmon_temp) {
		ret = accel_hwmon_register(dev, ACCEL_REG_TEMPERATURE, &raw);
		*value = (s32)raw;
		return ret;
	}
	switch (attr) {
	case hwmon_power_input:
		ret = accel_hwmon_register(dev, ACCEL_REG_POWER, &raw);
		break;
	case hwmon_power_cap:
		ret = accel_hwmon_register(dev, ACCEL_REG_POWER_CAP, &raw);
		break;
	case hwmon_power_cap_min:
		ret = accel_hwmon_register(dev, ACCEL_REG_POWER_CAP_MIN, &raw);
		break;
	case hwmon_power_cap_max:
		ret = accel_hwmon_register(dev, ACCEL_REG_POWER_CAP_MAX, &raw);
		break;
	default:
		return -EOPNOTSUPP;
	}
	*value = (long)raw * ACCEL_MICRO;
	return ret;
}

static int accel_hwmon_write(struct device *dev, enum hwmon_sensor_types type, u32 attr,
			     int channel, long value)
{
	struct accel_device *adev = dev_get_drvdata(dev);
	long lowest, highest, cap = value / ACCEL_MICRO;
	int section, ret;

	ret = accel_section_enter(adev, &section);
	if (ret)
		return ret;
	lowest = accel_read32(adev, ACCEL_REG_POWER_CAP_MIN);
	highest = accel_read32(adev, ACCEL_REG_POWER_CAP_MAX);
	if (accel_silent(adev))
		ret = -ENODEV;
	else if (value < 0 || cap < lowest || cap > highest)
		ret = -EINVAL;
	else
		accel_write32(adev, ACCEL_REG_POWER_CAP, cap);
	accel_section_end(adev, section);
	return ret;
}

static const struct hwmon_ops accel_hwmon_ops = {
	.is_visible = accel_hwmon_visible,
	.read = accel_hwmon_read,
	.write = accel_hwmon_write,
};

static const struct hwmon_channel_info accel_hwmon_temperature = {
	.type = hwmon_temp,
	.config = (const u32[]) { HWMON_T_INPUT, 0 },
};

static const struct hwmon_channel_info accel_hwmon_power = {
	.type = hwmon_power,
	.config = (const u32[]) {
		HWMON_P_INPUT | HWMON_P_CAP | HWMON_P_CAP_MIN | HWMON_P_CAP_MAX, 0
	},
};

/* Newer kernels declare the pointers const as well; this type suits both. */
static const struct hwmon_channel_info *accel_hwmon_channels[] = {
	&accel_hwmon_temperature,
	&accel_hwmon_power,
	NULL
};

static const struct hwmon_chip_info accel_hwmon_chip = {
	.ops = &accel_hwmon_ops,
	.info = accel_hwmon_channels,
};

/* hwmon has no type for clocks; other drivers use this name. */
static ssize_t freq1_input_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	u32 megahertz;
	int ret;

	ret = accel_hwmon_register(dev, ACCEL_REG_CORE_CLOCK, &megahertz);
	return ret ?: sysfs_emit(buf, "%llu\n", megahertz * ACCEL_HZ_PER_MHZ);
}
static DEVICE_ATTR_RO(freq1_input);

static ssize_t freq1_label_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "core\n");
}
static DEVICE_ATTR_RO(freq1_label);

static struct attribute *accel_hwmon_attrs[] = {
	&dev_attr_freq1_input.attr,
	&dev_attr_freq1_label.attr,
	NULL
};
ATTRIBUTE_GROUPS(accel_hwmon);

int accel_hwmon_add(struct accel_device *adev)
{
	struct device *hwmon;

	hwmon = hwmon_device_register_with_info(&adev->pdev->dev, "accel", adev,
						&accel_hwmon_chip, accel_hwmon_groups);
	if (IS_ERR(hwmon))
		return PTR_ERR(hwmon);
	adev->hwmon = hwmon;
	return 0;
}

void accel_hwmon_del(struct accel_device *adev)
{
	hwmon_device_unregister(adev->hwmon);
}
