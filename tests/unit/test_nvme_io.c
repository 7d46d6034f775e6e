// SPDX-License-Identifier: BSD-2-Clause
/* I/O on a controller that completes out of order, late, and not always sensibly. */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <udrv/loop.h>

#include "tests/unit/nvme_workload.h"
#include "tests/unit/suite.h"

#define BLOCK 4096u

static struct nvme_fixture fx;
static struct udrv_nvme_queue *q;

static void set_up(const struct nvme_model_opts *mo, const struct udrv_nvme_opts *opts)
{
	nvme_fixture_init(&fx, mo, opts, 1 << 20);
	nvme_fixture_start(&fx);
	q = udrv_nvme_queue(fx.ctrl, 0);
}

static void set_up_default(void)
{
	set_up(&(struct nvme_model_opts){ .seed = 1 },
	       &(struct udrv_nvme_opts){ .poll = true, .depth = 8 });
}

static void *at(uint64_t off)
{
	return udrv_dma_ptr(fx.fd.dma, fx.buf + off);
}

START_TEST(write_and_read_back)
{
	struct udrv_nvme_done done;

	set_up_default();
	memset(at(0), 0xa5, BLOCK);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_WRITE, 1, 5, 1, fx.buf, BLOCK, 42), 0);
	done = nvme_complete(&fx, q);
	ck_assert_uint_eq(done.status, 0);
	ck_assert_uint_eq(done.opcode, NVME_CMD_WRITE);
	ck_assert_uint_eq(done.cookie[0], 42);
	ck_assert_uint_eq(done.cookie[1], ~42ull);
	ck_assert(!done.resumed);
	ck_assert_mem_eq(nvme_model_data(fx.m, 1) + 5 * BLOCK, at(0), BLOCK);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 5, 1, fx.buf + BLOCK, BLOCK, 43), 0);
	done = nvme_complete(&fx, q);
	ck_assert_uint_eq(done.status, 0);
	ck_assert_mem_eq(at(0), at(BLOCK), BLOCK);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), 0);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(other_commands)
{
	struct nvme_dsm_range *range;
	uint8_t *disk;

	set_up_default();
	disk = nvme_model_data(fx.m, 1);
	memset(disk, 0x11, 16 * BLOCK);
	memset(at(0), 0x11, BLOCK);

	ck_assert_int_eq(nvme_submit(q, NVME_CMD_COMPARE, 1, 3, 1, fx.buf, BLOCK, 1), 0);
	ck_assert_uint_eq(nvme_complete(&fx, q).status, 0);
	*(uint8_t *)at(100) = 0;
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_COMPARE, 1, 3, 1, fx.buf, BLOCK, 2), 0);
	ck_assert_uint_eq(nvme_complete(&fx, q).status, NVME_SC_COMPARE_FAILURE);

	ck_assert_int_eq(nvme_submit(q, NVME_CMD_WRITE_ZEROES, 1, 4, 2, 0, 0, 3), 0);
	ck_assert_uint_eq(nvme_complete(&fx, q).status, 0);
	ck_assert_uint_eq(disk[4 * BLOCK - 1], 0x11);
	ck_assert_uint_eq(disk[4 * BLOCK], 0);
	ck_assert_uint_eq(disk[6 * BLOCK - 1], 0);
	ck_assert_uint_eq(disk[6 * BLOCK], 0x11);

	range = at(8192);
	range[0] = (struct nvme_dsm_range){ .slba = htole64(8), .nlb = htole32(1) };
	range[1] = (struct nvme_dsm_range){ .slba = htole64(10), .nlb = htole32(2) };
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_DSM, 1, 0, 2, fx.buf + 8192, sizeof(*range), 4),
			 0);
	ck_assert_uint_eq(nvme_complete(&fx, q).status, 0);
	ck_assert_uint_eq(disk[8 * BLOCK], 0);
	ck_assert_uint_eq(disk[9 * BLOCK], 0x11);
	ck_assert_uint_eq(disk[12 * BLOCK - 1], 0);
	ck_assert_uint_eq(disk[12 * BLOCK], 0x11);

	ck_assert_int_eq(nvme_submit(q, NVME_CMD_FLUSH, 1, 0, 0, 0, 0, 5), 0);
	ck_assert_uint_eq(nvme_complete(&fx, q).status, 0);
	ck_assert_uint_eq(nvme_model_counts(fx.m)->flushes, 1);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(what_is_wrong_is_refused)
{
	struct udrv_nvme_info info;

	set_up(&(struct nvme_model_opts){ .seed = 1, .mdts = 2, .oncs = 1 << 15 },
	       &(struct udrv_nvme_opts){ .poll = true, .depth = 8 });
	info = *udrv_nvme_info(fx.ctrl);
	ck_assert_uint_eq(info.max_transfer, 16384);

	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 0, 5, fx.buf, BLOCK, 1), -EMSGSIZE);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 2, 0, 1, fx.buf, BLOCK, 1), -ENODEV);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 0, 0, 1, fx.buf, BLOCK, 1), -ENODEV);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 0xffffffff, 0, 1, fx.buf, BLOCK, 1),
			 -ENODEV);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 1024, 1, fx.buf, BLOCK, 1), -EINVAL);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 1023, 2, fx.buf, BLOCK, 1), -EINVAL);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_WRITE, 1, ~0ull, 1, fx.buf, BLOCK, 1), -EINVAL);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_WRITE, 1, ~0ull - 1, 3, fx.buf, BLOCK, 1),
			 -EINVAL);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 0, 0, fx.buf, BLOCK, 1), -EINVAL);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 0, 1, fx.buf, 512, 1), -EINVAL);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 0, 1, fx.fd.size, BLOCK, 1), -EINVAL);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 0, 1, fx.buf + 2, BLOCK, 1), -EINVAL);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_COMPARE, 1, 0, 1, fx.buf, BLOCK, 1), -EOPNOTSUPP);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_WRITE_ZEROES, 1, 0, 1, 0, 0, 1), -EOPNOTSUPP);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_DSM, 1, 0, 1, fx.buf, 16, 1), -EOPNOTSUPP);
	ck_assert_int_eq(nvme_submit(q, 0x7f, 1, 0, 1, fx.buf, BLOCK, 1), -EOPNOTSUPP);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_FLUSH, 1, 0, 1, fx.buf, BLOCK, 1), -EINVAL);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), 0);
	udrv_nvme_ring(q);
	ck_assert_uint_eq(nvme_model_outstanding(fx.m), 1); /* the Asynchronous Event Request */
	nvme_fixture_end(&fx);
}
END_TEST

