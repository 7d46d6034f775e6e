// SPDX-License-Identifier: BSD-2-Clause
/* I/O on a controller that completes out of order. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/nvme_fixture.h"

#define BLOCK	4096u

static void *at(struct nvme_fixture *fx, uint64_t off)
{
	return udrv_dma_ptr(fx->fd.dma, fx->buf + off);
}

START_TEST(write_and_read_back)
{
	struct nvme_fixture fx;
	struct udrv_nvme_queue *q;

	nvme_fixture_init(&fx, &(struct nvme_model_opts){ .seed = 1 }, &(struct udrv_nvme_opts){ .poll = true }, 1 << 20);
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
	memset(at(&fx, 0), 0xa5, BLOCK);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_WRITE, 1, 5, 1, fx.buf, BLOCK, 42), 0);
	struct udrv_nvme_done done = nvme_complete(&fx, q);
	ck_assert_uint_eq(done.status, 0);
	ck_assert_uint_eq(done.opcode, NVME_CMD_WRITE);
	ck_assert_uint_eq(done.cookie[0], 42);
	ck_assert_uint_eq(done.cookie[1], ~42ull);
	ck_assert(!done.resumed);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 5, 1, fx.buf + BLOCK, BLOCK, 43), 0);
	done = nvme_complete(&fx, q);
	ck_assert_uint_eq(done.status, 0);
	ck_assert_mem_eq(at(&fx, 0), at(&fx, BLOCK), BLOCK);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), 0);
	nvme_fixture_clean(&fx);
	nvme_fixture_free(&fx);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nvme-io");
	TCase *tc = tcase_create("io");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, write_and_read_back);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
