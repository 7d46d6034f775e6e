// SPDX-License-Identifier: BSD-2-Clause
/*
 * A host's steps from its lease to armed interrupts, in their order: with everything around them
 * played by the test, each of which writes down when it was called.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "tests/unit/fake_device.h"
#include "tests/unit/suite.h"
#include "udrv/common/app.h"
#include "udrv/host/driver.h"
#include "udrv/host/host.h"
#include "udrv/host/host_exit.h"

static struct fake_device fd;
static char steps[256];
static struct {
	const char *step;
	int err;
} refusal; /* a step that fails, and with what */

static int step(const char *name)
{
	ck_assert_uint_lt(strlen(steps) + strlen(name) + 2, sizeof(steps));
	strcat(strcat(steps, *steps ? " " : ""), name);
	return refusal.step && !strcmp(refusal.step, name) ? refusal.err : 0;
}

/* ---- The driver and its consumer ------------------------------------------------------------- */

static int resume_begin(struct host *h)
{
	(void)h;
	return step("begin");
}

static void resume_take(struct host *h)
{
	(void)h;
	step("take");
}

static int resume_look(struct host *h)
{
	(void)h;
	return step("look");
}

static int resume_finish(struct host *h)
{
	(void)h;
	return step("finish");
}

static void resume_drop(struct host *h)
{
	(void)h;
	step("drop");
}

static int start(struct host *h)
{
	(void)h;
	return step("start");
}

static void deliver(struct host *h)
{
	(void)h;
	step("deliver");
}

static int configure(struct host *h)
{
	(void)h;
	return step("configure");
}

/* As far as it goes here. */
static int arm(struct host *h)
{
	(void)h;
	step("arm");
	return -EIO;
}

static int consumer_open(struct host *h, bool resumed)
{
	(void)h;
	return step(resumed ? "open-resumed" : "open");
}

static void consumer_prepare(struct host *h)
{
	(void)h;
	step("prepare");
}

static struct consumer_ops consumer;
static struct host_driver driver;

const struct host_driver *host_driver_find(const char *name)
{
	ck_assert_str_eq(name, "fake");
	return &driver;
}

/* ---- Around main.c --------------------------------------------------------------------------- */

int __wrap_udrv_handle_memory(const struct udrv_handle *h, const struct udrv_log *log,
			      struct udrv_device **ret);
int __wrap_udrv_handle_identify(const struct udrv_handle *h, struct udrv_device *dev);
int __wrap_udrv_handle_complete(const struct udrv_handle *h, struct udrv_device *dev);

int __wrap_udrv_handle_memory(const struct udrv_handle *h, const struct udrv_log *log,
			      struct udrv_device **ret)
{
	(void)h;
	(void)log;
	*ret = fd.dev;
	return step("memory");
}

int __wrap_udrv_handle_identify(const struct udrv_handle *h, struct udrv_device *dev)
{
	(void)h;
	(void)dev;
	return step("identify");
}

int __wrap_udrv_handle_complete(const struct udrv_handle *h, struct udrv_device *dev)
{
	(void)h;
	(void)dev;
	return step("complete");
}

int host_await(struct host *h, enum udrv_handle_fd which)
{
	(void)h;
	return which == UDRV_FD_VFIO ? step("vfio") : which == UDRV_FD_IOMMU ? step("iommu") : 0;
}

int host_await_mounts(struct host *h)
{
	(void)h;
	return 0;
}

void host_irq_before(struct host *h)
{
	(void)h;
}

void host_irq_after(struct host *h)
{
	(void)h;
}

int host_lease(struct host *h, const char *name)
{
	(void)h;
	(void)name;
	return -ENODEV;
}

int host_listen(struct host *h)
{
	(void)h;
	return 0;
}

int host_adopted(struct host *h)
{
	(void)h;
	return 0;
}

int host_tell(struct host *h)
{
	(void)h;
	return 0;
}

void host_refused(struct host *h)
{
	(void)h;
	step("refused");
}

