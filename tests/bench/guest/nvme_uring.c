// SPDX-License-Identifier: BSD-2-Clause
/*
 * The peer: Linux's nvme driver by io_uring, with all that makes it fast: registered files, rings
 * and buffers, O_DIRECT, completions polled for (IOPOLL) or taken without interrupting the
 * submitter (DEFER_TASKRUN), one ring a CPU.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/bench/guest/nvme_load.h"

#define CMD_WRITE 1u
#define CMD_READ  2u

struct ring {
	struct io_uring uring;
	struct nvme_place place;
	uint8_t *buf;
	int nsid; /* 0: a block device */
	uint32_t lba_size;
};

static const struct nvme_load *load;
static bool passthrough;

/* The character device does not tell its size; the block device of the same namespace does. */
static uint64_t namespace_size(uint32_t *ret_lba_size)
{
	char path[64] = "/dev/nvme";
	uint64_t size;
	int fd, lba;

	strncat(path,
		passthrough ? load->device + strlen("/dev/ng") : load->device + strlen("/dev/nvme"),
		32);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size) || ioctl(fd, BLKSSZGET, &lba))
		bench_fail(path, errno);
	close(fd);
	*ret_lba_size = (uint32_t)lba;
	return size;
}

static void issue(struct ring *r, unsigned int i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);
	uint8_t *buf = r->buf + (size_t)i * load->block;
	uint64_t off = nvme_place_next(&r->place, load);
	struct nvme_uring_cmd *cmd;

	if (!sqe)
		bench_fail("submission ring", ENOSPC);
	if (!r->nsid) {
		if (load->write)
			io_uring_prep_write_fixed(sqe, 0, buf, load->block, off, 0);
		else
			io_uring_prep_read_fixed(sqe, 0, buf, load->block, off, 0);
	} else {
		memset(sqe, 0, 2 * sizeof(*sqe));
		sqe->opcode = IORING_OP_URING_CMD;
		sqe->cmd_op = NVME_URING_CMD_IO;
		sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
		cmd = (struct nvme_uring_cmd *)sqe->cmd;
		cmd->opcode = load->write ? CMD_WRITE : CMD_READ;
		cmd->nsid = (uint32_t)r->nsid;
		cmd->addr = (uintptr_t)buf;
		cmd->data_len = load->block;
		cmd->cdw10 = (uint32_t)(off / r->lba_size);
		cmd->cdw11 = (uint32_t)(off / r->lba_size >> 32);
		cmd->cdw12 = load->block / r->lba_size - 1;
	}
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->user_data = i;
}

static void open_ring(struct ring *r, const struct bench_worker *w)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SINGLE_ISSUER };
	size_t size = (size_t)load->depth * load->block;
	struct iovec iov = { .iov_len = size };
	int fd, err;

	if (load->poll)
		p.flags |= IORING_SETUP_IOPOLL;
	else
		p.flags |= IORING_SETUP_DEFER_TASKRUN;
	if (passthrough)
		p.flags |= IORING_SETUP_SQE128 | IORING_SETUP_CQE32;
	fd = open(load->device, passthrough ? O_RDWR | O_CLOEXEC : O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		bench_fail(load->device, errno);
	r->place = nvme_place_init(w, namespace_size(&r->lba_size), load);
	r->nsid = passthrough ? ioctl(fd, NVME_IOCTL_ID) : 0;
	if (r->nsid < 0)
		bench_fail("NVME_IOCTL_ID", errno);
	r->buf = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (r->buf == MAP_FAILED)
		bench_fail("buffers", errno);
	iov.iov_base = r->buf;
	err = io_uring_queue_init_params(load->depth, &r->uring, &p);
	if (!err)
		err = io_uring_register_files(&r->uring, &fd, 1);
	if (!err)
		err = io_uring_register_buffers(&r->uring, &iov, 1);
	if (!err && io_uring_register_ring_fd(&r->uring) < 0)
		err = -EINVAL;
	if (err)
		bench_fail("io_uring", err);
}

static void uring_worker(struct bench_worker *w)
{
	struct ring r = { 0 };
	/* Waiting for some at once is what makes a system call cheap. */
	unsigned int wait = load->depth > 4 ? load->depth / 4 : 1, left;

	open_ring(&r, w);
	for (left = 0; left < load->depth; left++)
		issue(&r, left);
	while (left) {
		int err = io_uring_submit_and_wait(&r.uring, wait < left ? wait : left);
		bool go_on = !bench_stopped();
		struct io_uring_cqe *cqe;
		unsigned int head, n = 0;

		if (err < 0)
			bench_fail("io_uring_enter", err);
		io_uring_for_each_cqe(&r.uring, head, cqe) {
			if (cqe->res != (passthrough ? 0 : (int)load->block))
				bench_fail("a command failed", cqe->res < 0 ? cqe->res : EIO);
			if (go_on)
				issue(&r, (unsigned int)cqe->user_data);
			else
				left--;
			n++;
		}
		io_uring_cq_advance(&r.uring, n);
		bench_count(w, n, (uint64_t)n * load->block);
	}
	io_uring_queue_exit(&r.uring);
}

void nvme_bench_uring(const struct nvme_load *l, bool cmd)
{
	load = l;
	passthrough = cmd;
	bench_run(uring_worker, NULL, l->queues, l->ms);
}
