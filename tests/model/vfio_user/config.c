// SPDX-License-Identifier: BSD-2-Clause
/* Configuration space: type 0 header, PCI Express, MSI-X and power management capabilities. */
#include <string.h>

#include <linux/pci_regs.h>

#include "tests/model/vfio_user/internal.h"

#define CAP_EXP	 0x40u
#define CAP_MSIX 0x80u
#define CAP_PM	 0x90u

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)v);
	put16(p + 2, (uint16_t)(v >> 16));
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static void capability(struct config *c, unsigned int off, uint8_t id, uint8_t next)
{
	c->data[off] = id;
	c->data[off + 1] = next;
}

/* The peer keeps addresses and sizes; only the type bits are asked for. */
static void bars(struct vfio_user *vu)
{
	for (unsigned int i = 0; i < VFIO_USER_BARS; i++) {
		const struct vfio_user_bar *b = &vu->opts.bar[i];

		if (b->size)
			put32(&vu->config.data[PCI_BASE_ADDRESS_0 + 4 * i],
			      (b->wide ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0) |
				      (b->prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0));
	}
}

void vu_config_init(struct vfio_user *vu)
{
	const struct vfio_user_opts *o = &vu->opts;
	struct config *c = &vu->config;
	uint8_t *d = c->data;

	memset(c, 0, sizeof(*c));
	put16(d + PCI_VENDOR_ID, o->vendor);
	put16(d + PCI_DEVICE_ID, o->device);
	put16(d + PCI_STATUS, PCI_STATUS_CAP_LIST);
	put32(d + PCI_CLASS_REVISION, o->class_code << 8 | o->revision);
	put16(d + PCI_SUBSYSTEM_VENDOR_ID, o->subsystem_vendor);
	put16(d + PCI_SUBSYSTEM_ID, o->subsystem);
	d[PCI_CAPABILITY_LIST] = CAP_EXP;
	bars(vu);

	c->exp = CAP_EXP;
	capability(c, CAP_EXP, PCI_CAP_ID_EXP, CAP_MSIX);
	put16(d + CAP_EXP + PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	put32(d + CAP_EXP + PCI_EXP_DEVCAP,
	      PCI_EXP_DEVCAP_RBER | (o->flr ? PCI_EXP_DEVCAP_FLR : 0));
	put32(d + CAP_EXP + PCI_EXP_LNKCAP, PCI_EXP_LNKCAP_SLS_2_5GB | 1 << 4);
	put16(d + CAP_EXP + PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_CLS_2_5GB | PCI_EXP_LNKSTA_NLW_X1);

	capability(c, CAP_MSIX, PCI_CAP_ID_MSIX, CAP_PM);
	put16(d + CAP_MSIX + PCI_MSIX_FLAGS, (uint16_t)(o->vectors - 1));
	put32(d + CAP_MSIX + PCI_MSIX_TABLE, o->table_offset | o->msix_bar);
	put32(d + CAP_MSIX + PCI_MSIX_PBA, o->pba_offset | o->msix_bar);

	capability(c, CAP_PM, PCI_CAP_ID_PM, 0);
	put16(d + CAP_PM + PCI_PM_PMC, 3);
	put16(d + CAP_PM + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);

	put16(c->writable + PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
						 PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
						 PCI_COMMAND_INTX_DISABLE);
	c->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	c->writable[PCI_INTERRUPT_LINE] = 0xff;
	put16(c->writable + CAP_EXP + PCI_EXP_DEVCTL, 0x7fff);
	put16(c->writable + CAP_EXP + PCI_EXP_LNKCTL, PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_CCC);
	put16(c->writable + CAP_MSIX + PCI_MSIX_FLAGS,
	      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	put16(c->writable + CAP_PM + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
}

void vu_config_reset(struct vfio_user *vu)
{
	uint16_t old = get16(vu->config.data + PCI_COMMAND);

	vu->opts.ops->pause(vu->opts.ctx);
	vu_config_init(vu);
	vu->opts.ops->resume(vu->opts.ctx);
	vu_irq_bus_master(&vu->irq, false);
	if (old)
		vu->opts.ops->command(vu->opts.ctx, 0);
}

void vu_config_read(struct vfio_user *vu, uint64_t off, uint8_t *buf, size_t len)
{
	uint16_t device = atomic_load(&vu->device);

	if (atomic_load(&vu->removed)) {
		memset(buf, 0xff, len);
		return;
	}
	memcpy(buf, vu->config.data + off, len);
	for (unsigned int i = 0; device && i < 2; i++) {
		if (off <= PCI_DEVICE_ID + i && PCI_DEVICE_ID + i - off < len)
			buf[PCI_DEVICE_ID + i - off] = (uint8_t)(device >> 8 * i);
	}
}

void vfio_user_become(struct vfio_user *vu, uint16_t device)
{
	atomic_store(&vu->device, device);
}

void vu_config_write(struct vfio_user *vu, uint64_t off, const uint8_t *buf, size_t len)
{
	struct config *c = &vu->config;
	uint16_t old = get16(c->data + PCI_COMMAND), command;
	unsigned int flr = c->exp + PCI_EXP_DEVCTL + 1;

	if (atomic_load(&vu->removed))
		return;
	/* The worker looks at COMMAND for each access to memory. */
	vu->opts.ops->pause(vu->opts.ctx);
	for (uint64_t i = 0; i < len && off + i < sizeof(c->writable); i++) {
		uint8_t mask = c->writable[off + i];

		c->data[off + i] = (uint8_t)((c->data[off + i] & ~mask) | (buf[i] & mask));
	}
	vu->opts.ops->resume(vu->opts.ctx);
	command = get16(c->data + PCI_COMMAND);
	if (command != old) {
		vu_irq_bus_master(&vu->irq, command & PCI_COMMAND_MASTER);
		vu->opts.ops->command(vu->opts.ctx, command);
	}
	if (vu->opts.flr && off <= flr && flr < off + len &&
	    buf[flr - off] & PCI_EXP_DEVCTL_BCR_FLR >> 8) {
		vu_reset(vu, VFIO_USER_RESET_FLR);
	}
}