int host_stop_arm(struct host *h)
{
	(void)h;
	return 0;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static int no_bar(void *ctx, unsigned int bar, struct udrv_bar *ret)
{
	(void)ctx;
	(void)bar;
	(void)ret;
	return -ENODEV;
}

static int no_config(void *ctx, unsigned int off, void *buf, unsigned int len)
{
	(void)ctx;
	(void)off;
	(void)buf;
	(void)len;
	return -ENODEV;
}

static void setup(void)
{
	static const struct udrv_device_ops ops = { .size = sizeof(ops),
						    .bar_map = no_bar,
						    .config_read = no_config };
	const struct fake_device_opts opts = { .pool_size = 2 << 20, .ops = &ops };

	ck_assert_int_eq(fake_device_create(&fd, &opts), 0);
	udrv_state_set_lifecycle(fd.st, UDRV_READY);
	consumer = (struct consumer_ops){ .name = "consumer", .open = consumer_open };
	driver = (struct host_driver){ .name = "fake",
				       .what = "device",
				       .consumer = &consumer,
				       .configure = configure,
				       .resume_begin = resume_begin,
				       .resume_take = resume_take,
				       .resume_look = resume_look,
				       .resume_finish = resume_finish,
				       .resume_drop = resume_drop,
				       .start = start,
				       .deliver = deliver,
				       .arm = arm };
	steps[0] = '\0';
	refusal.step = NULL;
}

static void teardown(void)
{
	fake_device_destroy(&fd);
}

static int run_host(void)
{
	const struct host_lease lease = { .driver = "fake", .agent = -1 };
	struct udrv_handle h = UDRV_HANDLE_INIT;

	strcpy(h.name, "fake0");
	return udrv_host_run(&h, &lease);
}

static void refuse(const char *name, int err)
{
	refusal.step = name;
	refusal.err = err;
}

/* Owners get what is in memory before anybody waits for the device. */
START_TEST(memory_comes_first)
{
	ck_assert_int_eq(run_host(), APP_FAILED);
	ck_assert_str_eq(steps, "memory begin open-resumed take deliver vfio identify look iommu "
				"complete finish deliver configure arm");
}
END_TEST

/* A driver that cannot: its consumer gets ready, and is opened once the driver runs. */
START_TEST(device_comes_first)
{
	driver.resume_take = NULL;
	consumer.prepare = consumer_prepare;
	ck_assert_int_eq(run_host(), APP_FAILED);
	ck_assert_str_eq(steps, "memory begin prepare vfio identify look iommu complete finish "
				"open-resumed deliver configure arm");
}
END_TEST

/* Whatever refuses: the consumer learns that the driver was started anew. */
START_TEST(refused)
{
	static const struct {
		const char *step, *steps;
	} at[] = {
		{ "begin", "memory begin drop vfio identify iommu complete configure start open "
			   "deliver arm" },
		{ "look", "memory begin open-resumed take deliver vfio identify look drop iommu "
			  "complete configure start open deliver arm" },
		{ "finish", "memory begin open-resumed take deliver vfio identify look iommu "
			    "complete finish drop configure start open deliver arm" },
	};

	refuse(at[_i].step, -ESTALE);
	ck_assert_int_eq(run_host(), APP_FAILED);
	ck_assert_str_eq(steps, at[_i].steps);
}
END_TEST

/* Memory of which the consumer makes nothing is not taken in, nor the device waited for. */
START_TEST(consumer_refuses)
{
	refuse("open-resumed", -EBADMSG);
	ck_assert_int_eq(run_host(), HOST_EXIT_HANDLE);
	ck_assert_str_eq(steps, "memory begin open-resumed refused");
}
END_TEST

/* Another device, or its memory is elsewhere: the handle is of no use, whatever was delivered. */
START_TEST(device_refuses)
{
	refuse(_i ? "complete" : "identify", -ESTALE);
	ck_assert_int_eq(run_host(), HOST_EXIT_HANDLE);
	ck_assert_str_eq(steps, _i ? "memory begin open-resumed take deliver vfio identify look "
				     "iommu complete refused" :
				     "memory begin open-resumed take deliver vfio identify "
				     "refused");
}
END_TEST

START_TEST(nothing_to_resume)
{
	udrv_state_set_lifecycle(fd.st, _i ? UDRV_RESETTING : UDRV_INIT);
	ck_assert_int_eq(run_host(), APP_FAILED);
	ck_assert_str_eq(steps,
			 "memory vfio identify iommu complete configure start open deliver arm");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("host-resume");
	TCase *tc = suite_case(suite, "steps", 60);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, memory_comes_first);
	tcase_add_test(tc, device_comes_first);
	tcase_add_loop_test(tc, refused, 0, 3);
	tcase_add_test(tc, consumer_refuses);
	tcase_add_loop_test(tc, device_refuses, 0, 2);
	tcase_add_loop_test(tc, nothing_to_resume, 0, 2);
	return suite_run(suite);
}
