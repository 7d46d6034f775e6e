// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <inttypes.h>

#include "devices/mana/adapter.h"

int mana_regs_alive(struct udrv_mana *mana)
{
	if (udrv_bar_read32(&mana->bar, GDMA_REG_DB_PAGE_SIZE) != UINT32_MAX)
		return 0;
	return -ENODEV;
}

int mana_regs_map(struct udrv_mana *mana)
{
	struct mana_facts *facts = &mana->facts;
	int err;

	err = udrv_device_bar(mana->dev, 0, GDMA_REG_SHM_SIZE + 4, &mana->bar);
	if (err) {
		mana_err(mana, "BAR 0 cannot be used as GDMA registers (error %d)", err);
		return err;
	}
	if (mana_regs_alive(mana)) {
		mana_err(mana, "registers read all ones: the device is gone");
		return -ENODEV;
	}
	facts->db_zone = udrv_bar_read64(&mana->bar, GDMA_REG_DB_PAGE_OFFSET);
	facts->db_page_size = GDMA_DB_PAGE_SIZE(udrv_bar_read32(&mana->bar, GDMA_REG_DB_PAGE_SIZE));
	facts->smc_off = udrv_bar_read64(&mana->bar, GDMA_REG_SHM_OFFSET);

	if (facts->db_page_size < GDMA_DB_PAGE_SIZE_MIN || facts->db_zone >= mana->bar.size ||
	    facts->db_zone & 7 || facts->db_page_size & 7) {
		mana_err(mana,
			 "doorbell pages of %u bytes at %#" PRIx64 " are not in BAR 0 of %#" PRIx64
			 " bytes",
			 facts->db_page_size, facts->db_zone, mana->bar.size);
		return -EPROTO;
	}
	if (facts->smc_off & 3 || facts->smc_off > mana->bar.size ||
	    mana->bar.size - facts->smc_off < GDMA_SMC_SIZE) {
		mana_err(mana,
			 "the shared memory channel at %#" PRIx64 " is not in BAR 0 of %#" PRIx64
			 " bytes",
			 facts->smc_off, mana->bar.size);
		return -EPROTO;
	}
	return 0;
}

int mana_regs_doorbell(struct udrv_mana *mana, uint32_t db, uint64_t *ret)
{
	const struct mana_facts *facts = &mana->facts;
	uint64_t off = facts->db_zone + (uint64_t)db * facts->db_page_size;

	if (off > mana->bar.size || mana->bar.size - off < facts->db_page_size) {
		mana_err(mana,
			 "doorbell page %u at %#" PRIx64 " is not in BAR 0 of %#" PRIx64 " bytes",
			 db, off, mana->bar.size);
		return -EPROTO;
	}
	*ret = off;
	return 0;
}
