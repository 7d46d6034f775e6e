/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In the build of udrv that can stop itself.
 *
 * A program that finds /run/udrv/step-NAME ("K END", NAME being its own) ends by SIGKILL after some
 * store or message, which one depending on K, and leaves K + 1 there; from END on it lives. The
 * places are far apart for one K and the next, and over all of them spread evenly over PERIOD.
 *
 * A program that gets SIGUSR1 reads a number N from /run/udrv/step-now, and stops (SIGSTOP) after
 * its Nth store or message from then on: as the end of its kernel finds it. With "N abort" there,
 * it counts from the moment on at which it begins to abort an NVMe command; with "N aborted", from
 * that at which it has the answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "devices/nvme/ctrl.h"
#include "udrv/lib/step.h"

#define STRIDE 389
#define PERIOD 1009

static unsigned int number, left;
static unsigned int from_abort, from_aborted;
static int how = SIGKILL;

static void stop_here(void)
{
	char line[64];
	int fd, n;

	if (!left || --left)
		return;
	n = snprintf(line, sizeof(line), "%s %u %p\n", program_invocation_short_name, number,
		     __builtin_return_address(0));
	fd = open("/run/udrv/step.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, line, (size_t)n) != n)
		left = 0;
	kill(getpid(), how);
}

static void begin(unsigned int steps)
{
	how = SIGSTOP;
	left = steps;
	udrv_step_hook = stop_here;
}

int __real_nvme_admin_start(struct udrv_nvme *ctrl, const struct nvme_sqe *cmd,
			    enum nvme_admin_kind kind, uint64_t arg, uint16_t *ret_slot);
int __wrap_nvme_admin_start(struct udrv_nvme *ctrl, const struct nvme_sqe *cmd,
			    enum nvme_admin_kind kind, uint64_t arg, uint16_t *ret_slot);

int __wrap_nvme_admin_start(struct udrv_nvme *ctrl, const struct nvme_sqe *cmd,
			    enum nvme_admin_kind kind, uint64_t arg, uint16_t *ret_slot)
{
	if (from_abort && kind == NVME_ADMIN_ABORTING)
		begin(from_abort);
	return __real_nvme_admin_start(ctrl, cmd, kind, arg, ret_slot);
}

void __real_nvme_timeout_aborted(struct udrv_nvme *ctrl, unsigned int slot);
void __wrap_nvme_timeout_aborted(struct udrv_nvme *ctrl, unsigned int slot);

void __wrap_nvme_timeout_aborted(struct udrv_nvme *ctrl, unsigned int slot)
{
	if (from_aborted)
		begin(from_aborted);
	__real_nvme_timeout_aborted(ctrl, slot);
}

static void now(int sig)
{
	char text[32] = "", from[16] = "";
	unsigned int steps = 0;
	int fd = open("/run/udrv/step-now", O_RDONLY | O_CLOEXEC);

	(void)sig;
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return;
	close(fd);
	sscanf(text, "%u %15s", &steps, from);
	if (!strcmp(from, "abort"))
		from_abort = steps;
	else if (!strcmp(from, "aborted"))
		from_aborted = steps;
	else
		begin(steps);
}

static void __attribute__((constructor)) arm(void)
{
	char path[64], text[64];
	unsigned int end;
	ssize_t n;
	int fd;

	signal(SIGUSR1, now);
	snprintf(path, sizeof(path), "/run/udrv/step-%s", program_invocation_short_name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	if (sscanf(text, "%u %u", &number, &end) == 2 && number < end) {
		/* Agents have few steps, and what they say to each other counts. */
		left = 1 +
		       number * STRIDE %
			       (strcmp(program_invocation_short_name, "udrv-agent") ? PERIOD : 31);
		n = snprintf(text, sizeof(text), "%u %u\n", number + 1, end);
		if (pwrite(fd, text, (size_t)n, 0) == n)
			udrv_step_hook = stop_here;
	}
	close(fd);
}
