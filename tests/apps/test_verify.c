// SPDX-License-Identifier: BSD-2-Clause
/* The verifying workload, on a controller that consists of its description. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include <udrv/device.h>
#include <udrv/nvme.h>

#include "tests/unit/crash.h"
#include "tests/unit/fake_device.h"
#include "tests/unit/suite.h"
#include "udrv/common/json.h"
#include "udrv/host/host.h"
#include "udrv/host/verify.h"

#define BLOCKS 1000u

static struct udrv_nvme_info info;
static struct udrv_nvme_ns_info ns[2];
static struct verify_memory memory;
static struct verify v;
static struct host h;
static struct fake_device device;
static unsigned int released;
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

int udrv_nvme_release(struct udrv_nvme_queue *q, uint16_t slot)
{
	(void)q;
	(void)slot;
	released++;
	return 0;
}

void verify_issue(struct host *host)
{
	(void)host;
}

static int bar_map(void *ctx, unsigned int bar, struct udrv_bar *ret)
{
	(void)ctx;
	(void)bar;
	(void)ret;
	return -ENOENT;
}

static int config_read(void *ctx, unsigned int off, void *buf, unsigned int len)
{
	(void)ctx;
	(void)off;
	(void)buf;
	(void)len;
	return -ENOENT;
}

static const struct udrv_device_ops device_ops = {
	.size = sizeof(device_ops),
	.bar_map = bar_map,
	.config_read = config_read,
};

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

static unsigned int length(struct json_object *o, const char *name)
{
	return (unsigned int)json_object_array_length(json_get(o, name));
}

START_TEST(an_account_of_anything_ends)
{
	struct json_object *o;

	memory.h.cycle = memory.h.last_bucket = UINT64_MAX;
	memory.h.first_bucket = _i ? UINT64_MAX - 1 : 0;
	o = verify_memory_json(&memory);
	ck_assert_uint_eq(length(o, "cycles"), VERIFY_CYCLES);
	json_object_put(o);
	o = verify_timeline_json(&memory);
	ck_assert_uint_eq(length(o, "completions"), _i ? 2 : VERIFY_BUCKETS);
	json_object_put(o);
}
END_TEST

/* What makes no sense is not gone by afterwards either. */
START_TEST(tables_that_make_no_sense_are_left)
{
	struct udrv_nvme_done done = { .slot = 0 };

	ck_assert_int_eq(start(BLOCKS, 8, 2), 0);
	memory.h.nops = _i ? VERIFY_OPS_MAX + 1 : memory.h.nops;
	memory.h.blocks = UINT64_MAX;
	memory.h.cycle = UINT64_MAX;
	v = (struct verify){ .m = &memory, .stop_sock = -1 };
	ck_assert_int_eq(verify_resume(&h, &v), 0);
	ck_assert_uint_eq(memory.h.mode, VERIFY_IDLE);
	ck_assert_uint_eq(memory.h.cycle, h.lease.cycle);
	done.cookie[0] = verify_cookie(VERIFY_WRITE, _i ? VERIFY_OPS_MAX : 0, BLOCKS * 1000);
	released = 0;
	verify_done(&h, 0, &done);
	ck_assert_uint_eq(released, 1);
	ck_assert_uint_eq(v.idle_len, 0);
	ck_assert_int_eq(verify_resume(&h, &v), 0);
	ck_assert_int_eq(start(BLOCKS, 8, 2), 0);
}
END_TEST

/* ---- What becomes of commands ---------------------------------------------------------------- */

static const char *const names[VERIFY_OUTCOMES] = {
	[VERIFY_LOST] = "lost", [VERIFY_ERROR] = "errors", [VERIFY_MISCOMPARE] = "miscompares"
};

static uint64_t figure(const char *name)
{
	struct json_object *o = verify_memory_json(&memory), *val;
	uint64_t n;

	ck_assert(json_object_object_get_ex(o, name, &val));
	n = json_object_get_uint64(val);
	json_object_put(o);
	return n;
}

