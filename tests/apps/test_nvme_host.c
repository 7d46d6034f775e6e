// SPDX-License-Identifier: BSD-2-Clause
/* An NVMe controller's host: what it makes of a controller that fails. */
#include <check.h>
#include <errno.h>

#include "tests/unit/nvme_one.h"
#include "tests/unit/suite.h"
#include "udrv/host/driver.h"
#include "udrv/host/host.h"
#include "udrv/host/nvme.h"
#include "udrv/host/verify.h"

static struct host h;
static unsigned int lost;

/* ---- What the rest of the host does ---------------------------------------------------------- */

const struct consumer_ops verify_consumer;

int config_nvme(struct udrv_nvme_opts *ret)
{
	*ret = fx.opts;
	return 0;
}

void host_first_completion(struct host *host)
{
	(void)host;
}

void host_issue(struct host *host)
{
	(void)host;
}

int host_reset(struct host *host)
{
	return host->driver->reset(host);
}

void verify_done(struct host *host, unsigned int qi, const struct udrv_nvme_done *done)
{
	lost += done->status == UDRV_NVME_LOST;
	udrv_nvme_release(udrv_nvme_queue(host->nvme, qi), done->slot);
}

void nvme_status(struct host *host, struct json_object *o)
{
	(void)host;
	(void)o;
}

int nvme_command(struct host *host, const char *command, struct json_object *req, int sock,
		 uint32_t id)
{
	(void)host;
	(void)command;
	(void)req;
	(void)sock;
	(void)id;
	return -EOPNOTSUPP;
}

/* ---- A controller that is gone for a while --------------------------------------------------- */

static uint64_t resets(void)
{
	static struct udrv_nvme_snapshot s;

	ck_assert_int_eq(udrv_nvme_inspect(fx.fd.st, &s), 0);
	return s.resets;
}

/* A host that polls comes round as often as it can: that is not how often a reset is tried. */
START_TEST(polling_does_not_reset)
{
	uint64_t before;

	one_init_default();
	nvme_fixture_start(&fx);
	h = (struct host){ .dev = fx.fd.dev, .nvme = fx.ctrl, .driver = &nvme_host_driver };
	lost = 0;
	one_hang(udrv_nvme_queue(fx.ctrl, 0), 2);
	nvme_model_faults(fx.m)->gone = true;
	ck_assert_int_eq(h.driver->tick(&h, 1), -ENODEV);
	before = resets();
	for (unsigned int i = 0; i < 100; i++)
		h.driver->deliver(&h);
	ck_assert_uint_eq(resets(), before);
	ck_assert_uint_eq(lost, 0);

	nvme_model_faults(fx.m)->gone = false;
	nvme_model_faults(fx.m)->hang = false;
	ck_assert_int_eq(h.driver->tick(&h, 2), 1);
	h.driver->deliver(&h);
	ck_assert_uint_eq(resets(), before + 1);
	ck_assert_uint_eq(lost, 2);
	one_read(0);
	nvme_fixture_end(&fx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nvme_host");
	TCase *tc = suite_case(suite, "nvme_host", 60);

	tcase_add_test(tc, polling_does_not_reset);
	return suite_run(suite);
}
