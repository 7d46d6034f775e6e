// SPDX-License-Identifier: BSD-2-Clause
/*
 * The shared memory channel: eight dwords of BAR 0, the last of which is the header. Writing that
 * hands the channel to the device, until it clears the owner bit again.
 */
#include <errno.h>

#include "devices/mana/adapter.h"

#define OWNED_TIMEOUT_NS 30000000000ull

static uint64_t header_off(const struct udrv_mana *mana)
{
	return mana->facts.smc_off + 4 * GDMA_SMC_LAST;
}

/* All ones look like the device's, too. */
static int wait_owned(struct udrv_mana *mana, uint32_t *ret)
{
	uint64_t begin = wait_now_ns();

	for (;;) {
		uint64_t waited = wait_now_ns() - begin;
		uint32_t header = udrv_bar_read32(&mana->bar, header_off(mana));

		if (!(header & GDMA_SMC_OWNER_PF)) {
			*ret = header;
			return 0;
		}
		if (mana_regs_alive(mana))
			return -ENODEV;
		if (waited > OWNED_TIMEOUT_NS || waited > mana->timeout_ns)
			return -ETIMEDOUT;
		wait_relax(waited);
	}
}

static int answer(struct udrv_mana *mana, uint32_t type, const char *what)
{
	uint32_t header;
	int err;

	err = wait_owned(mana, &header);
	if (err) {
		mana_err(mana, "%s was not answered on the shared memory channel (%s)", what,
			 err == -ENODEV ? "the device is gone" : "timeout");
		return err;
	}
	if (GDMA_SMC_TYPE(header) != type || !(header & GDMA_SMC_RESPONSE) ||
	    GDMA_SMC_VERSION(header)) {
		mana_err(mana,
			 "%s: the answer on the shared memory channel makes no sense (header %#x)",
			 what, header);
		return -EPROTO;
	}
	if (GDMA_SMC_STATUS(header)) {
		mana_err(mana, "%s was refused with status %#x", what, GDMA_SMC_STATUS(header));
		return -EIO;
	}
	return 0;
}

static int begin(struct udrv_mana *mana, const char *what)
{
	uint32_t header;
	int err = wait_owned(mana, &header);

	if (err)
		mana_err(mana, "%s: the shared memory channel is the device's and stays so (%s)",
			 what, err == -ENODEV ? "it is gone" : "timeout");
	return err;
}

static void put_pfn(uint8_t dst[6], uint64_t pfn)
{
	for (int i = 0; i < 6; i++)
		dst[i] = pfn >> 8 * i;
}

int mana_smc_establish(struct udrv_mana *mana, const uint64_t addr[4], uint32_t vector)
{
	struct gdma_smc_establish msg = {
		.eq_msix = htole16(vector),
		.header = htole32(GDMA_SMC_ESTABLISH_HWC),
	};
	uint32_t dword[GDMA_SMC_DWORDS];
	uint16_t high = 0;
	int err;

	err = begin(mana, "establishing the hardware channel");
	if (err)
		return err;
	put_pfn(msg.eq_pfn, addr[MANA_HWC_EQ_PAGE] >> GDMA_PAGE_SHIFT);
	put_pfn(msg.cq_pfn, addr[MANA_HWC_CQ_PAGE] >> GDMA_PAGE_SHIFT);
	put_pfn(msg.rq_pfn, addr[MANA_HWC_RQ_PAGE] >> GDMA_PAGE_SHIFT);
	put_pfn(msg.sq_pfn, addr[MANA_HWC_SQ_PAGE] >> GDMA_PAGE_SHIFT);
	for (int i = 0; i < 4; i++)
		high |= (addr[i] >> GDMA_PAGE_SHIFT >> 48 & 0xf) << 4 * i;
	msg.pfn_high = htole16(high);

	memcpy(dword, &msg, sizeof(dword));
	for (unsigned int i = 0; i < GDMA_SMC_DWORDS; i++)
		udrv_bar_write32(&mana->bar, mana->facts.smc_off + 4 * i, le32toh(dword[i]));
	return answer(mana, GDMA_SMC_ESTABLISH_HWC, "establishing the hardware channel");
}

int mana_smc_destroy(struct udrv_mana *mana)
{
	int err;

	err = begin(mana, "destroying the hardware channel");
	if (err)
		return err;
	udrv_bar_write32(&mana->bar, header_off(mana), GDMA_SMC_DESTROY_HWC);
	return answer(mana, GDMA_SMC_DESTROY_HWC, "destroying the hardware channel");
}
