/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cold facts about an adapter: what the set-up found out or decided. They are in the state's tree,
 * node /mana, so that a successor asks the device nothing.
 */
#ifndef DEVICES_MANA_FACTS_H
#define DEVICES_MANA_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include <udrv/device.h>
#include <udrv/mana.h>

struct udrv_state;

/*
 * A protection domain with its memory key and doorbell page: the hardware channel has one, REGISTER
 * gives another.
 */
struct mana_domain {
	uint32_t pdid;
	uint32_t mkey;
	uint32_t db;
};

struct mana_vport_facts {
	uint64_t handle;
	uint8_t mac[6];
	uint32_t tx_offset;
	bool short_form;
	uint32_t mtu;
	uint32_t speed_mbps;
	struct udrv_mana_rss rss;
};

struct mana_facts {
	struct udrv_pci_id id;
	uint64_t db_zone;
	uint32_t db_page_size;
	uint64_t smc_off;

	/* hardware channel */
	uint32_t hwc_eq, hwc_cq, hwc_rq, hwc_sq;
	uint32_t hwc_slots;
	struct mana_domain hwc;
	uint64_t hwc_off; /* pool offset of its pages */

	/* the network device */
	uint32_t instance;
	struct mana_domain mana;
	uint32_t adapter_mtu; /* without the Ethernet header */

	/* geometry */
	uint32_t vports;
	uint32_t queues; /* a vport */
	uint32_t tx_slots;
	uint32_t rx_depth;
	uint32_t rx_buf_size;
	uint32_t max_mtu;
	uint32_t vectors; /* 0: polling */

	struct mana_vport_facts vport[UDRV_MANA_MAX_VPORTS];
};

/* Write /mana anew and commit. 0; -ENOSPC: the tree is full; -errno of udrv_state_commit(). */
int mana_facts_write(struct udrv_state *st, const struct mana_facts *facts);

/*
 * Read and check /mana. 0; -ENOENT: no such node; -EBADMSG: a property is
 * missing, or out of bounds.
 */
int mana_facts_read(const struct udrv_state *st, struct mana_facts *facts);

#endif