/* "More" and the retry delay are the driver's affair, if anybody's. */
START_TEST(status_fields)
{
	struct udrv_nvme_snapshot snap;

	set_up_default();
	nvme_model_faults(fx.m)->status = 1u << 13 | 3u << 11;
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 0, 1, fx.buf, BLOCK, 1), 0);
	ck_assert_uint_eq(nvme_complete(&fx, q).status, 0);
	memset(at(0), 0xa5, BLOCK);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_COMPARE, 1, 0, 1, fx.buf, BLOCK, 2), 0);
	ck_assert_uint_eq(nvme_complete(&fx, q).status, NVME_SC_COMPARE_FAILURE);
	nvme_model_faults(fx.m)->status |= NVME_STATUS_DNR;
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_COMPARE, 1, 0, 1, fx.buf, BLOCK, 3), 0);
	ck_assert_uint_eq(nvme_complete(&fx, q).status, NVME_SC_COMPARE_FAILURE | NVME_STATUS_DNR);
	ck_assert_int_eq(udrv_nvme_inspect(fx.fd.st, &snap), 0);
	ck_assert_uint_eq(snap.q[1].errors, 2);
	nvme_fixture_end(&fx);
}
END_TEST

/* No command before it: not even one without pieces is taken for the like of another. */
START_TEST(the_first_command)
{
	static const uint8_t opcodes[] = { NVME_CMD_FLUSH, NVME_CMD_WRITE, NVME_CMD_READ };
	struct udrv_nvme_io io = { .opcode = opcodes[_i] };

	set_up_default();
	ck_assert_int_eq(udrv_nvme_submit(q, &io), -ENODEV);
	ck_assert_int_eq(udrv_nvme_submit_batch(q, &io, 1), -ENODEV);
	io.nsid = 1;
	ck_assert_int_eq(udrv_nvme_submit(q, &io), _i ? -EINVAL : 0);
	nvme_fixture_end(&fx);
}
END_TEST

