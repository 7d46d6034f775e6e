// SPDX-License-Identifier: BSD-2-Clause
/* Stopping a device of whatever kind, by what every PCI function has. */
#include <errno.h>
#include <string.h>

#include <linux/pci_regs.h>

#include <udrv/handle.h>
#include <udrv/log.h>

#include "udrv/lib/handle_internal.h"
#include "udrv/lib/vfio.h"

static int bus_master_off(struct vfio *vfio)
{
	uint8_t command[2];
	int err;

	err = udrv_vfio_ops.config_read(vfio, PCI_COMMAND, command, sizeof(command));
	if (err)
		return err;
	if (command[0] == 0xff && command[1] == 0xff)
		return -ENODEV;
	command[0] &= (uint8_t)~PCI_COMMAND_MASTER;
	err = udrv_vfio_ops.config_write(vfio, PCI_COMMAND, command, sizeof(command));
	if (err)
		return err;
	/* Flushes the write: what the device sent before it has arrived. */
	err = udrv_vfio_ops.config_read(vfio, PCI_COMMAND, command, sizeof(command));
	return err ? err : command[0] & PCI_COMMAND_MASTER ? -EIO : 0;
}

int udrv_handle_quiesce(const struct udrv_handle *h, const struct udrv_log *log)
{
	struct vfio *vfio;
	int err, reset;

	err = udrv_handle_check(h, log);
	if (err)
		return err;
	if (h->fd[UDRV_FD_VFIO] < 0)
		return -EINVAL;
	err = udrv_vfio_new(&vfio);
	if (err)
		return err;
	err = udrv_handle_open_vfio(h, vfio, log);
	if (err) {
		udrv_vfio_ops.close(vfio);
		return err;
	}
	err = bus_master_off(vfio);
	if (err)
		udrv_log(log, UDRV_LOG_ERR, "%s (%s): bus mastering cannot be switched off: %s",
			 h->name, h->bdf, strerror(-err));
	reset = udrv_vfio_ops.reset(vfio);
	if (reset)
		udrv_log(log, err ? UDRV_LOG_ERR : UDRV_LOG_WARN, "%s (%s): no reset: %s%s",
			 h->name, h->bdf, strerror(-reset),
			 err ? "" : "; it does no DMA, as bus mastering is off");
	udrv_vfio_ops.close(vfio);
	/* Either of them stops DMA. */
	return err && reset ? err : 0;
}
