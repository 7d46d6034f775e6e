// SPDX-License-Identifier: BSD-2-Clause
/*
 * What an earlier version left, as it left it: data/state-v1.bin and data/pool-v1.bin were written
 * by the version that fixed the format (UDRV_RECORD=1 writes them again, which is right only
 * together with a new major version). Whatever is changed later has to go on from them: same
 * meaning of every field, and no command lost.
 *
 * The model is brought to where the record's device was by the same steps. Should a later version
 * lay its queues out differently, give the model the addresses of the record instead.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/nvme_fixture.h"
#include "tests/unit/suite.h"

#define STATE	  "tests/unit/data/state-v1.bin"
#define POOL	  "tests/unit/data/pool-v1.bin"
#define QUEUES	  2u
#define DEPTH	  8u
#define DONE	  3u /* commands that were completed and released */
#define IN_FLIGHT 5u /* and that the device had, on queue 1 */
#define UNRUNG	  2u /* that it was not told of yet, on queue 2 */
#define BLOCK	  4096u

static struct nvme_fixture fx;

/* The steps of the record: the process stops with commands in every stage. */
static void until_the_stop(void)
{
	const struct nvme_model_opts model = { .seed = 1, .vectors = 4, .nn = 2 };
	const struct udrv_nvme_opts opts = { .io_queues = QUEUES, .depth = DEPTH, .poll = true };
	struct udrv_nvme_queue *q;

	nvme_fixture_init(&fx, &model, &opts, 64 * BLOCK);
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	for (unsigned int i = 0; i < DONE; i++) {
		ck_assert_int_eq(nvme_submit(q, NVME_CMD_WRITE, 1, i, 1, fx.buf + i * BLOCK, BLOCK,
					     i),
				 0);
		nvme_complete(&fx, q);
	}
	for (unsigned int i = 0; i < IN_FLIGHT; i++)
		ck_assert_int_eq(nvme_submit(q, NVME_CMD_WRITE, 1, 100 + i, 1, fx.buf + i * BLOCK,
					     BLOCK, 100 + i),
				 0);
	udrv_nvme_ring(q);
	q = udrv_nvme_queue(fx.ctrl, 1);
	for (unsigned int i = 0; i < UNRUNG; i++)
		ck_assert_int_eq(nvme_submit(q, NVME_CMD_WRITE, 2, 200 + i, 1, fx.buf + i * BLOCK,
					     BLOCK, 200 + i),
				 0);
	nvme_fixture_crash(&fx);
}

static void save(const char *path, int memfd)
{
	struct stat st;
	size_t len;
	uint8_t *p;
	int fd;

	ck_assert_int_eq(fstat(memfd, &st), 0);
	len = (size_t)st.st_size;
	p = mmap(NULL, len, PROT_READ, MAP_SHARED, memfd, 0);
	ck_assert_ptr_ne(p, MAP_FAILED);
	while (len && !p[len - 1])
		len--;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, p, len), (ssize_t)len);
	close(fd);
	munmap(p, (size_t)st.st_size);
}

/*
 * The record in the place of what the steps above have left: zeroes behind it are not in the file.
 */
static void load(const char *path, int memfd)
{
	struct stat st, file;
	uint8_t *p;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s (tests run at the top of the repository)", path,
		      strerror(errno));
	ck_assert_int_eq(fstat(memfd, &st), 0);
	ck_assert_int_eq(fstat(fd, &file), 0);
	ck_assert_int_gt(file.st_size, 0);
	ck_assert_int_le(file.st_size, st.st_size);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	ck_assert_ptr_ne(p, MAP_FAILED);
	memset(p, 0, (size_t)st.st_size);
	ck_assert_int_eq(read(fd, p, (size_t)file.st_size), file.st_size);
	munmap(p, (size_t)st.st_size);
	close(fd);
}

static void setup(void)
{
	until_the_stop();
	if (getenv("UDRV_RECORD")) {
		save(STATE, fx.fd.state_fd);
		save(POOL, fx.fd.dma_fd);
	}
	load(STATE, fx.fd.state_fd);
	load(POOL, fx.fd.dma_fd);
}

static void teardown(void)
{
	nvme_fixture_free(&fx);
}

START_TEST(means_what_it_meant)
{
	struct udrv_nvme_snapshot s;
	struct udrv_state *st;

	ck_assert_int_eq(udrv_state_open(fx.fd.state_fd, UDRV_STATE_RDONLY, NULL, &st), 0);
	ck_assert_int_eq(udrv_state_lifecycle(st), UDRV_READY);
	ck_assert(!udrv_state_updating(st));
	ck_assert_int_eq(udrv_nvme_inspect(st, &s), 0);
	ck_assert_uint_eq(s.io_queues, QUEUES);
	ck_assert_uint_eq(s.depth, DEPTH);
	ck_assert_uint_eq(s.nn, 2);
	ck_assert_uint_eq(s.starts, 1);
	ck_assert_uint_eq(s.resets, 0);
	ck_assert_uint_eq(s.outstanding[0], 1); /* an Asynchronous Event Request */
	ck_assert_uint_eq(s.outstanding[1], IN_FLIGHT);
	ck_assert_uint_eq(s.outstanding[2], UNRUNG);
	ck_assert_uint_eq(s.q[1].submitted, DONE + IN_FLIGHT);
	ck_assert_uint_eq(s.q[1].completed, DONE);
	ck_assert_uint_eq(s.q[2].submitted, UNRUNG);
	ck_assert_uint_eq(s.ns[1].nsid, 2);
	ck_assert_uint_eq(s.ns[1].lba_size, BLOCK);
	udrv_state_close(st);
}
END_TEST

START_TEST(is_resumed_from)
{
	const struct udrv_nvme_resume_report *report;
	uint64_t seen[QUEUES] = { 0 };

	nvme_model_forbid_setup(fx.m, true);
	ck_assert_msg(!nvme_fixture_resume(&fx), "%s", fx.log.last);
	report = udrv_nvme_resume_report(fx.ctrl);
	ck_assert_uint_eq(report->in_flight, IN_FLIGHT);
	for (unsigned int round = 0; round < 100; round++) {
		nvme_model_run(fx.m, 100);
		for (unsigned int qi = 0; qi < QUEUES; qi++) {
			struct udrv_nvme_queue *q = udrv_nvme_queue(fx.ctrl, qi);
			struct udrv_nvme_done done[4];
			int got = udrv_nvme_poll(q, done, 4);

			ck_assert_int_ge(got, 0);
			for (int i = 0; i < got; i++) {
				/* The controller's order is its own; each comes once. */
				uint64_t n = done[i].cookie[0] - (qi + 1) * 100;

				ck_assert_uint_eq(done[i].status, 0);
				ck_assert_uint_lt(n, 64);
				ck_assert(!(seen[qi] & 1ull << n));
				seen[qi] |= 1ull << n;
				ck_assert_int_eq(udrv_nvme_release(q, done[i].slot), 0);
			}
		}
	}
	ck_assert_uint_eq(seen[0], (1u << IN_FLIGHT) - 1);
	ck_assert_uint_eq(seen[1], (1u << UNRUNG) - 1);
	nvme_fixture_clean(&fx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nvme_record");
	TCase *tc = suite_case(suite, "nvme_record", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, means_what_it_meant);
	tcase_add_test(tc, is_resumed_from);
	return suite_run(suite);
}