/* What is like the command before it but for one thing is looked at as closely as that. */
START_TEST(refused_behind_its_like)
{
	struct udrv_nvme_done done;

	set_up_default();
	for (unsigned int i = 0; i < 2; i++)
		ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 1023, 1, fx.buf, BLOCK, i), 0);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 2, 0, 1, fx.buf, BLOCK, 1), -ENODEV);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 1024, 1, fx.buf, BLOCK, 1), -EINVAL);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_WRITE, 1, ~0ull, 1, fx.buf, BLOCK, 1), -EINVAL);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 0, 1, fx.buf, 512, 1), -EINVAL);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 0, 1, fx.fd.size, BLOCK, 1), -EINVAL);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 0, 1, ~0xfffull, BLOCK, 1), -EINVAL);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 0, 1, fx.buf + 2, BLOCK, 1), -EINVAL);
	ck_assert_int_eq(nvme_submit(q, 0x7f, 1, 0, 1, fx.buf, BLOCK, 1), -EOPNOTSUPP);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_FLUSH, 1, 0, 1, fx.buf, BLOCK, 1), -EINVAL);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), 2);
	for (unsigned int i = 0; i < 2; i++) {
		done = nvme_complete(&fx, q);
		ck_assert_uint_eq(done.status, 0);
	}
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(batches)
{
	struct udrv_nvme_seg seg[12];
	struct udrv_nvme_done done[16];
	struct udrv_nvme_io io[12];

	set_up_default();
	for (unsigned int i = 0; i < 12; i++)
		io[i] = nvme_io(NVME_CMD_READ, 1, i, 1, fx.buf + i * BLOCK, BLOCK, i, &seg[i]);
	ck_assert_int_eq(udrv_nvme_submit_batch(q, io, 0), 0);
	/* Up to what is refused, which is told when it is the first. */
	io[3].slba = 1024;
	ck_assert_int_eq(udrv_nvme_submit_batch(q, io, 12), 3);
	ck_assert_int_eq(udrv_nvme_submit_batch(q, io + 3, 9), -EINVAL);
	/* Up to what there is room for. */
	ck_assert_int_eq(udrv_nvme_submit_batch(q, io + 4, 8), 5);
	ck_assert_int_eq(udrv_nvme_submit_batch(q, io + 9, 3), -EAGAIN);
	udrv_nvme_ring(q);
	nvme_model_run(fx.m, 1000);
	ck_assert_int_eq(udrv_nvme_poll(q, done, 16), 8);
	for (unsigned int i = 0; i < 8; i++)
		ck_assert_uint_eq(done[i].status, 0);
	ck_assert_int_eq(udrv_nvme_release_batch(q, done, 0), 0);
	ck_assert_int_eq(udrv_nvme_release_batch(q, done, 5), 0);
	ck_assert_int_eq(udrv_nvme_release_batch(q, done, 8), -EINVAL);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), 3);
	ck_assert_int_eq(udrv_nvme_release_batch(q, done + 5, 3), 0);
	done[0].slot = 65535;
	ck_assert_int_eq(udrv_nvme_release_batch(q, done, 1), -EINVAL);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(full_queue)
{
	struct udrv_nvme_done done[16];
	unsigned int n = 0;

	set_up_default();
	ck_assert_uint_eq(udrv_nvme_info(fx.ctrl)->depth, 8);
	while (!nvme_submit(q, NVME_CMD_READ, 1, n, 1, fx.buf + n * BLOCK, BLOCK, n))
		n++;
	ck_assert_uint_eq(n, 8);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 0, 1, fx.buf, BLOCK, n), -EAGAIN);
	udrv_nvme_ring(q);
	nvme_model_run(fx.m, 1000);
	ck_assert_int_eq(udrv_nvme_poll(q, done, 16), 8);
	/* Completed, but not released. */
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 0, 1, fx.buf, BLOCK, n), -EAGAIN);
	ck_assert_int_eq(udrv_nvme_release(q, done[3].slot), 0);
	ck_assert_int_eq(udrv_nvme_release(q, done[3].slot), -EINVAL);
	ck_assert_int_eq(udrv_nvme_release(q, 8), -EINVAL);
	ck_assert_int_eq(udrv_nvme_release(q, 65535), -EINVAL);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 0, 1, fx.buf, BLOCK, n), 0);
	ck_assert_int_eq(udrv_nvme_release(q, done[3].slot), -EINVAL);
	ck_assert_uint_eq(udrv_nvme_outstanding(q), 8);
	nvme_fixture_end(&fx);
}
END_TEST

