/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cold facts about a controller: what the set-up found out or decided. They are in the state's
 * tree, node /nvme, so that a successor asks the device nothing that it need not.
 */
#ifndef DEVICES_NVME_FACTS_H
#define DEVICES_NVME_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include <udrv/device.h>
#include <udrv/nvme.h>

struct udrv_state;

#define NVME_MAX_TRANSFER (2u << 20) /* one page of PRP entries a command */

/*
 * 512 bytes is the least that the specification allows; above 64 KiB a block would not fit a
 * transfer.
 */
static inline bool nvme_lba_size_ok(uint32_t size)
{
	return size >= 512 && size <= 65536 && !(size & (size - 1));
}

struct nvme_facts {
	struct udrv_pci_id id;
	uint64_t cap;
	uint32_t vs;
	uint32_t cc;
	uint32_t aqa;
	uint64_t asq;
	uint64_t acq;

	uint16_t vid, ssvid, cntlid;
	char sn[21], mn[41], fr[9];
	uint16_t oncs;
	uint8_t vwc;
	uint8_t acl;
	uint32_t oaes;
	uint32_t rtd3e;

	uint32_t max_transfer;
	uint32_t io_queues;
	uint32_t depth;
	uint32_t sq_entries;
	uint32_t cq_entries;
	uint32_t vectors; /* 0: polling */

	uint32_t nn;
	struct udrv_nvme_ns_info ns[UDRV_NVME_MAX_NS];
};

/* Write /nvme anew and commit. 0; -ENOSPC: the tree is full; -errno of udrv_state_commit(). */
int nvme_facts_write(struct udrv_state *st, const struct nvme_facts *facts);
/* What nvme_facts_write() would say, as far as room is concerned; nothing is committed. */
int nvme_facts_try(struct udrv_state *st, const struct nvme_facts *facts);

/*
 * Read and check /nvme. 0; -ENOENT: no such node; -EBADMSG: a property is
 * missing, or out of bounds.
 */
int nvme_facts_read(const struct udrv_state *st, struct nvme_facts *facts);

#endif
