// SPDX-License-Identifier: BSD-2-Clause
/*
 * The beginning after a kexec, with everything around it played by the test: by PID 1 and the
 * agent that follows, or by an agent alone. What is missing, or cannot be adopted, makes one
 * device start clean, keeps its consumers' memory, and is nobody else's business.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <udrv/state.h>

#include "tests/unit/suite.h"
#include "udrv/agent/agent.h"
#include "udrv/common/app.h"
#include "udrv/common/json.h"

static const char *const names[] = { "nvme0", "nvme1", "nvme2" };

#define FDS 0x1du /* of a handle in a session: VFIO, state, DMA and a consumer's */

static struct agent agent;
static int directory;
static uint64_t missing;     /* token that cannot be retrieved; 0: none */
static const char *stranger; /* device that cannot be bound */
static unsigned int finished, hosts, heard, closed;
static struct agent_rescued kept;

/* PID 1's: handles, and descriptors by their names. */
static struct udrv_handle handles[4];
static unsigned int nhandles;
static struct {
	char name[32];
	int fd;
} custody[16];
static unsigned int ncustody;
static bool mounted;
static unsigned int binds;
static unsigned int deaths; /* PID 1 gives up at that adoption, from 1 on; 0: at none */
static jmp_buf dead;
static bool real;	  /* hosts are processes */
static pid_t host_pid[3]; /* of those, in the order in which they were started */

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

int custody_get_all(struct agent *a, void (*handle)(struct agent *a, struct udrv_handle *h),
		    void (*fd)(struct agent *a, const char *name, int fd))
{
	for (unsigned int i = 0; i < nhandles; i++) {
		struct udrv_handle h;

		ck_assert_int_eq(udrv_handle_dup(&handles[i], &h), 0);
		handle(a, &h);
	}
	for (unsigned int i = 0; i < ncustody; i++)
		fd(a, custody[i].name, dup(custody[i].fd));
	return 0;
}

void custody_put_handle(struct agent *a, const struct udrv_handle *h)
{
	(void)a;
	ck_assert_uint_lt(nhandles, 4);
	ck_assert_int_eq(udrv_handle_dup(h, &handles[nhandles++]), 0);
}

void custody_mounts(struct agent *a)
{
	(void)a;
	mounted = true;
}

void custody_put_fd(struct agent *a, const char *name, int fd)
{
	unsigned int i = 0;

	(void)a;
	while (i < ncustody && strcmp(custody[i].name, name))
		i++;
	ck_assert_uint_lt(i, 16);
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
	if (real) {
		d->pid = fork();
		ck_assert_int_ge(d->pid, 0);
		if (!d->pid)
			for (;;)
				pause();
		host_pid[hosts] = d->pid;
	}
	hosts++;
}

void device_watch_host(struct agent *a, struct agent_device *d)
{
	char name[48];

	ck_assert_int_eq(d->state, DEV_STARTING);
	ck_assert_msg(d->pidfd < 0, "it is watched already");
	d->pidfd = pidfd_open(getpid(), 0);
	snprintf(name, sizeof(name), "lease-%s", d->h.name);
	custody_put_fd(a, name, d->pidfd);
}

void device_give_part(struct agent_device *d, unsigned int part)
{
	ck_assert_msg(!(part & HANDLE_IOMMU) || d->pidfd >= 0,
		      "the host of %s could use it, and end, and nobody would learn of it",
		      d->h.name);
}

void device_mounted(struct agent_device *d)
{
	ck_assert_msg(mounted, "%s is told what is not so", d->h.name);
}

