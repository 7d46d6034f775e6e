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

/* What is read is kept only if it is sound: a stop that follows still goes by what there was. */
int mana_regs_map(struct udrv_mana *mana)
{
	struct mana_facts *facts = &mana->facts;
	uint64_t db_zone, smc_off;
	uint32_t db_page_size;
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
	db_zone = udrv_bar_read64(&mana->bar, GDMA_REG_DB_PAGE_OFFSET);
	db_page_size = GDMA_DB_PAGE_SIZE(udrv_bar_read32(&mana->bar, GDMA_REG_DB_PAGE_SIZE));
	smc_off = udrv_bar_read64(&mana->bar, GDMA_REG_SHM_OFFSET);

	if (db_page_size < GDMA_DB_PAGE_SIZE_MIN || db_zone >= mana->bar.size || db_zone & 7 ||
	    db_page_size & 7) {
		mana_err(mana,
			 "doorbell pages of %u bytes at %#" PRIx64 " are not in BAR 0 of %#" PRIx64
			 " bytes",
			 db_page_size, db_zone, mana->bar.size);
		return -EPROTO;
	}
	if (smc_off & 3 || smc_off > mana->bar.size || mana->bar.size - smc_off < GDMA_SMC_SIZE) {
		mana_err(mana,
			 "the shared memory channel at %#" PRIx64 " is not in BAR 0 of %#" PRIx64
			 " bytes",
			 smc_off, mana->bar.size);
		return -EPROTO;
	}
	facts->db_zone = db_zone;
	facts->db_page_size = db_page_size;
	facts->smc_off = smc_off;
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
