// SPDX-License-Identifier: BSD-2-Clause
/* Who a device is: what a handle's state records of it and what every later opening compares. */
#include <errno.h>
#include <libfdt.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/state.h>

#include "udrv/lib/handle_internal.h"
#include "udrv/lib/state_internal.h"
#include "udrv/lib/vfio.h"

struct fact {
	const char *name;
	uint32_t value;
};

#define NFACTS 6

static int read_id(struct vfio *vfio, struct udrv_pci_id *ret)
{
	struct udrv_device *dev;
	/* Only the configuration space, and nothing to close: the backend is the caller's. */
	const struct udrv_device_ops ops = {
		.size = sizeof(ops),
		.bar_map = udrv_vfio_ops.bar_map,
		.config_read = udrv_vfio_ops.config_read,
	};
	int err;

	err = udrv_device_create("", &ops, vfio, NULL, NULL, NULL, &dev);
	if (err)
		return err;
	err = udrv_device_id(dev, ret);
	udrv_device_close(dev);
	return err;
}

static int read_facts(struct vfio *vfio, const struct udrv_handle *h, const struct udrv_log *log,
		      struct fact facts[NFACTS], uint64_t bar_sizes[VFIO_BARS])
{
	struct udrv_pci_id id;
	int err;

	err = read_id(vfio, &id);
	if (!err)
		err = udrv_vfio_bar_sizes(vfio, bar_sizes);
	if (err) {
		udrv_log(log, UDRV_LOG_ERR, "%s (%s): cannot read the device's identity: %s",
			 h->name, h->bdf, strerror(-err));
		return err;
	}
	facts[0] = (struct fact){ "vendor", id.vendor };
	facts[1] = (struct fact){ "device", id.device };
	facts[2] = (struct fact){ "subsystem-vendor", id.subsystem_vendor };
	facts[3] = (struct fact){ "subsystem", id.subsystem };
	facts[4] = (struct fact){ "class", id.class_code };
	facts[5] = (struct fact){ "revision", id.revision };
	return 0;
}

int udrv_handle_record_id(struct vfio *vfio, const struct udrv_handle *h, void *fdt,
			  const struct udrv_log *log)
{
	uint64_t bar_sizes[VFIO_BARS];
	struct fact facts[NFACTS];
	int node, err;

	err = read_facts(vfio, h, log, facts, bar_sizes);
	if (err)
		return err;
	node = fdt_add_subnode(fdt, 0, "device");
	if (node < 0)
		return udrv_fdt_errno(node);
	err = fdt_setprop_string(fdt, node, "bdf", h->bdf);
	for (int i = 0; !err && i < NFACTS; i++)
		err = fdt_setprop_u32(fdt, node, facts[i].name, facts[i].value);
	for (int i = 0; !err && i < VFIO_BARS; i++)
		err = fdt_appendprop_u64(fdt, node, "bar-sizes", bar_sizes[i]);
	return err ? udrv_fdt_errno(err) : 0;
}

int udrv_handle_compare_id(struct vfio *vfio, const struct udrv_handle *h,
			   const struct udrv_state *st, const struct udrv_log *log)
{
	const void *fdt = udrv_state_fdt(st);
	int node = fdt_path_offset(fdt, "/device");
	uint64_t bar_sizes[VFIO_BARS];
	struct fact facts[NFACTS];
	const void *prop;
	int err, len;

	if (node < 0) {
		udrv_log(log, UDRV_LOG_ERR, "%s: the state has no record of the device", h->name);
		return -EBADMSG;
	}
	err = read_facts(vfio, h, log, facts, bar_sizes);
	if (err)
		return err;

	prop = fdt_getprop(fdt, node, "bdf", &len);
	if (!prop || len <= 0 || len > (int)sizeof(h->bdf) || ((const char *)prop)[len - 1]) {
		udrv_log(log, UDRV_LOG_ERR, "%s: the state's record of the device has no address",
			 h->name);
		return -EBADMSG;
	}
	if (strcmp(prop, h->bdf)) {
		udrv_log(log, UDRV_LOG_ERR,
			 "%s: the state belongs to device %s, not to %s: do not resume", h->name,
			 (const char *)prop, h->bdf);
		return -ESTALE;
	}
	for (int i = 0; i < NFACTS; i++) {
		uint32_t was;

		prop = fdt_getprop(fdt, node, facts[i].name, &len);
		if (!prop || len != sizeof(fdt32_t)) {
			udrv_log(log, UDRV_LOG_ERR,
				 "%s: the state's record of the device has no \"%s\"", h->name,
				 facts[i].name);
			return -EBADMSG;
		}
		was = fdt32_ld(prop);
		if (was != facts[i].value) {
			udrv_log(log, UDRV_LOG_ERR,
				 "%s (%s): another device than recorded: %s is %#x, was %#x: do not resume",
				 h->name, h->bdf, facts[i].name, facts[i].value, was);
			return -ESTALE;
		}
	}
	prop = fdt_getprop(fdt, node, "bar-sizes", &len);
	if (!prop || len != (int)sizeof(bar_sizes)) {
		udrv_log(log, UDRV_LOG_ERR,
			 "%s: the state's record of the device has no \"bar-sizes\"", h->name);
		return -EBADMSG;
	}
	for (int i = 0; i < VFIO_BARS; i++) {
		uint64_t was = fdt64_ld((const fdt64_t *)prop + i);

		if (was != bar_sizes[i]) {
			udrv_log(log, UDRV_LOG_ERR,
				 "%s (%s): another device than recorded: BAR %d has %llu bytes, had %llu: do not resume",
				 h->name, h->bdf, i, (unsigned long long)bar_sizes[i],
				 (unsigned long long)was);
			return -ESTALE;
		}
	}
	return 0;
}
