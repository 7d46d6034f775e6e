// SPDX-License-Identifier: BSD-2-Clause
/* BAR 0: registers and the shared memory channel. */
#include "tests/model/mana/internal.h"

/* Micro 1, minor 0, major 1 */
#define VERSION 0x01000001u

static uint64_t mask(unsigned int width)
{
	return width >= 8 ? UINT64_MAX : (1ull << width * 8) - 1;
}

static uint32_t dword(struct mana_model *m, uint64_t off)
{
	switch (off) {
	case GDMA_REG_VERSION:
		return VERSION;
	case GDMA_REG_DB_PAGE_OFFSET:
		return DB_OFFSET;
	case GDMA_REG_DB_PAGE_SIZE:
		/* The upper half belongs to something else. */
		return 0xabcd0000u | GDMA_PAGE_SIZE;
	case GDMA_REG_SHM_OFFSET:
		return SMC_OFFSET;
	case GDMA_REG_SHM_SIZE:
		return GDMA_SMC_SIZE;
	}
	if (off < SMC_OFFSET || off >= SMC_OFFSET + GDMA_SMC_SIZE)
		return 0;
	if (off == SMC_OFFSET + GDMA_SMC_LAST * 4)
		smc_run(m);
	return m->smc.dword[(off - SMC_OFFSET) / 4];
}

uint64_t mana_model_bar_read(struct mana_model *m, uint64_t off, unsigned int width)
{
	uint64_t lo, hi;

	if (m->removed)
		return mask(width);
	if (off >= MANA_MODEL_BAR0_SIZE || width > 8)
		return 0;
	lo = dword(m, off & ~3ull);
	hi = width + (off & 3) > 4 ? dword(m, (off & ~3ull) + 4) : 0;
	return (hi << 32 | lo) >> (off & 3) * 8 & mask(width);
}

static void smc_write(struct mana_model *m, uint64_t off, uint32_t val, unsigned int width)
{
	unsigned int i = (unsigned int)(off - SMC_OFFSET) / 4;

	if (width != 4 || off & 3) {
		model_violation(m, "shared memory channel: write of %u bytes at %#llx", width,
				(unsigned long long)off);
		return;
	}
	model_setup(m, "shared memory channel written");
	if (m->smc.dword[GDMA_SMC_LAST] & GDMA_SMC_OWNER_PF) {
		model_violation(m,
				"shared memory channel: dword %u written while the device owns it",
				i);
		return;
	}
	m->smc.dword[i] = val;
	if (i == GDMA_SMC_LAST) {
		m->smc.dword[i] |= GDMA_SMC_OWNER_PF;
		m->smc.request = true;
	}
}

void mana_model_bar_write(struct mana_model *m, uint64_t off, uint64_t val, unsigned int width)
{
	if (m->removed || off >= MANA_MODEL_BAR0_SIZE)
		return;
	if (off >= DB_OFFSET)
		doorbell(m, off - DB_OFFSET, val, width);
	else if (off >= SMC_OFFSET && off < SMC_OFFSET + GDMA_SMC_SIZE)
		smc_write(m, off, (uint32_t)val, width);
	else
		model_violation(m, "register %#llx written, which is read-only",
				(unsigned long long)off);
}

static uint8_t smc_request(struct mana_model *m, uint32_t hdr)
{
	unsigned int type = GDMA_SMC_TYPE(hdr), version = GDMA_SMC_VERSION(hdr);
	struct gdma_smc_establish req;

	if (hdr & GDMA_SMC_RESET_VF)
		model_drop_all(m);
	if (type == GDMA_SMC_ESTABLISH_HWC && version == 0) {
		memcpy(&req, m->smc.dword, sizeof(req));
		if (le16toh(req.eq_msix) >= m->opts.vectors) {
			model_violation(m, "hardware channel: vector %u of %u",
					le16toh(req.eq_msix), m->opts.vectors);
			return STATUS_INVALID;
		}
		hwc_establish(m, &req);
		return 0;
	}
	if (type == GDMA_SMC_DESTROY_HWC && version == 0) {
		if (!m->hwc.live)
			model_violation(m, "hardware channel destroyed, which does not exist");
		m->counts.hwc_destroyed += m->hwc.live;
		model_drop_all(m);
		m->hwc.destroyed = true;
		return 0;
	}
	if (type == GDMA_SMC_REPORT_TIMEOUT && version <= 1) {
		model_log(m, "the driver reports a timeout of the hardware channel");
		return 0;
	}
	model_violation(m, "shared memory channel: request of type %u, version %u", type, version);
	return STATUS_INVALID;
}

void smc_run(struct mana_model *m)
{
	uint32_t hdr = m->smc.dword[GDMA_SMC_LAST] & ~GDMA_SMC_OWNER_PF;
	uint32_t status;

	if (!m->smc.request || m->removed || fault_take(m, FAULT_SMC_STUCK, 0))
		return;
	m->smc.request = false;
	if (fault_take(m, FAULT_SMC_STATUS, 0))
		status = m->fault[FAULT_SMC_STATUS].arg[0] & 0xff;
	else
		status = smc_request(m, hdr);
	m->smc.dword[GDMA_SMC_LAST] = (hdr & 0x3f) | GDMA_SMC_RESPONSE |
				      status << GDMA_SMC_STATUS_SHIFT;
}
