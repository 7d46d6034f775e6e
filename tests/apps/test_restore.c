// SPDX-License-Identifier: BSD-2-Clause
/*
 * An agent's beginning after a kexec, with everything around it played by the test: what is
 * missing, or cannot be adopted, makes one device start clean, keeps its consumers' memory, and is
 * nobody else's business.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <udrv/state.h>

#include "tests/unit/suite.h"
#include "udrv/agent/agent.h"
#include "udrv/common/app.h"
#include "udrv/common/json.h"

#define FDS 0x1du /* of a handle in a session: VFIO, state, DMA and a consumer's */

static struct agent agent;
static int directory;
static uint64_t missing;     /* token that cannot be retrieved; 0: none */
static const char *stranger; /* device that cannot be bound */
static unsigned int finished, hosts, given;
static struct agent_rescued kept;

/* PID 1's: one handle, and descriptors by their names. */
static struct udrv_handle kept_handle = UDRV_HANDLE_INIT;
static struct {
	char name[32];
	int fd;
} custody[8];
static unsigned int ncustody;

/* What is around restore.c. */

int luo_open(void)
{
	return 1000;
}

int luo_retrieve_session(int luo, const char *name)
{
	ck_assert_int_eq(luo, 1000);
	ck_assert_str_eq(name, SESSION_NAME);
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int luo_retrieve(int session, uint64_t token)
{
	(void)session;
	if (token == DIRECTORY_TOKEN)
		return dup(directory);
	if (token == missing)
		return -ENOENT;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int luo_finish(int session)
{
	(void)session;
	finished++;
	return 0;
}

int custody_session(struct agent *a)
{
	a->luo = luo_open();
	a->incoming = luo_retrieve_session(a->luo, SESSION_NAME);
	return 0;
}

int custody_get_all(struct agent *a, void (*handle)(struct agent *a, struct udrv_handle *h),
		    void (*fd)(struct agent *a, const char *name, int fd))
{
	struct udrv_handle h = kept_handle;

	for (unsigned int i = 0; i < UDRV_HANDLE_FDS; i++)
		h.fd[i] = h.fd[i] < 0 ? -1 : dup(h.fd[i]);
	if (h.name[0])
		handle(a, &h);
	for (unsigned int i = 0; i < ncustody; i++)
		fd(a, custody[i].name, dup(custody[i].fd));
	return 0;
}

void custody_put_handle(struct agent *a, const struct udrv_handle *h)
{
	(void)a;
	(void)h;
}

void custody_put_fd(struct agent *a, const char *name, int fd)
{
	unsigned int i = 0;

	(void)a;
	while (i < ncustody && strcmp(custody[i].name, name))
		i++;
	ck_assert_uint_lt(i, 8);
	if (i < ncustody)
		close(custody[i].fd);
	else
		strcpy(custody[ncustody++].name, name);
	custody[i].fd = dup(fd);
}

int custody_settle(struct agent *a)
{
	(void)a;
	return 0;
}

int custody_drop(struct agent *a, const char *name)
{
	(void)a;
	for (unsigned int i = 0; i < ncustody; i++) {
		if (strcmp(custody[i].name, name))
			continue;
		close(custody[i].fd);
		custody[i] = custody[--ncustody];
		return 0;
	}
	return -ENOENT;
}

int custody_ready(struct agent *a)
{
	(void)a;
	return 0;
}

struct agent_device *agent_find(struct agent *a, const char *name)
{
	for (unsigned int i = 0; i < a->ndev; i++)
		if (!strcmp(a->dev[i].h.name, name))
			return &a->dev[i];
	return NULL;
}

struct agent_device *agent_add(struct agent *a, const char *name)
{
	struct agent_device *d = &a->dev[a->ndev++];

	*d = (struct agent_device){
		.h = UDRV_HANDLE_INIT, .sock = -1, .pidfd = -1, .pid = -1, .program = -1
	};
	strcpy(d->h.name, name);
	return d;
}

void device_start_host(struct agent *a, struct agent_device *d)
{
	(void)a;
	d->state = DEV_STARTING;
	hosts++;
}

void device_watch_host(struct agent *a, struct agent_device *d)
{
	(void)a;
	ck_assert_int_eq(d->state, DEV_STARTING);
	ck_assert_msg(d->pidfd < 0, "it is watched already");
	d->pidfd = 2000;
}

void device_give_part(struct agent_device *d, unsigned int part)
{
	ck_assert_msg(!(part & HANDLE_IOMMU) || d->pidfd >= 0,
		      "the host of %s could use it, and end, and nobody would learn of it",
		      d->h.name);
}

void device_given(struct agent *a, struct agent_device *d)
{
	(void)a;
	ck_assert_int_ge(d->h.fd[UDRV_FD_VFIO], 0);
	given++;
}

void device_recall_host(struct agent *a, struct agent_device *d)
{
	(void)a;
	d->pidfd = -1;
}

void device_close_handle(struct agent *a, struct agent_device *d, bool rescue)
{
	(void)a;
	ck_assert(rescue);
	strcpy(kept.name, d->h.name);
	memcpy(kept.fd, d->h.fd + UDRV_FD_EXTRA, sizeof(kept.fd));
	for (int i = 0; i < UDRV_HANDLE_EXTRA; i++)
		d->h.fd[UDRV_FD_EXTRA + i] = -1;
	udrv_handle_close(&d->h);
}

void device_create(struct agent *a, struct agent_device *d)
{
	(void)a;
	ck_assert_msg(finished, "%s is opened while the session's devices are guarded", d->h.name);
	d->state = DEV_RUNNING;
	strcpy(d->start, d->fallback ? "fallback" : "started");
}

const char *device_state_name(enum agent_state s)
{
	(void)s;
	return "";
}

bool rescue_kept(struct agent *a, const char *name, int fd)
{
	(void)a;
	(void)name;
	(void)fd;
	return false;
}

const int *rescue_find(const struct agent *a, const char *name)
{
	(void)a;
	(void)name;
	return NULL;
}

void report_mark(const char *phase, const char *device)
{
	(void)phase;
	(void)device;
}

void report_settled(struct agent *a)
{
	(void)a;
}

bool update_active(void)
{
	return false;
}

int __wrap_udrv_handle_bind(struct udrv_handle *h, const struct udrv_log *log);
int __wrap_udrv_handle_attach(struct udrv_handle *h, const struct udrv_log *log);

int __wrap_udrv_handle_bind(struct udrv_handle *h, const struct udrv_log *log)
{
	(void)log;
	return stranger && !strcmp(h->name, stranger) ? -EBUSY : 0;
}

int __wrap_udrv_handle_attach(struct udrv_handle *h, const struct udrv_log *log)
{
	(void)h;
	(void)log;
	return 0;
}

/* A directory of three devices, as their agent in the old kernel left it. */
static void setup(void)
{
	static struct agent old;

	memset(&old, 0, sizeof(old));
	for (unsigned int i = 0; i < 3; i++) {
		struct agent_device *d =
			agent_add(&old, (const char *[]){ "nvme0", "nvme1", "nvme2" }[i]);

		snprintf(d->h.bdf, sizeof(d->h.bdf), "0000:0%u:00.0", i + 1);
		strcpy(d->h.driver, "nvme");
		for (unsigned int f = 0; f < UDRV_HANDLE_FDS; f++)
			d->h.fd[f] = FDS & 1u << f ? 0 : -1;
	}
	directory = directory_write(&old, "7.3.4-udrv1", NULL, 0, NULL);
	ck_assert_int_ge(directory, 0);
	memset(&agent, 0, sizeof(agent));
	/* As udrv-init starts the first agent. */
	agent.first = true;
	agent.luo = agent.incoming = -1;
	agent.custody = agent.directory = -1;
	missing = 0;
	stranger = NULL;
	finished = hosts = given = 0;
	memset(&kept, 0, sizeof(kept));
	kept_handle.name[0] = '\0';
	ncustody = 0;
}

/*
 * Devices other than @victim are as if nothing had been; it starts clean once the session is over.
 */
static void check(const char *victim)
{
	ck_assert_int_eq(agent_restore(&agent), 0);
	ck_assert_uint_eq(agent.ndev, 3);
	/* Without its memory a host has nothing to begin with. */
	ck_assert_uint_eq(hosts, victim && missing && missing != directory_token(1) + UDRV_FD_VFIO ?
					 2 :
					 3);
	ck_assert_uint_eq(given, victim ? 2 : 3);
	for (unsigned int i = 0; i < 3; i++) {
		struct agent_device *d = &agent.dev[i];

		if (victim && !strcmp(d->h.name, victim)) {
			ck_assert_int_eq(d->state, DEV_PENDING);
			ck_assert(d->fallback);
			ck_assert_str_ne(d->error, "");
			for (unsigned int f = 0; f < UDRV_HANDLE_FDS; f++)
				ck_assert_int_eq(d->h.fd[f], -1);
			continue;
		}
		ck_assert_int_eq(d->state, DEV_STARTING);
		ck_assert_int_ge(d->h.fd[UDRV_FD_DMA], 0);
		/* Its host says that it runs. */
		d->state = DEV_RUNNING;
		strcpy(d->start, "resumed");
	}
	agent_progress(&agent);
	ck_assert_uint_eq(finished, 1);
	agent_progress(&agent);
	ck_assert(agent.ready);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_str_eq(agent.dev[i].start,
				 victim && !strcmp(agent.dev[i].h.name, victim) ? "fallback" :
										  "resumed");
}

START_TEST(nothing_is_wrong)
{
	check(NULL);
}
END_TEST

/* Each descriptor of the second device in turn. */
START_TEST(something_is_missing)
{
	missing = directory_token(1) + (uint64_t)_i;
	if (!(FDS & 1u << _i))
		return;
	check("nvme1");
	ck_assert_str_eq(kept.name, "nvme1");
	/* Memory of consumers that was there is kept for them. */
	if (_i < UDRV_FD_EXTRA)
		ck_assert_int_ge(kept.fd[0], 0);
}
END_TEST

START_TEST(it_is_bound_elsewhere)
{
	stranger = "nvme2";
	check("nvme2");
	ck_assert_int_ge(kept.fd[0], 0);
}
END_TEST

/* The next agent in this kernel, after the death of the one before. */
static struct agent_device *next_agent(void)
{
	free(agent.fdt);
	memset(&agent, 0, sizeof(agent));
	agent.luo = agent.incoming = -1;
	agent.custody = agent.directory = -1;
	ck_assert_int_eq(agent_restore(&agent), 0);
	/* The other two run: the session waits for none but the first. */
	for (unsigned int i = 0; i < agent.ndev; i++)
		if (strcmp(agent.dev[i].h.name, "nvme0"))
			agent.dev[i].state = DEV_RUNNING;
	ck_assert_ptr_nonnull(agent_find(&agent, "nvme0"));
	return agent_find(&agent, "nvme0");
}

static bool in_custody(const char *name)
{
	for (unsigned int i = 0; i < ncustody; i++)
		if (!strcmp(custody[i].name, name))
			return true;
	return false;
}

/* PID 1 has the handle of nvme0, and the lease of it. */
static void handle_in_custody(int lease)
{
	ck_assert_int_ge(lease, 0);
	snprintf(kept_handle.name, sizeof(kept_handle.name), "nvme0");
	for (unsigned int f = 0; f < UDRV_HANDLE_FDS; f++)
		kept_handle.fd[f] = f == UDRV_FD_VFIO ? directory : -1;
	custody_put_fd(NULL, "directory", directory);
	custody_put_fd(NULL, "lease-nvme0", lease);
}

/*
 * A host outlives the agent that started it. Whether its device runs is what the host has told, and
 * nothing else: before that the session's memory must not be let go of, and nobody is told "resumed".
 */
START_TEST(host_outlives_agents)
{
	struct agent_device *d;
	int lease = pidfd_open(getpid(), 0);

	handle_in_custody(lease);
	custody_put_fd(NULL, "incoming", directory);

	d = next_agent();
	ck_assert_int_eq(d->state, DEV_STARTING);
	ck_assert_int_eq(d->pid, getpid());
	agent_progress(&agent);
	ck_assert_uint_eq(finished, 0);
	ck_assert(!agent.ready);
	d->state = DEV_RUNNING;
	strcpy(d->start, "fallback");
	lease_told(&agent, d);

	d = next_agent();
	ck_assert_int_eq(d->state, DEV_RUNNING);
	ck_assert_str_eq(d->start, "fallback");
	agent_progress(&agent);
	ck_assert_uint_eq(finished, 1);
	lease_drop(&agent, d);
	ck_assert(!in_custody("lease-nvme0") && !in_custody("start-nvme0"));

	d = next_agent();
	ck_assert_int_eq(d->state, DEV_BACKOFF);
	close(lease);
}
END_TEST

/* What is there of a lease that was being dropped, or is damaged, says nothing of a device. */
START_TEST(half_a_lease)
{
	const struct agent_device *d;
	int lease = pidfd_open(getpid(), 0), junk = memfd_create("junk", MFD_CLOEXEC);

	ck_assert_int_eq(write(junk, "resumed and more than fits", 26), 26);
	handle_in_custody(lease);
	custody_put_fd(NULL, "start-nvme0", junk);
	d = next_agent();
	ck_assert_int_eq(d->state, DEV_STARTING);
	ck_assert_str_eq(d->start, "");

	ck_assert_int_eq(ftruncate(junk, 7), 0);
	ck_assert_str_eq(next_agent()->start, "resumed");
	custody_drop(NULL, "lease-nvme0");
	d = next_agent();
	ck_assert_int_eq(d->state, DEV_BACKOFF);
	ck_assert_str_eq(d->start, "");
	ck_assert(!in_custody("start-nvme0"));
	close(lease);
	close(junk);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("restore");
	TCase *tc = suite_case(suite, "restore", 60);

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, nothing_is_wrong);
	tcase_add_loop_test(tc, something_is_missing, 0, UDRV_HANDLE_FDS);
	tcase_add_test(tc, it_is_bound_elsewhere);
	tcase_add_test(tc, host_outlives_agents);
	tcase_add_test(tc, half_a_lease);
	return suite_run(suite);
}
