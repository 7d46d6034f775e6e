// SPDX-License-Identifier: BSD-2-Clause
/* A peer that sends anything: the server must not crash, hang, keep descriptors or memory. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "tests/model/fuzz.h"
#include "tests/model/vfio_user/client.h"
#include "tests/unit/open_fds.h"
#include "tests/unit/suite.h"

#define MESSAGES 64u

static struct client c;
static struct fuzz fuzz;

/* Answers nobody looks at: the server would wait for room. */
static void *drain(void *arg)
{
	char buf[4096];
	ssize_t n;

	(void)arg;
	do {
		n = recv(c.fd, buf, sizeof(buf), 0);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return NULL;
}

static int some_fd(void)
{
	int fds[2];

	switch (fuzz_below(&fuzz, 5)) {
	case 0:
		return eventfd(0, 0);
	case 1:
		if (pipe(fds))
			return -1;
		close(fds[0]);
		return fds[1];
	case 2:
		fds[0] = memfd_create("loose", MFD_CLOEXEC);
		if (fds[0] >= 0 && ftruncate(fds[0], 0x4000))
			break;
		return fds[0];
	case 3:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	}
	return client_memory(0x4000);
}

/* A message as QEMU would send it, more or less. */
static size_t sensible(uint8_t *buf, unsigned int command)
{
	switch (command) {
	case VFIO_USER_VERSION:
		memcpy(buf, "\0\0\0\0{}", 7);
		return 7;
	case VFIO_USER_DMA_MAP: {
		struct vfio_user_dma_map req = { 32, 3, (uint64_t)fuzz_below(&fuzz, 5) << 12,
						 (uint64_t)fuzz_below(&fuzz, 16) << 12,
						 (uint64_t)fuzz_below(&fuzz, 5) << 12 };

		memcpy(buf, &req, sizeof(req));
		return sizeof(req);
	}
	case VFIO_USER_DMA_UNMAP: {
		struct vfio_user_dma_unmap req = { 24, fuzz_below(&fuzz, 8) ? 0 : 2,
						   (uint64_t)fuzz_below(&fuzz, 16) << 12,
						   (uint64_t)fuzz_below(&fuzz, 5) << 12 };

		memcpy(buf, &req, sizeof(req));
		return sizeof(req);
	}
	case VFIO_USER_DEVICE_SET_IRQS: {
		struct vfio_irq_set set = { .argsz = 20,
					    .flags = 0x24,
					    .index = 2,
					    .start = fuzz_below(&fuzz, 9),
					    .count = fuzz_below(&fuzz, 4) };

		memcpy(buf, &set, sizeof(set));
		return sizeof(set);
	}
	case VFIO_USER_REGION_READ:
	case VFIO_USER_REGION_WRITE: {
		struct vfio_user_region_access req = { fuzz_below(&fuzz, 256),
						       fuzz_below(&fuzz, 2) ? 7 : 0,
						       1u << fuzz_below(&fuzz, 4) };
		size_t data = command == VFIO_USER_REGION_WRITE ? req.count : 0;

		memcpy(buf, &req, sizeof(req));
		fuzz_bytes(&fuzz, buf + sizeof(req), data);
		return sizeof(req) + data;
	}
	}
	memset(buf, 0, 32);
	buf[0] = 32;
	buf[8] = (uint8_t)fuzz_below(&fuzz, 10);
	return 32;
}

/* Then something in it is changed. */
static void mutate(uint8_t *buf, size_t *len, size_t max)
{
	uint64_t val;

	switch (fuzz_below(&fuzz, 6)) {
	case 0:
		*len = fuzz_below(&fuzz, (uint32_t)max);
		break;
	case 1:
		fuzz_bytes(&fuzz, buf, *len);
		break;
	case 2:
	case 3:
		val = fuzz_number(&fuzz);
		if (*len >= 8)
			memcpy(buf + fuzz_below(&fuzz, (uint32_t)*len / 4 - 1) * 4, &val,
			       4u << fuzz_below(&fuzz, 2));
		break;
	}
}

static bool send_one(void)
{
	static const uint8_t commands[] = { 2, 2, 2, 3, 4, 5, 7, 8, 8, 8, 9, 9, 10, 10, 10, 13 };
	struct vfio_user_header hdr = { .id = (uint16_t)fuzz_random(&fuzz) };
	unsigned int nfds = fuzz_below(&fuzz, 3) ? 0 : fuzz_below(&fuzz, 20);
	uint8_t buf[9000] = { 0 };
	int fds[20];
	size_t len;
	bool sent;

	hdr.command = fuzz_below(&fuzz, 32) ? commands[fuzz_below(&fuzz, sizeof(commands))] :
					      (uint16_t)fuzz_below(&fuzz, 40);
	len = sensible(buf, hdr.command);
	if (hdr.command == VFIO_USER_DMA_MAP && !fuzz_below(&fuzz, 4))
		nfds = 1;
	if (fuzz_below(&fuzz, 2))
		mutate(buf, &len, sizeof(buf));
	hdr.size = (uint32_t)(sizeof(hdr) + len);
	if (!fuzz_below(&fuzz, 4))
		hdr.flags = VFIO_USER_F_NO_REPLY;
	/*
	 * Sizes and flags that end the conversation: now and then, or nothing else would be tried.
	 */
	if (!fuzz_below(&fuzz, 100))
		hdr.size = (uint32_t)fuzz_number(&fuzz);
	if (!fuzz_below(&fuzz, 100))
		hdr.flags = (uint32_t)fuzz_number(&fuzz);
	for (unsigned int i = 0; i < nfds; i++) {
		fds[i] = some_fd();
		ck_assert_int_ge(fds[i], 0);
	}
	sent = client_send(&c, &hdr, buf, len, fds, nfds);
	for (unsigned int i = 0; i < nfds; i++)
		close(fds[i]);
	return sent;
}

static unsigned long resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size = 0, pages = 0;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%lu %lu", &size, &pages), 2);
	fclose(f);
	return pages * 4;
}

