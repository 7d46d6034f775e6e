// SPDX-License-Identifier: BSD-2-Clause
/* The directory at token 0: what goes in comes out, and nothing that comes out is believed unseen.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libfdt.h>

#include <udrv/proto.h>

#include "tests/unit/suite.h"
#include "udrv/agent/agent.h"
#include "udrv/common/app.h"
#include "udrv/common/json.h"

static struct agent agent;
static const struct directory_phase phases[] = { { "check", 0, 1000000 },
						 { "load", 2000000, 125000 } };

static void add(const char *name, const char *bdf, bool noiommu, enum udrv_policy policy,
		uint32_t fds)
{
	struct agent_device *d = &agent.dev[agent.ndev++];

	*d = (struct agent_device){ .h = UDRV_HANDLE_INIT };
	strcpy(d->h.name, name);
	strcpy(d->h.bdf, bdf);
	strcpy(d->h.driver, "nvme");
	d->h.noiommu = noiommu;
	d->h.ioas_id = 7 + agent.ndev;
	d->h.policy = policy;
	for (int i = 0; i < UDRV_HANDLE_FDS; i++)
		d->h.fd[i] = fds & 1u << i ? 100 + i : -1;
}

/* Of a device that has memory of consumers without a handle. */
static int rescued_fd[UDRV_HANDLE_EXTRA];
static const char *rescued_name;

const int *rescue_find(const struct agent *a, const char *name)
{
	(void)a;
	return rescued_name && !strcmp(name, rescued_name) ? rescued_fd : NULL;
}

const char *device_state_name(enum agent_state s)
{
	return s == DEV_FAILED ? "failed" : s == DEV_DETACHED ? "detached" : "other";
}

static void setup(void)
{
	rescued_name = NULL;
	memset(&agent, 0, sizeof(agent));
	agent.cycle = 41;
	add("nvme0", "0000:01:00.0", true, UDRV_KEEP, 0x1f);
	add("gone", "0000:02:00.0", true, UDRV_KEEP, 0);
	add("other", "0000:03:00.0", true, UDRV_RESET, 0x1f);
	add("nvme1", "0001:ff:1f.7", false, UDRV_KEEP, 0xff);
}

struct seen {
	unsigned int n;
	struct udrv_handle h[AGENT_DEVICES];
	uint64_t base[AGENT_DEVICES];
	uint32_t mask[AGENT_DEVICES];
};

static int see(void *ctx, const struct udrv_handle *h, uint64_t base, uint32_t mask)
{
	struct seen *s = ctx;

	ck_assert(udrv_name_valid(h->name));
	ck_assert(udrv_bdf_valid(h->bdf));
	ck_assert_uint_eq(mask >> UDRV_HANDLE_FDS, 0);
	ck_assert_uint_le(h->policy, UDRV_DETACH);
	for (int i = 0; i < UDRV_HANDLE_FDS; i++)
		ck_assert_int_eq(h->fd[i], -1);
	if (s->n < AGENT_DEVICES) {
		s->h[s->n] = *h;
		s->base[s->n] = base;
		s->mask[s->n] = mask;
	}
	s->n++;
	return 0;
}

