// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a user sets for a device: taken whole or not at all, told to PID 1 at once, and found again
 * by the agents to come; the handle in custody has no part in it.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/suite.h"
#include "udrv/agent/agent.h"
#include "udrv/common/app.h"
#include "udrv/common/json.h"

#define BDF "0000:01:00.0"

static struct agent agent;
static struct agent_device *dev;
static int custody; /* the directory, as PID 1 has it; -1: not told yet */
static bool updating;
static char why[192];

/* What is around policy.c. */

struct agent_device *agent_find(struct agent *a, const char *name)
{
	return a->ndev && !strcmp(a->dev[0].h.name, name) ? &a->dev[0] : NULL;
}

/* What systemd's store has by a name it lets go of before it takes it again. */
void custody_put_handle(struct agent *a, const struct udrv_handle *h)
{
	(void)a;
	ck_abort_msg("the handle of %s is put into custody once more", h->name);
}

int custody_drop(struct agent *a, const char *name)
{
	(void)a;
	ck_abort_msg("%s is taken out of custody", name);
	return 0;
}

void custody_put_fd(struct agent *a, const char *name, int fd)
{
	(void)a;
	ck_assert_str_eq(name, "directory");
	if (custody >= 0)
		close(custody);
	custody = dup(fd);
	ck_assert_int_ge(custody, 0);
}

int luo_retrieve(int session, uint64_t token)
{
	(void)session;
	(void)token;
	return -ENOENT;
}

const int *rescue_find(const struct agent *a, const char *name)
{
	(void)a;
	(void)name;
	return NULL;
}

void rescue_put(struct agent *a, const char *name, unsigned int i, int fd)
{
	(void)a;
	(void)name;
	(void)i;
	(void)fd;
	ck_abort_msg("there is no memory of consumers");
}

const char *device_state_name(enum agent_state s)
{
	(void)s;
	return "";
}

bool update_active(void)
{
	return updating;
}

static void begin(const char *bdf)
{
	free(agent.fdt);
	memset(&agent, 0, sizeof(agent));
	agent.incoming = agent.directory = -1;
	agent.ndev = 1;
	dev = &agent.dev[0];
	dev->h = (struct udrv_handle)UDRV_HANDLE_INIT;
	strcpy(dev->h.name, "nvme0");
	strcpy(dev->h.bdf, bdf);
	strcpy(dev->h.driver, "nvme");
	dev->state = DEV_RUNNING;
	dev->backoff.limit = 20;
	dev->backoff.max_ns = 5000000000ull;
}

static void setup(void)
{
	agent.fdt = NULL;
	begin(BDF);
	dev->h.fd[UDRV_FD_VFIO] = 0;
	agent.directory = directory_write(&agent, NULL, NULL, 0, NULL);
	ck_assert_int_ge(agent.directory, 0);
	ck_assert_int_eq(directory_read(agent.directory, &agent.fdt), 0);
	custody = -1;
	updating = false;
	why[0] = '\0';
}

static void teardown(void)
{
	free(agent.fdt);
	agent.fdt = NULL;
}

static int set(const char *text)
{
	struct json_object *req = json_tokener_parse(text);
	int err;

	ck_assert_ptr_nonnull(req);
	err = policy_set(&agent, dev, req, why, sizeof(why));
	json_object_put(req);
	return err;
}

/* Another agent, which knows what PID 1 has. */
static void next_agent(const char *bdf)
{
	begin(bdf);
	agent.directory = dup(custody);
	ck_assert_int_eq(directory_read(agent.directory, &agent.fdt), 0);
	policy_restore(&agent);
}

START_TEST(it_outlives_agents)
{
	ck_assert_int_eq(set("{\"policy\":\"reset\",\"restart_limit\":3,\"restart_max_ms\":700}"),
			 0);
	ck_assert_int_ge(custody, 0);
	next_agent(BDF);
	ck_assert_int_eq(dev->h.policy, UDRV_RESET);
	ck_assert_uint_eq(dev->backoff.limit, 3);
	ck_assert_uint_eq(dev->backoff.max_ns, 700000000);
	/* The rest stays as it was. */
	ck_assert_int_eq(set("{\"restart_limit\":0}"), 0);
	next_agent(BDF);
	ck_assert_int_eq(dev->h.policy, UDRV_RESET);
	ck_assert_uint_eq(dev->backoff.limit, 0);
	ck_assert_uint_eq(dev->backoff.max_ns, 700000000);
}
END_TEST

START_TEST(of_another_device)
{
	ck_assert_int_eq(set("{\"policy\":\"reset\",\"restart_limit\":3}"), 0);
	next_agent("0000:02:00.0");
	ck_assert_int_eq(dev->h.policy, UDRV_KEEP);
	ck_assert_uint_eq(dev->backoff.limit, 20);
}
END_TEST

static const struct {
	const char *request, *says;
} refused[] = {
	{ "{\"policy\":\"burn\",\"restart_limit\":3}", "keep, reset or detach" },
	{ "{\"policy\":\"reset\",\"restart_limit\":-1}", "restart_limit: a number" },
	{ "{\"policy\":\"reset\",\"restart_limit\":1000001}", "restart_limit: a number" },
	{ "{\"policy\":\"reset\",\"restart_max_ms\":\"7\"}", "restart_max_ms: a number" },
	{ "{\"policy\":\"reset\",\"restart_limit\":3,\"restart_max_ms\":3600001}",
	  "restart_max_ms: a number" },
};

START_TEST(all_or_nothing)
{
	ck_assert_int_eq(set(refused[_i].request), -EINVAL);
	ck_assert_msg(strstr(why, refused[_i].says), "it says: %s", why);
	ck_assert_int_eq(dev->h.policy, UDRV_KEEP);
	ck_assert_uint_eq(dev->backoff.limit, 20);
	ck_assert_uint_eq(dev->backoff.max_ns, 5000000000ull);
	ck_assert_int_lt(custody, 0);
}
END_TEST

START_TEST(not_in_an_update)
{
	updating = true;
	ck_assert_int_eq(set("{\"policy\":\"reset\"}"), -EBUSY);
	ck_assert_int_eq(dev->h.policy, UDRV_KEEP);
	ck_assert_int_lt(custody, 0);
}
END_TEST

/* A detached device begins anew once it is wanted again. */
START_TEST(wanted_again)
{
	dev->state = DEV_DETACHED;
	ck_assert_int_eq(set("{\"policy\":\"detach\"}"), 0);
	ck_assert_int_eq(dev->state, DEV_DETACHED);
	ck_assert_int_eq(set("{\"policy\":\"keep\"}"), 0);
	ck_assert_int_eq(dev->state, DEV_PENDING);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("policy");
	TCase *tc = suite_case(suite, "policy", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, it_outlives_agents);
	tcase_add_test(tc, of_another_device);
	tcase_add_loop_test(tc, all_or_nothing, 0, sizeof(refused) / sizeof(refused[0]));
	tcase_add_test(tc, not_in_an_update);
	tcase_add_test(tc, wanted_again);
	return suite_run(suite);
}