static void one_pass(void)
{
	struct vfio_user_opts opts = client_opts(&c);
	bool negotiate = fuzz_below(&fuzz, 8);
	pthread_t drainer;

	memset(&c, 0, sizeof(c));
	client_start(&c, &opts, negotiate);
	ck_assert_int_eq(pthread_create(&drainer, NULL, drain, NULL), 0);
	for (unsigned int i = 0; i < MESSAGES && send_one(); i++) {
		if (!fuzz_below(&fuzz, 8))
			vfio_user_irq(c.vu, fuzz_below(&fuzz, 9));
	}
	shutdown(c.fd, SHUT_WR);
	pthread_join(drainer, NULL);
	ck_assert_int_eq(c.paused, 0);
	client_stop(&c);
	ck_assert_uint_eq(c.resets[VFIO_USER_RESET_GONE], 1);
}

START_TEST(survives_messages)
{
	unsigned long memory = 0;
	unsigned int before = open_fds();

	fuzz_begin(&fuzz, "vfio-user messages", 400);
	while (fuzz_next(&fuzz)) {
		one_pass();
		ck_assert_msg(open_fds() == before, "descriptors were lost with FUZZ_SEED=%#llx",
			      (unsigned long long)fuzz.seed);
		/* The sanitizer's quarantine fills up first. */
		if (fuzz.passes == 200)
			memory = resident();
	}
	if (memory)
		ck_assert_msg(resident() < memory + 300000, "%lu KiB became %lu", memory,
			      resident());
}

/* Not even a header is right. */
START_TEST(survives_bytes)
{
	struct vfio_user_opts opts = client_opts(&c);
	uint8_t junk[4096];
	pthread_t drainer;

	fuzz_begin(&fuzz, "vfio-user bytes", 200);
	while (fuzz_next(&fuzz)) {
		memset(&c, 0, sizeof(c));
		client_start(&c, &opts, fuzz_below(&fuzz, 2));
		ck_assert_int_eq(pthread_create(&drainer, NULL, drain, NULL), 0);
		fuzz_bytes(&fuzz, junk, sizeof(junk));
		if (fuzz_below(&fuzz, 2))
			memset(junk, 0, 16);
		send(c.fd, junk, fuzz_below(&fuzz, sizeof(junk)), MSG_NOSIGNAL);
		shutdown(c.fd, SHUT_WR);
		pthread_join(drainer, NULL);
		client_stop(&c);
	}
}

int main(void)
{
	Suite *s = suite_create("vfio-user-fuzz");
	TCase *t = suite_case(s, "vfio-user-fuzz", fuzz_timeout());

	tcase_add_test(t, survives_messages);
	tcase_add_test(t, survives_bytes);
	return suite_run(s);
}