START_TEST(round_trip)
{
	struct seen s = { 0 };
	struct json_object *report, *list;
	void *map, *fdt;
	int fd;

	fd = directory_write(&agent, "7.3.5-udrv2", phases, 2, &map);
	ck_assert_int_ge(fd, 0);
	directory_stamp(map);
	munmap(map, DIRECTORY_SIZE);
	ck_assert_int_eq(directory_read(fd, &fdt), 0);
	ck_assert_uint_eq(directory_cycle(fdt), 42);
	ck_assert_uint_ne(directory_tsc_reboot(fdt), 0);

	/* Only what is kept and there. */
	ck_assert_int_eq(directory_handles(fdt, see, &s), 0);
	ck_assert_uint_eq(s.n, 2);
	ck_assert_str_eq(s.h[0].name, "nvme0");
	ck_assert_str_eq(s.h[0].bdf, "0000:01:00.0");
	ck_assert_str_eq(s.h[0].driver, "nvme");
	ck_assert(s.h[0].noiommu);
	ck_assert_uint_eq(s.h[0].ioas_id, 8);
	ck_assert_uint_eq(s.mask[0], 0x1f);
	ck_assert_uint_eq(s.base[0], directory_token(0));
	ck_assert_str_eq(s.h[1].name, "nvme1");
	ck_assert(!s.h[1].noiommu);
	ck_assert_uint_eq(s.h[1].ioas_id, 11);
	ck_assert_uint_eq(s.base[1], directory_token(3));
	/* No token of one device is another's, or the directory's. */
	ck_assert_uint_gt(directory_token(0), DIRECTORY_TOKEN);
	ck_assert_uint_ge(directory_token(1) - directory_token(0), UDRV_HANDLE_FDS);

	report = directory_report(fdt);
	ck_assert_ptr_nonnull(report);
	ck_assert_str_eq(json_get_str(report, "to_kernel", ""), "7.3.5-udrv2");
	list = json_get(report, "phases");
	ck_assert_uint_eq(json_object_array_length(list), 2);
	ck_assert_str_eq(json_get_str(json_object_array_get_idx(list, 1), "name", ""), "load");
	ck_assert_uint_eq(json_get_u64(json_object_array_get_idx(list, 1), "duration_us", 0), 125);
	json_object_put(report);
	free(fdt);
	close(fd);
}
END_TEST

START_TEST(cold)
{
	struct seen s = { 0 };
	void *fdt;
	int fd = directory_write(&agent, NULL, NULL, 0, NULL);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(directory_read(fd, &fdt), 0);
	ck_assert_uint_eq(directory_cycle(fdt), 0);
	ck_assert_int_eq(directory_handles(fdt, see, &s), 0);
	ck_assert_uint_eq(s.n, 0);
	ck_assert_ptr_null(directory_report(fdt));
	free(fdt);
	close(fd);
}
END_TEST

START_TEST(most_devices)
{
	static struct directory_phase many[3 * AGENT_DEVICES + 8];
	static char names[3 * AGENT_DEVICES + 8][48];
	struct seen s = { 0 };
	void *map, *fdt;
	int fd;

	agent.ndev = 0;
	for (unsigned int i = 0; i < AGENT_DEVICES; i++) {
		char name[32];

		snprintf(name, sizeof(name), "a-name-of-thirty-one-letters-%02u", i);
		add(name, "0000:01:00.0", true, UDRV_KEEP, 0xff);
	}
	for (unsigned int i = 0; i < sizeof(many) / sizeof(many[0]); i++) {
		snprintf(names[i], sizeof(names[i]),
			 "preserve-memory-a-name-of-thirty-one-lett-%03u", i);
		many[i].name = names[i];
	}
	fd = directory_write(&agent, "7.3.5-udrv2", many, sizeof(many) / sizeof(many[0]), &map);
	ck_assert_int_ge(fd, 0);
	munmap(map, DIRECTORY_SIZE);
	ck_assert_int_eq(directory_read(fd, &fdt), 0);
	ck_assert_int_eq(directory_handles(fdt, see, &s), 0);
	ck_assert_uint_eq(s.n, AGENT_DEVICES);
	free(fdt);
	close(fd);
}
END_TEST

struct found {
	unsigned int n;
	struct policy_settings s[AGENT_DEVICES];
};

static void find(void *ctx, const struct policy_settings *s)
{
	struct found *f = ctx;

	ck_assert(udrv_name_valid(s->name));
	ck_assert(udrv_bdf_valid(s->bdf));
	ck_assert_uint_le(s->policy, UDRV_DETACH);
	if (f->n < AGENT_DEVICES)
		f->s[f->n] = *s;
	f->n++;
}