/*
 * Wrap, phase, out of order, PRP lists, several queues: long runs under many seeds and geometries.
 */
START_TEST(workloads)
{
	struct nvme_model_opts mo = { .seed = (uint64_t)_i + 1,
				      .mqes = (uint16_t)(5 + _i * 3 % 60),
				      .dstrd = (uint8_t)(_i % 3) };
	struct udrv_nvme_opts opts = { .io_queues = 1 + (unsigned int)_i % 4,
				       .depth = 1 + (unsigned int)_i % 33,
				       .poll = true };
	struct workload_opts load = { .ops = 170,
				      .batch = 1 + (unsigned int)_i % 20,
				      .seed = (uint64_t)_i };
	static struct workload w;

	nvme_fixture_init(&fx, &mo, &opts, workload_buffer_size(load.ops));
	nvme_fixture_start(&fx);
	workload_init(&w, &fx, &load);
	nvme_model_forbid_setup(fx.m, true);
	workload_run(&w);
	workload_verify(&w);
	nvme_fixture_free(&fx);
}
END_TEST

/*
 * A completion of a slot's previous command, and one that comes twice, are not its present one's.
 */
START_TEST(stale_and_repeated_completions)
{
	struct udrv_nvme_snapshot snap;

	set_up_default();
	nvme_model_faults(fx.m)->duplicate = 6;
	for (unsigned int i = 0; i < 6; i++) {
		ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, i, 1, fx.buf, BLOCK, i), 0);
		ck_assert_uint_eq(nvme_complete(&fx, q).cookie[0], i);
	}
	/* The slot is in use again when the last one's second completion is looked at. */
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, 9, 1, fx.buf, BLOCK, 9), 0);
	ck_assert_uint_eq(nvme_complete(&fx, q).cookie[0], 9);
	ck_assert_int_eq(udrv_nvme_inspect(fx.fd.st, &snap), 0);
	ck_assert_uint_eq(snap.q[1].spurious_cqes + snap.q[1].bad_cqes, 6);
	ck_assert_uint_eq(snap.q[1].completed, 7);
	nvme_fixture_end(&fx);
}
END_TEST