/* One of each in the first three places; nothing of ours was ever read. */
static void begin(void)
{
	const struct fake_device_opts opts = { .pool_size = 2 << 20, .ops = &device_ops };

	ck_assert_int_eq(fake_device_create(&device, &opts), 0);
	h.dev = device.dev;
	released = 0;
	ck_assert_int_eq(start(BLOCKS, 8, 0), 0);
	for (unsigned int op = 0; op < VERIFY_OUTCOMES; op++) {
		memory.op[op].submitted[VERIFY_READ] = 1;
		memory.block[op] = (struct verify_block){ .acked = 5, .submitted = 5 };
	}
}

static void deliver(unsigned int op)
{
	verify_done(&h, 0,
		    &(struct udrv_nvme_done){
			    .cookie[0] = verify_cookie(VERIFY_READ, op, op),
			    .status = op == VERIFY_LOST	 ? UDRV_NVME_LOST :
				      op == VERIFY_ERROR ? 0x281 :
							   0,
		    });
}

static void deliver_rest(void *unused)
{
	(void)unused;
	while (released < VERIFY_OUTCOMES)
		deliver(released);
}

/* What was not released is delivered again. */
START_TEST(outcomes_count_once_after_each_step)
{
	unsigned int at = 0;
	bool more;

	do {
		set_up();
		begin();
		more = crash_after(++at, deliver_rest, NULL);
		deliver_rest(NULL);
		for (unsigned int i = 0; i < VERIFY_OUTCOMES; i++)
			ck_assert_msg(figure(names[i]) == 1, "step %u: %llu %s", at,
				      (unsigned long long)figure(names[i]), names[i]);
		ck_assert_uint_eq(figure("completed"), VERIFY_OUTCOMES);
		ck_assert_uint_eq(figure("in_flight"), 0);
		fake_device_destroy(&device);
	} while (more);
	ck_assert_uint_gt(at, 2 * VERIFY_OUTCOMES);
}
END_TEST

START_TEST(each_command_counts)
{
	begin();
	memory.h.errors = 7; /* of an earlier version */
	deliver_rest(NULL);
	for (unsigned int op = 0; op < VERIFY_OUTCOMES; op++)
		memory.op[op].submitted[VERIFY_READ]++;
	released = 0;
	deliver_rest(NULL);
	memory.op[VERIFY_ERROR].submitted[VERIFY_FLUSH]++;
	deliver(VERIFY_ERROR);
	ck_assert_uint_eq(figure("lost"), 2);
	ck_assert_uint_eq(figure("errors"), 7 + 3);
	ck_assert_uint_eq(figure("miscompares"), 2);
	fake_device_destroy(&device);
}
END_TEST

static void come_back(void *unused)
{
	(void)unused;
	ck_assert_int_eq(verify_rebuild(&h, &v), 0);
}

/* The device's handle is a new one: no completion tells of what was under way. */
START_TEST(what_a_new_handle_lost_counts_once_after_each_step)
{
	unsigned int at = 0;
	bool more;

	do {
		set_up();
		begin();
		h.start = "started";
		more = crash_after(++at, come_back, NULL);
		come_back(NULL);
		ck_assert_msg(figure("lost") == VERIFY_OUTCOMES, "step %u: %llu lost", at,
			      (unsigned long long)figure("lost"));
		ck_assert_uint_eq(figure("in_flight"), 0);
		fake_device_destroy(&device);
	} while (more);
	ck_assert_uint_gt(at, 2 * VERIFY_OUTCOMES);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("verify");
	TCase *tc = suite_case(suite, "verify", 60);

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_add_test(tc, a_start_is_recorded);
	tcase_add_test(tc, a_start_that_is_refused_changes_nothing);
	tcase_add_loop_test(tc, an_account_of_anything_ends, 0, 2);
	tcase_add_loop_test(tc, tables_that_make_no_sense_are_left, 0, 2);
	tcase_add_test(tc, outcomes_count_once_after_each_step);
	tcase_add_test(tc, each_command_counts);
	tcase_add_test(tc, what_a_new_handle_lost_counts_once_after_each_step);
	return suite_run(suite);
}