/* What is set for a device crosses, whether or not the device itself does. */
START_TEST(settings)
{
	struct found f = { 0 };
	void *fdt;
	int fd;

	agent.dev[0].backoff = (struct backoff){ .limit = 7, .max_ns = 250000000 };
	agent.dev[1].h.policy = UDRV_DETACH;
	rescued_name = "other";
	for (int i = 0; i < UDRV_HANDLE_EXTRA; i++)
		rescued_fd[i] = i == 1 ? 77 : -1;
	fd = directory_write(&agent, "7.3.5-udrv1", phases, 2, NULL);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(directory_read(fd, &fdt), 0);
	ck_assert_int_eq(directory_settings(fdt, find, &f), 0);
	ck_assert_uint_eq(f.n, 4);
	ck_assert_str_eq(f.s[0].name, "nvme0");
	ck_assert_str_eq(f.s[0].bdf, "0000:01:00.0");
	ck_assert_uint_eq(f.s[0].restart_limit, 7);
	ck_assert_uint_eq(f.s[0].restart_max_ms, 250);
	ck_assert_uint_eq(f.s[0].mask, 0);
	ck_assert(!f.s[0].detached);
	ck_assert(f.s[1].detached);
	ck_assert_str_eq(f.s[2].name, "other");
	ck_assert_uint_eq(f.s[2].policy, UDRV_RESET);
	ck_assert_uint_eq(f.s[2].mask, 1u << (UDRV_FD_EXTRA + 1));
	ck_assert_uint_eq(f.s[2].base, directory_token(2));
	free(fdt);
	close(fd);
}
END_TEST

/*
 * A later change of settings leaves the record of the update alone; outcome and
 * phases are written once.
 */
START_TEST(refresh)
{
	static const struct directory_phase after[] = { { "retrieve-nvme0", 0, 3000 },
							{ "settle", 3000, 5000000 } };
	struct json_object *report, *outcomes, *array;
	struct found f = { 0 };
	void *fdt, *next;
	int fd;

	fd = directory_write(&agent, "7.3.5-udrv1", phases, 2, NULL);
	ck_assert_int_eq(directory_read(fd, &fdt), 0);
	close(fd);
	agent.fdt = fdt;
	agent.ready = true;
	strcpy(agent.dev[0].start, "resumed");
	agent.dev[0].state = DEV_RUNNING;
	agent.dev[3].state = DEV_FAILED;
	strcpy(agent.dev[3].error, "its hosts ended");
	agent.dev[3].h.policy = UDRV_RESET;
	fd = directory_refresh(&agent, after, 2, &next);
	ck_assert_int_ge(fd, 0);
	close(fd);
	free(fdt);
	agent.fdt = next;
	strcpy(agent.dev[0].start, "fallback");
	fd = directory_refresh(&agent, NULL, 0, &fdt);
	ck_assert_int_ge(fd, 0);
	close(fd);
	free(next);
	agent.fdt = fdt;
	/* Another agent, which came after the first one's death, has seen something else. */
	fd = directory_refresh(&agent, after + 1, 1, &next);
	ck_assert_int_ge(fd, 0);
	close(fd);
	free(fdt);
	fdt = next;
	ck_assert_uint_eq(directory_cycle(fdt), 42);
	directory_settings(fdt, find, &f);
	ck_assert_uint_eq(f.n, 4);
	ck_assert_uint_eq(f.s[3].policy, UDRV_RESET);
	report = directory_report(fdt);
	ck_assert_uint_eq(json_object_array_length(json_get(report, "phases")), 2);
	array = json_get(report, "phases_after");
	ck_assert_uint_eq(json_object_array_length(array), 2);
	ck_assert_str_eq(json_get_str(json_object_array_get_idx(array, 0), "name", ""),
			 "retrieve-nvme0");
	ck_assert_uint_eq(json_get_u64(json_object_array_get_idx(array, 1), "start_us", 0), 3);
	ck_assert_uint_eq(json_get_u64(json_object_array_get_idx(array, 1), "duration_us", 0),
			  5000);
	outcomes = json_get(report, "outcomes");
	ck_assert_str_eq(json_get_str(json_get(outcomes, "nvme0"), "decision", ""), "keep");
	ck_assert_str_eq(json_get_str(json_get(outcomes, "nvme0"), "start", ""), "resumed");
	ck_assert_str_eq(json_get_str(json_get(outcomes, "other"), "decision", ""), "reset");
	ck_assert_str_eq(json_get_str(json_get(outcomes, "nvme1"), "start", ""), "failed");
	ck_assert_str_eq(json_get_str(json_get(outcomes, "nvme1"), "error", ""), "its hosts ended");
	json_object_put(report);
	free(fdt);
}
END_TEST

static int copy_of(const void *data, size_t len)
{
	int fd = memfd_create("copy", 0);

	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	return fd;
}

