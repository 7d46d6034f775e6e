// SPDX-License-Identifier: BSD-2-Clause
/*
 * Controller properties: the only places that write CC, AQA, ASQ and ACQ. A resume calls none of
 * them but nvme_regs_map() and nvme_regs_alive().
 */
#include <errno.h>
#include <inttypes.h>

#include "devices/common/stop_dma.h"
#include "devices/nvme/ctrl.h"

#define NSEC_PER_MSEC 1000000ull
/* CAP.TO says 127.5 s at most, CRTO nine hours: whoever waits for that answers nobody meanwhile. */
#define READY_UNITS_MAX 600u

int nvme_regs_map(struct udrv_nvme *ctrl, unsigned int io_queues)
{
	uint64_t size = NVME_REG_DOORBELLS + 8;
	int err;

	err = udrv_device_bar(ctrl->dev, 0, size, &ctrl->bar);
	if (err) {
		nvme_err(ctrl, "BAR 0 cannot be used as NVMe registers (error %d)", err);
		return err;
	}
	ctrl->facts.cap = udrv_bar_read64(&ctrl->bar, NVME_REG_CAP);
	ctrl->facts.vs = udrv_bar_read32(&ctrl->bar, NVME_REG_VS);
	if (ctrl->facts.cap == UINT64_MAX) {
		nvme_err(ctrl, "registers read all ones: the device is gone");
		return -ENODEV;
	}
	size = nvme_cq_doorbell(ctrl->facts.cap, io_queues) + 4;
	err = udrv_device_bar(ctrl->dev, 0, size, &ctrl->bar);
	if (err)
		nvme_err(ctrl,
			 "BAR 0 has no room for the doorbells of %u I/O queues (error %d): ask for fewer",
			 io_queues, err);
	return err;
}

static uint64_t ready_timeout_ns(const struct udrv_nvme *ctrl)
{
	uint64_t cap = ctrl->facts.cap;
	uint32_t units = NVME_CAP_TO(cap);

	if (NVME_CAP_CRMS_CRWMS(cap)) {
		uint32_t crwmt = NVME_CRTO_CRWMT(udrv_bar_read32(&ctrl->bar, NVME_REG_CRTO));

		if (crwmt > units)
			units = crwmt < READY_UNITS_MAX ? crwmt : READY_UNITS_MAX;
	}
	return (units ? units : 1) * 500 * NSEC_PER_MSEC;
}

/*
 * Wait until CSTS & @mask is @want. -ETIMEDOUT, -ENODEV; -EIO when CFS comes up and @cfs says that
 * it matters.
 */
static int wait_csts(struct udrv_nvme *ctrl, uint32_t mask, uint32_t want, uint64_t timeout_ns,
		     bool cfs)
{
	uint64_t begin = wait_now_ns();

	for (;;) {
		uint64_t waited = wait_now_ns() - begin;
		uint32_t csts = udrv_bar_read32(&ctrl->bar, NVME_REG_CSTS);

		if (csts == UINT32_MAX)
			return -ENODEV;
		if ((csts & mask) == want)
			return 0;
		if (cfs && (csts & NVME_CSTS_CFS))
			return -EIO;
		if (waited > timeout_ns)
			return -ETIMEDOUT;
		wait_relax(waited);
	}
}

static int disable(struct udrv_nvme *ctrl, uint32_t cc)
{
	if (cc & NVME_CC_EN)
		udrv_bar_write32(&ctrl->bar, NVME_REG_CC, cc & ~(NVME_CC_EN | NVME_CC_SHN_MASK));
	return wait_csts(ctrl, NVME_CSTS_RDY, 0, ready_timeout_ns(ctrl), false);
}

static int not_disabled(struct udrv_nvme *ctrl, int err)
{
	stop_dma(ctrl->dev, ctrl->log, "controller", err);
	return err == -ENODEV ? err : -ETIMEDOUT;
}