void device_listen(struct agent *a, struct agent_device *d)
{
	if (a->taking_over)
		custody_put_fd(a,
			       d->h.name[4] == '0' ? "host-nvme0" :
			       d->h.name[4] == '1' ? "host-nvme1" :
						     "host-nvme2",
			       directory);
	else if (d->sock >= 0)
		heard++;
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
	closed++;
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

void report_keep(struct agent *a)
{
	(void)a;
}

bool report_kept(const char *name, int fd)
{
	(void)name;
	(void)fd;
	return false;
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
	if (++binds == deaths)
		longjmp(dead, 1);
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
		struct agent_device *d = agent_add(&old, names[i]);

		snprintf(d->h.bdf, sizeof(d->h.bdf), "0000:0%u:00.0", i + 1);
		strcpy(d->h.driver, "nvme");
		for (unsigned int f = 0; f < UDRV_HANDLE_FDS; f++)
			d->h.fd[f] = FDS & 1u << f ? 0 : -1;
	}
	directory = directory_write(&old, "7.3.4-udrv1", NULL, 0, NULL);
	ck_assert_int_ge(directory, 0);
	memset(&agent, 0, sizeof(agent));
	agent.luo = agent.incoming = -1;
	agent.custody = agent.directory = -1;
	missing = 0;
	stranger = NULL;
	mounted = false;
	finished = hosts = heard = closed = binds = deaths = 0;
	memset(&kept, 0, sizeof(kept));
	nhandles = ncustody = 0;
}

static bool in_custody(const char *name)
{
	for (unsigned int i = 0; i < ncustody; i++)
		if (!strcmp(custody[i].name, name))
			return true;
	return false;
}

/*
 * What udrv-init does first, up to its end or a crash. Nothing of it is left for the agent but what
 * is in custody.
 */
static void take_over(void)
{
	if (!setjmp(dead))
		udrv_take_over(NULL, 0);
	ck_assert_uint_eq(finished, 0);
	ck_assert(in_custody("incoming"));
	ck_assert(in_custody("directory"));
}

/*
 * Devices other than @victim are as if nothing had been; it starts clean once the session is over.
 */
static void check(const char *victim)
{
	ck_assert_int_eq(agent_restore(&agent), 0);
	ck_assert_uint_eq(agent.ndev, 3);
	ck_assert_uint_eq(nhandles, victim ? 2 : 3);
	/* Closed by whoever noticed it, and not tried once more. */
	ck_assert_uint_eq(closed, victim ? 1 : 0);
	for (unsigned int i = 0; i < 3; i++) {
		struct agent_device *d = agent_find(&agent, names[i]);

		ck_assert_ptr_nonnull(d);
		if (victim && !strcmp(d->h.name, victim)) {
			ck_assert_int_eq(d->state, DEV_PENDING);
			ck_assert(d->fallback);
			ck_assert_str_ne(d->error, "");
			ck_assert_str_ne(d->h.bdf, "");
			ck_assert_str_eq(d->h.driver, "nvme");
			for (unsigned int f = 0; f < UDRV_HANDLE_FDS; f++)
				ck_assert_int_eq(d->h.fd[f], -1);
			continue;
		}
		ck_assert_int_eq(d->state, DEV_STARTING);
		ck_assert_int_ge(d->pidfd, 0);
		ck_assert_int_ge(d->h.fd[UDRV_FD_DMA], 0);
		/* Its host says that it runs. */
		d->state = DEV_RUNNING;
		strcpy(d->start, "resumed");
	}
	agent_progress(&agent);
	ck_assert_uint_eq(finished, 1);
	agent_progress(&agent);
	ck_assert(agent.ready);
	for (unsigned int i = 0; i < 3; i++) {
		struct agent_device *d = agent_find(&agent, names[i]);
		char name[48];

		ck_assert_str_eq(d->start,
				 victim && !strcmp(d->h.name, victim) ? "fallback" : "resumed");
		/* Of no use once it is read, or the session is over. */
		snprintf(name, sizeof(name), "host-%s", d->h.name);
		ck_assert(!in_custody(name));
		/* Until its host has told that it runs, for the agent that would learn of that. */
		snprintf(name, sizeof(name), "fallback-%s", d->h.name);
		ck_assert(in_custody(name) == (victim && !strcmp(d->h.name, victim)));
		fallen_drop(&agent, d);
		ck_assert(!in_custody(name));
	}
	ck_assert(!in_custody("incoming"));
}

