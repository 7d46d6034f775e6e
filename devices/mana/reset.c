// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whether the adapter has to be reset, and when: at once, but a device that keeps asking for it is
 * made to wait, twice as long each time.
 */
#include <errno.h>

#include "devices/mana/adapter.h"

#define WAIT_MIN_NS 1000000000ull
#define WAIT_MAX_NS 60000000000ull

int udrv_mana_reset(struct udrv_mana *mana)
{
	int err;

	if (udrv_state_updating(mana->st))
		return -EAGAIN;
	mana_fail(mana);
	udrv_store64(&mana->state->resets, udrv_load64(&mana->state->resets) + 1);
	err = mana_setup(mana, true);
	if (err) {
		mana_fail(mana);
		return err;
	}
	mana_info(mana, "the adapter was reset and set up again");
	return 0;
}

/*
 * A predecessor's request has its time from the first tick on: a blackout
 * does not look like a hang.
 */
static bool inherited_overdue(struct udrv_mana *mana, uint64_t now_ns)
{
	struct mana_hwc *hwc = &mana->hwc;

	if (!mana_hwc_pending(mana)) {
		hwc->inherited_since_ns = 0;
		return false;
	}
	if (!hwc->inherited_since_ns)
		hwc->inherited_since_ns = now_ns ? now_ns : 1;
	if (now_ns - hwc->inherited_since_ns < mana->timeout_ns)
		return false;
	mana_count(&mana->state->hwc_timeouts, 1);
	return true;
}

static const char *reason(struct udrv_mana *mana, uint64_t now_ns)
{
	if (mana->failed)
		return "it had failed";
	if (mana->hwc.failed)
		return "its hardware channel has failed";
	if (udrv_load32(&mana->state->reset_wanted))
		return "it asks for it";
	if (inherited_overdue(mana, now_ns))
		return "a request of a predecessor is not answered";
	for (unsigned int i = 0; i < mana->nqueues; i++) {
		if (__atomic_load_n(&mana->queues[i].failed, __ATOMIC_RELAXED))
			return "a queue has failed";
	}
	return NULL;
}

static int reset(struct udrv_mana *mana, uint64_t now_ns, const char *why)
{
	int err;

	if (mana->reset_wait_ns && now_ns - mana->last_reset_ns < mana->reset_wait_ns)
		return -EIO;
	/* Quiet for long: the next trouble is a new one. */
	if (now_ns - mana->last_reset_ns > 2 * WAIT_MAX_NS)
		mana->reset_wait_ns = 0;
	mana->reset_wait_ns = mana->reset_wait_ns ? 2 * mana->reset_wait_ns : WAIT_MIN_NS;
	if (mana->reset_wait_ns > WAIT_MAX_NS)
		mana->reset_wait_ns = WAIT_MAX_NS;
	mana->last_reset_ns = now_ns;
	mana_warn(mana, "resetting the adapter: %s", why);
	err = udrv_mana_reset(mana);
	return err ? err : 1;
}

int udrv_mana_tick(struct udrv_mana *mana, uint64_t now_ns)
{
	const char *why;

	if (udrv_state_updating(mana->st)) {
		mana->hwc.inherited_since_ns = 0;
		return 0;
	}
	if (mana_regs_alive(mana)) {
		if (!mana->failed)
			mana_err(mana, "registers read all ones: the device is gone");
		mana_fail(mana);
		return -ENODEV;
	}
	if (!mana->failed) {
		mana_hwc_service(mana);
		mana_irq_missed(mana);
	}
	why = reason(mana, now_ns);
	if (!why && udrv_load32(&mana->state->steer_unsure) && !mana_hwc_pending(mana) &&
	    mana_steer_again(mana))
		why = reason(mana, now_ns);
	return why ? reset(mana, now_ns, why) : 0;
}