int nvme_regs_disable(struct udrv_nvme *ctrl)
{
	uint32_t csts = udrv_bar_read32(&ctrl->bar, NVME_REG_CSTS);
	uint32_t cc = udrv_bar_read32(&ctrl->bar, NVME_REG_CC);
	int err;

	if (csts == UINT32_MAX) {
		nvme_err(ctrl, "CSTS reads all ones: the device is gone");
		return -ENODEV;
	}
	/* CC.EN must not be cleared before an enable has come to its end (Base 2.0, figure 46). */
	if ((cc & NVME_CC_EN) && !(csts & (NVME_CSTS_RDY | NVME_CSTS_CFS)))
		wait_csts(ctrl, NVME_CSTS_RDY, NVME_CSTS_RDY, ready_timeout_ns(ctrl), true);

	err = disable(ctrl, cc);
	if (err != -ETIMEDOUT)
		return err ? not_disabled(ctrl, err) : 0;

	nvme_warn(ctrl, "CSTS.RDY stayed 1 after CC.EN=0: trying a function-level reset");
	err = udrv_device_reset(ctrl->dev);
	if (!err)
		err = disable(ctrl, udrv_bar_read32(&ctrl->bar, NVME_REG_CC));
	return err ? not_disabled(ctrl, err) : 0;
}

int nvme_regs_enable(struct udrv_nvme *ctrl)
{
	struct nvme_facts *facts = &ctrl->facts;
	const struct udrv_bar *bar = &ctrl->bar;
	int err;

	facts->aqa = (NVME_ADMIN_ENTRIES - 1) << 16 | (NVME_ADMIN_ENTRIES - 1);
	facts->asq = udrv_dma_addr(ctrl->dma, udrv_load64(&ctrl->admin.st->rings_off));
	facts->acq = udrv_dma_addr(ctrl->dma, udrv_load64(&ctrl->admin.st->rings_off) +
						      nvme_sq_bytes(NVME_ADMIN_ENTRIES));
	/* NVM command set, 4 KiB pages, round robin. */
	facts->cc = NVME_CC_EN | NVME_CC_IOSQES(NVME_SQE_SHIFT) | NVME_CC_IOCQES(NVME_CQE_SHIFT);

	udrv_bar_write32(bar, NVME_REG_AQA, facts->aqa);
	udrv_bar_write64(bar, NVME_REG_ASQ, facts->asq);
	udrv_bar_write64(bar, NVME_REG_ACQ, facts->acq);
	udrv_bar_write32(bar, NVME_REG_CC, facts->cc);

	err = wait_csts(ctrl, NVME_CSTS_RDY, NVME_CSTS_RDY, ready_timeout_ns(ctrl), true);
	if (err == -ETIMEDOUT)
		nvme_err(ctrl, "CSTS.RDY did not follow CC.EN=1 within CAP.TO, or CRTO.CRWMT");
	else if (err == -EIO)
		nvme_err(ctrl, "CSTS.CFS came up while the controller was being enabled");
	else if (err)
		nvme_err(ctrl, "CSTS reads all ones: the device is gone");
	return err;
}

int nvme_regs_shutdown(struct udrv_nvme *ctrl)
{
	/* RTD3E is how long a shutdown may take; controllers that do not say get five seconds. */
	uint64_t timeout = ctrl->facts.rtd3e * 1000ull;

	if (timeout < 5000 * NSEC_PER_MSEC)
		timeout = 5000 * NSEC_PER_MSEC;
	udrv_bar_write32(&ctrl->bar, NVME_REG_CC, ctrl->facts.cc | NVME_CC_SHN_NORMAL);
	return wait_csts(ctrl, 3u << 2, NVME_CSTS_SHST_COMPLETE << 2, timeout, true);
}

int nvme_regs_alive(struct udrv_nvme *ctrl)
{
	uint32_t csts = udrv_bar_read32(&ctrl->bar, NVME_REG_CSTS);

	if (csts == UINT32_MAX)
		return -ENODEV;
	return csts & NVME_CSTS_CFS ? -EIO : 0;
}