/* As under udrv-init, which takes over, or under systemd, which does not. */
static void check_both(bool with, const char *victim)
{
	bool early = victim && missing && missing != directory_token(1) + UDRV_FD_VFIO;

	if (with)
		take_over();
	/* Without its memory a host has nothing to begin with. */
	ck_assert_uint_eq(hosts, !with ? 0 : early ? 2 : 3);
	check(victim);
	ck_assert_uint_eq(heard, !with ? 0 : victim ? 2 : 3);
	ck_assert_uint_eq(hosts, victim && (early || !with) ? 2 : 3);
}

START_TEST(nothing_is_wrong)
{
	check_both(_i, NULL);
}
END_TEST

/* Each descriptor of the second device in turn. */
START_TEST(something_is_missing)
{
	int fd = _i % UDRV_HANDLE_FDS;

	missing = directory_token(1) + (uint64_t)fd;
	if (!(FDS & 1u << fd))
		return;
	check_both(_i / UDRV_HANDLE_FDS, "nvme1");
	ck_assert_str_eq(kept.name, "nvme1");
	/* Memory of consumers that was there is kept for them. */
	if (fd < UDRV_FD_EXTRA)
		ck_assert_int_ge(kept.fd[0], 0);
}
END_TEST

START_TEST(it_is_bound_elsewhere)
{
	stranger = "nvme2";
	check_both(_i, "nvme2");
	ck_assert_int_ge(kept.fd[0], 0);
}
END_TEST

/* What it had adopted is kept, and the agent adopts the others. */
START_TEST(takeover_crashes)
{
	deaths = (unsigned int)_i + 1;
	take_over();
	ck_assert_uint_eq(nhandles, (unsigned int)_i);
	deaths = 0;
	check(NULL);
	ck_assert_uint_eq(binds, 3 + 1);
	ck_assert_uint_eq(heard, (unsigned int)_i);
}
END_TEST

/* A host has a device's memory: none that no agent knows of may be there beside the next one. */
START_TEST(hosts_of_a_crashed_takeover)
{
	unsigned int leased = 0;

	real = true;
	deaths = (unsigned int)_i + 1;
	take_over();
	ck_assert_uint_eq(hosts, 3);
	udrv_take_over_undo(in_custody);
	for (unsigned int i = 0; i < 3; i++) {
		char name[48];
		bool lives = waitpid(host_pid[i], NULL, WNOHANG) == 0;

		snprintf(name, sizeof(name), "lease-%s", names[i]);
		ck_assert(lives == in_custody(name));
		leased += lives;
		if (lives)
			kill(host_pid[i], SIGKILL);
	}
	ck_assert_uint_eq(leased, (unsigned int)_i);
}
END_TEST

/* The agent says why, and has every device started clean. */
START_TEST(there_is_no_directory)
{
	int junk = memfd_create("junk", MFD_CLOEXEC);

	ck_assert_int_eq(write(junk, "no tree", 7), 7);
	close(directory);
	directory = junk;
	udrv_take_over(NULL, 0);
	ck_assert(in_custody("incoming"));
	ck_assert(!in_custody("directory"));
	ck_assert_uint_eq(hosts + nhandles, 0);
	ck_assert_int_eq(agent_restore(&agent), 0);
	ck_assert_ptr_nonnull(strstr(app_last_error(), "directory"));
	ck_assert_uint_eq(agent.ndev, 0);
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

/* PID 1 has the handle of nvme0, and the lease of it. */
static void handle_in_custody(int lease)
{
	ck_assert_int_ge(lease, 0);
	handles[0] = (struct udrv_handle)UDRV_HANDLE_INIT;
	strcpy(handles[0].name, "nvme0");
	handles[0].fd[UDRV_FD_VFIO] = directory;
	nhandles = 1;
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
	tcase_add_loop_test(tc, nothing_is_wrong, 0, 2);
	tcase_add_loop_test(tc, something_is_missing, 0, 2 * UDRV_HANDLE_FDS);
	tcase_add_loop_test(tc, it_is_bound_elsewhere, 0, 2);
	tcase_add_loop_test(tc, takeover_crashes, 0, 3);
	tcase_add_loop_test(tc, hosts_of_a_crashed_takeover, 0, 3);
	tcase_add_test(tc, there_is_no_directory);
	tcase_add_test(tc, host_outlives_agents);
	tcase_add_test(tc, half_a_lease);
	return suite_run(suite);
}
