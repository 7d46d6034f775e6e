// SPDX-License-Identifier: BSD-2-Clause
/* The verifying workload, on a controller that consists of its description. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include <udrv/nvme.h>

#include "tests/unit/suite.h"
#include "udrv/host/host.h"
#include "udrv/host/verify.h"

#define BLOCKS 1000u

static struct udrv_nvme_info info;
static struct udrv_nvme_ns_info ns[2];
static struct verify_memory memory;
static struct verify v;
static struct host h;
static char why[192];

/* ---- The controller, and the rest of the host ------------------------------------------------ */

const struct udrv_nvme_info *udrv_nvme_info(const struct udrv_nvme *ctrl)
{
	(void)ctrl;
	return &info;
}

const struct udrv_nvme_ns_info *udrv_nvme_ns(const struct udrv_nvme *ctrl, unsigned int i)
{
	(void)ctrl;
	return i < info.nn ? &ns[i] : NULL;
}

struct udrv_nvme_queue *udrv_nvme_queue(struct udrv_nvme *ctrl, unsigned int i)
{
	(void)ctrl;
	(void)i;
	return NULL;
}

int udrv_nvme_each(const struct udrv_nvme_queue *q,
		   int (*fn)(void *ctx, uint16_t slot, const uint64_t cookie[2], bool delivered),
		   void *ctx)
{
	(void)q;
	(void)fn;
	(void)ctx;
	return 0;
}

const struct udrv_nvme_resume_report *udrv_nvme_resume_report(const struct udrv_nvme *ctrl)
{
	static const struct udrv_nvme_resume_report report;

	(void)ctrl;
	return &report;
}

int config_verify(const char *list, struct verify_config *ret, char *text, size_t size)
{
	(void)list;
	(void)ret;
	(void)text;
	(void)size;
	return -EINVAL;
}

void host_reply(int sock, uint32_t id, struct json_object *o)
{
	(void)sock;
	(void)id;
	(void)o;
}

void host_reply_error(int sock, uint32_t id, int err, const char *text)
{
	(void)sock;
	(void)id;
	(void)err;
	(void)text;
}

struct json_object *verify_json(struct host *host)
{
	(void)host;
	return NULL;
}

void verify_issue(struct host *host)
{
	(void)host;
}

/* ---- Starting -------------------------------------------------------------------------------- */

static int start(uint64_t blocks, uint64_t depth, uint64_t zdepth)
{
	const struct verify_config c = { .blocks = blocks,
					 .queues = 2,
					 .depth = depth,
					 .zdepth = zdepth,
					 .rate = 7,
					 .write = 30,
					 .flush = 5 };

	return verify_start(&h, &c, why, sizeof(why));
}

static void set_up(void)
{
	info = (struct udrv_nvme_info){ .io_queues = 2, .depth = 32, .nn = 2 };
	for (unsigned int i = 0; i < 2; i++)
		ns[i] = (struct udrv_nvme_ns_info){
			.nsid = i + 1, .usable = true, .lba_size = 512, .nsze = BLOCKS * 8
		};
	memset(&memory, 0, sizeof(memory));
	v = (struct verify){ .m = &memory, .stop_sock = -1 };
	h = (struct host){ .priv = &v, .start = "resumed", .lease.cycle = 3 };
}

START_TEST(a_start_is_recorded)
{
	ck_assert_int_eq(start(BLOCKS, 8, 2), 0);
	ck_assert_uint_eq(memory.h.mode, VERIFY_RUNNING);
	ck_assert_uint_eq(memory.h.blocks, BLOCKS);
	ck_assert_uint_eq(memory.h.nops, 2 * (8 + 2));
	ck_assert_uint_eq(memory.h.nzero, 1);
	ck_assert_uint_eq(memory.h.rate, 7);
	ck_assert_uint_eq(memory.h.cycle, 3);
	ck_assert_uint_eq(v.idle_len, memory.h.nops);
	ck_assert_uint_eq(v.place[0].nlb, 8);
	ck_assert_int_eq(start(BLOCKS, 8, 2), -EBUSY);
}
END_TEST

/* What ran before has to be resumed, and read back, by its own header. */
START_TEST(a_start_that_is_refused_changes_nothing)
{
	static struct verify_memory before;

	ck_assert_int_eq(start(BLOCKS / 2, 8, 2), 0);
	memory.h.mode = VERIFY_IDLE;
	before = memory;
	ck_assert_int_eq(start(BLOCKS + 1, 4, 0), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(why, "smaller than 1001 blocks"));
	ck_assert_mem_eq(&memory, &before, sizeof(memory));
	ck_assert_int_eq(start(BLOCKS, 33, 0), -EINVAL);
	ck_assert_mem_eq(&memory, &before, sizeof(memory));
	ns[1].usable = false;
	ck_assert_int_eq(start(BLOCKS, 31, 2), 0);
	memory = before;
	ns[0].usable = false;
	ck_assert_int_eq(start(BLOCKS, 8, 2), -ENODEV);
	ck_assert_mem_eq(&memory, &before, sizeof(memory));
	ns[0].usable = ns[1].usable = true;
	ck_assert_int_eq(verify_resume(&h, &v), 0);
	ck_assert_uint_eq(v.idle_len, memory.h.nops);
	ck_assert_int_eq(start(BLOCKS, 4, 0), 0);
	ck_assert_uint_eq(memory.h.blocks, BLOCKS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("verify");
	TCase *tc = suite_case(suite, "verify", 60);

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, a_start_is_recorded);
	tcase_add_test(tc, a_start_that_is_refused_changes_nothing);
	return suite_run(suite);
}