START_TEST(garbage_completions)
{
	struct udrv_nvme_snapshot snap;
	struct udrv_nvme_done done[4];
	unsigned int n;
	int ret = 0;

	set_up(&(struct nvme_model_opts){ .seed = 9 },
	       &(struct udrv_nvme_opts){ .poll = true, .depth = 100 });
	nvme_model_faults(fx.m)->garbage = 20;
	for (unsigned int i = 0; i < 20; i++) {
		ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, i, 1, fx.buf, BLOCK, i), 0);
		ck_assert_uint_eq(nvme_complete(&fx, q).cookie[0], i);
	}
	ck_assert_int_eq(udrv_nvme_inspect(fx.fd.st, &snap), 0);
	ck_assert_uint_eq(snap.q[1].spurious_cqes + snap.q[1].bad_cqes, 20);

	/* Too much of it: the controller has failed. */
	nvme_model_faults(fx.m)->garbage = 1000;
	for (n = 0; n < 100; n++) {
		if (nvme_submit(q, NVME_CMD_READ, 1, n, 1, fx.buf, BLOCK, n))
			break;
	}
	udrv_nvme_ring(q);
	for (unsigned int i = 0; i < 1000 && ret >= 0; i++) {
		nvme_model_run(fx.m, 4);
		ret = udrv_nvme_poll(q, done, 4);
	}
	ck_assert_int_eq(ret, -ESHUTDOWN);
	ck_assert_int_eq(nvme_submit(q, NVME_CMD_READ, 1, n, 1, fx.buf, BLOCK, n), -ESHUTDOWN);
	nvme_model_faults(fx.m)->garbage = 0;
	ck_assert_int_eq(udrv_nvme_tick(fx.ctrl, 1), 1);
	ck_assert_int_ge(udrv_nvme_poll(q, done, 4), 0);
	nvme_fixture_end(&fx);
}
END_TEST

static void on_irq(void *ctx, struct udrv_nvme_queue *signalled)
{
	*(unsigned int *)ctx += nvme_drain(signalled, false);
}

START_TEST(interrupts)
{
	unsigned int vectors = (unsigned int)_i, queues, got = 0;

	set_up(&(struct nvme_model_opts){ .seed = 2, .vectors = vectors },
	       &(struct udrv_nvme_opts){ .io_queues = 3, .depth = 8 });
	queues = udrv_nvme_info(fx.ctrl)->io_queues;
	ck_assert_uint_eq(queues, vectors == 0 ? 3 : vectors < 3 ? 1 : vectors == 3 ? 2 : 3);
	if (!vectors) {
		ck_assert_int_eq(nvme_fixture_listen(&fx, on_irq, &got), -EOPNOTSUPP);
	} else {
		ck_assert_int_eq(nvme_fixture_listen(&fx, on_irq, &got), 0);
		for (unsigned int i = 0; i < 30; i++) {
			struct udrv_nvme_queue *queue = udrv_nvme_queue(fx.ctrl, i % queues);

			ck_assert_int_eq(nvme_submit(queue, NVME_CMD_READ, 1, i, 1, fx.buf, BLOCK,
						     i),
					 0);
			udrv_nvme_ring(queue);
			for (unsigned int n = 0; n < 100 && got <= i; n++) {
				nvme_model_run(fx.m, 5);
				ck_assert_int_ge(udrv_loop_run_once(fx.loop, 0), 0);
			}
			ck_assert_uint_eq(got, i + 1);
		}
	}
	nvme_fixture_end(&fx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nvme-io");
	TCase *tc = suite_case(suite, "io", 60);

	tcase_add_test(tc, write_and_read_back);
	tcase_add_test(tc, other_commands);
	tcase_add_test(tc, what_is_wrong_is_refused);
	tcase_add_test(tc, status_fields);
	tcase_add_loop_test(tc, the_first_command, 0, 3);
	tcase_add_test(tc, refused_behind_its_like);
	tcase_add_test(tc, batches);
	tcase_add_test(tc, full_queue);
	tcase_add_loop_test(tc, workloads, 0, 60);
	tcase_add_test(tc, stale_and_repeated_completions);
	tcase_add_test(tc, garbage_completions);
	tcase_add_loop_test(tc, interrupts, 0, 6);
	return suite_run(suite);
}