static void use(int fd)
{
	struct seen s = { 0 };
	struct found f = { 0 };
	void *fdt;

	if (!directory_read(fd, &fdt)) {
		directory_cycle(fdt);
		directory_tsc_reboot(fdt);
		directory_handles(fdt, see, &s);
		directory_settings(fdt, find, &f);
		json_object_put(directory_report(fdt));
		free(fdt);
	}
	close(fd);
}

/* Whatever a byte is changed to: it is refused, or every entry that is passed on holds what see()
 * demands. */
START_TEST(damaged)
{
	static const uint8_t flips[] = { 0x01, 0x80, 0xff };
	struct agent *a = &agent;
	uint8_t *map, copy[DIRECTORY_SIZE];
	size_t used;
	void *m;
	int fd;

	fd = directory_write(a, "7.3.5-udrv2", phases, 2, &m);
	ck_assert_int_ge(fd, 0);
	map = m;
	used = fdt_totalsize(map);
	ck_assert_uint_le(used, sizeof(copy));
	memcpy(copy, map, used);
	for (size_t i = 0; i < used; i++) {
		copy[i] ^= flips[_i];
		use(copy_of(copy, used));
		copy[i] ^= flips[_i];
	}
	/* Cut short at every length, the length in the header left alone and set right. */
	for (size_t len = 0; len < used; len += 7) {
		void *fdt;
		int cut = copy_of(copy, len);

		ck_assert_int_eq(directory_read(cut, &fdt), -EBADMSG);
		close(cut);
	}
	munmap(map, DIRECTORY_SIZE);
	close(fd);
}
END_TEST

START_TEST(versions)
{
	uint8_t buf[1024];
	void *fdt;
	int fd;

	ck_assert_int_eq(fdt_create_empty_tree(buf, sizeof(buf)), 0);
	fd = copy_of(buf, sizeof(buf));
	ck_assert_int_eq(directory_read(fd, &fdt), -EBADMSG);
	close(fd);
	ck_assert_int_eq(fdt_setprop_string(buf, 0, "compatible", "udrv,directory-v2"), 0);
	fd = copy_of(buf, sizeof(buf));
	ck_assert_int_eq(directory_read(fd, &fdt), -EPROTONOSUPPORT);
	close(fd);
	/* The one before, and what is no number. */
	ck_assert_int_eq(fdt_setprop_string(buf, 0, "compatible", "udrv,directory-v0"), 0);
	fd = copy_of(buf, sizeof(buf));
	ck_assert_int_eq(directory_read(fd, &fdt), 0);
	free(fdt);
	close(fd);
	ck_assert_int_eq(fdt_setprop_string(buf, 0, "compatible", "udrv,directory-v"), 0);
	fd = copy_of(buf, sizeof(buf));
	ck_assert_int_eq(directory_read(fd, &fdt), -EBADMSG);
	close(fd);
	ck_assert_int_eq(fdt_setprop_string(buf, 0, "compatible", "udrv,directory-v1x"), 0);
	fd = copy_of(buf, sizeof(buf));
	ck_assert_int_eq(directory_read(fd, &fdt), -EBADMSG);
	close(fd);
	/* Unknown properties and nodes are nobody's business. */
	ck_assert_int_eq(fdt_setprop_string(buf, 0, "compatible", "udrv,directory-v1"), 0);
	ck_assert_int_eq(fdt_setprop_u32(buf, 0, "colour", 7), 0);
	ck_assert_int_ge(fdt_add_subnode(buf, 0, "garden"), 0);
	fd = copy_of(buf, sizeof(buf));
	ck_assert_int_eq(directory_read(fd, &fdt), 0);
	free(fdt);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("directory");
	TCase *tc = suite_case(suite, "directory", 60);

	/* What the agent says about damage is of no interest here. */
	app_log_level(UDRV_LOG_ERR);
	if (!freopen("/dev/null", "w", stderr))
		return 1;
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, cold);
	tcase_add_test(tc, settings);
	tcase_add_test(tc, refresh);
	tcase_add_test(tc, most_devices);
	tcase_add_loop_test(tc, damaged, 0, 3);
	tcase_add_test(tc, versions);
	return suite_run(suite);
}
