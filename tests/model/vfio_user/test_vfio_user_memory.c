// SPDX-License-Identifier: BSD-2-Clause
/* Guest memory and vectors. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "tests/model/vfio_user/client.h"
#include "tests/unit/open_fds.h"
#include "tests/unit/suite.h"

#define RW  (VFIO_USER_MAP_READ | VFIO_USER_MAP_WRITE)
#define ARM (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER)
#define OFF (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER)

static struct client c;
static int mem;

static void bus_master(bool on)
{
	uint16_t command = on ? PCI_COMMAND_MASTER : 0;

	ck_assert_int_eq(client_write(&c, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, &command, 2),
			 0);
}

static void set_up(void)
{
	struct vfio_user_opts opts = client_opts(&c);

	memset(&c, 0, sizeof(c));
	mem = client_memory(0x10000);
	client_start(&c, &opts, true);
	bus_master(true);
}

static void tear_down(void)
{
	client_stop(&c);
	close(mem);
}

static void *reach(uint64_t addr, size_t *len, bool write)
{
	return vfio_user_dma(c.vu, addr, len, write);
}

START_TEST(finds_mapped_memory)
{
	size_t len = 0x10000;
	uint8_t *p, byte = 0;

	ck_assert_int_eq(client_map(&c, 0x100000, 0x4000, RW, mem, 0x2000), 0);
	ck_assert_int_eq(client_map(&c, 0x104000, 0x1000, VFIO_USER_MAP_READ, mem, 0), 0);
	ck_assert_int_eq(client_map(&c, 0, 0x1000, RW, -1, 0), 0);
	p = reach(0x100010, &len, true);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(len, 0x3ff0);
	*p = 0x5a;
	ck_assert_int_eq(pread(mem, &byte, 1, 0x2010), 1);
	ck_assert_uint_eq(byte, 0x5a);
	len = 8;
	ck_assert_ptr_nonnull(reach(0x104ff8, &len, false));
	ck_assert_uint_eq(len, 8);
	ck_assert_ptr_null(reach(0x104000, &len, true));
	ck_assert_ptr_null(reach(0, &len, false));
	ck_assert_ptr_null(reach(0xfffff, &len, false));
	ck_assert_ptr_null(reach(0x105000, &len, false));
	ck_assert_ptr_null(reach(UINT64_MAX, &len, false));
	ck_assert_uint_gt(c.pauses, 2);
}

START_TEST(finds_nothing_without_bus_mastering)
{
	size_t len = 1;

	ck_assert_int_eq(client_map(&c, 0, 0x1000, RW, mem, 0), 0);
	ck_assert_ptr_nonnull(reach(0, &len, false));
	bus_master(false);
	ck_assert_ptr_null(reach(0, &len, false));
}

START_TEST(forgets_unmapped_memory)
{
	size_t len = 1;

	for (uint64_t a = 0; a < 0x8000; a += 0x1000)
		ck_assert_int_eq(client_map(&c, a, 0x1000, RW, mem, a), 0);
	ck_assert_int_eq(client_unmap(&c, 0x2000, 0x2000, 0), 0);
	ck_assert_ptr_nonnull(reach(0x1fff, &len, false));
	ck_assert_ptr_null(reach(0x2000, &len, false));
	ck_assert_ptr_null(reach(0x3fff, &len, false));
	ck_assert_ptr_nonnull(reach(0x4000, &len, false));
	ck_assert_int_eq(client_unmap(&c, 0x2000, 0x1000, 0), -ENOENT);
	ck_assert_int_eq(client_unmap(&c, 0x4000, 0x800, 0), -EINVAL);
	ck_assert_int_eq(client_unmap(&c, 0x4000, 0, 0), -EINVAL);
	ck_assert_int_eq(client_unmap(&c, UINT64_MAX, 2, 0), -EINVAL);
	ck_assert_int_eq(client_unmap(&c, 0, 0, VFIO_USER_UNMAP_ALL), 0);
	ck_assert_ptr_null(reach(0x4000, &len, false));
	ck_assert_ptr_null(reach(0, &len, false));
}

START_TEST(refuses_wrong_mappings)
{
	ck_assert_int_eq(client_map(&c, 0x1000, 0x3000, RW, mem, 0), 0);
	ck_assert_int_eq(client_map(&c, 0x3000, 0x1000, RW, mem, 0), -EEXIST);
	ck_assert_int_eq(client_map(&c, 0, 0x2000, RW, mem, 0), -EEXIST);
	ck_assert_int_eq(client_map(&c, 0, 0x10000, RW, mem, 0), -EEXIST);
	ck_assert_int_eq(client_map(&c, 0x8000, 0, RW, mem, 0), -EINVAL);
	ck_assert_int_eq(client_map(&c, UINT64_MAX - 0xfff, 0x2000, RW, mem, 0), -EINVAL);
	ck_assert_int_eq(client_map(&c, 0x8000, 0x1000, 0xff, mem, 0), -EINVAL);
	/* To the last byte of the address space is fine. */
	ck_assert_int_eq(client_map(&c, UINT64_MAX - 0xfff, 0x1000, RW, mem, 0), 0);
}

/* It is not refused, since QEMU could not go on: it is memory that DMA does not reach. */
START_TEST(does_not_touch_memory_that_may_vanish)
{
	int loose = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t len = 1;

	ck_assert_int_eq(ftruncate(loose, 0x1000), 0);
	ck_assert_int_eq(client_map(&c, 0, 0x1000, RW, loose, 0), 0);
	ck_assert_ptr_null(reach(0, &len, false));
	ck_assert_int_eq(client_map(&c, 0x20000, 0x1000, RW, mem, 0x10000), 0);
	ck_assert_ptr_null(reach(0x20000, &len, false));
	ck_assert_int_eq(client_map(&c, 0x30000, 0x1000, RW, mem, UINT64_MAX - 0xfff), 0);
	ck_assert_ptr_null(reach(0x30000, &len, false));
	ck_assert_uint_eq(c.logs, 3);
	close(loose);
}

START_TEST(bounds_the_number_of_mappings)
{
	struct vfio_user_opts opts = client_opts(&c);
	uint64_t i;

	client_stop(&c);
	opts.max_maps = 100;
	client_start(&c, &opts, true);
	for (i = 0; i < 100; i++)
		ck_assert_int_eq(client_map(&c, i * 0x2000, 0x1000, RW, i % 2 ? mem : -1, 0), 0);
	ck_assert_int_eq(client_map(&c, i * 0x2000, 0x1000, RW, mem, 0), -ENOSPC);
	ck_assert_int_eq(client_unmap(&c, 0x2000, 0x1000, 0), 0);
	ck_assert_int_eq(client_map(&c, i * 0x2000, 0x1000, RW, -1, 0), 0);
}

/*
 * As behind an IOMMU: the file is there once, however often it is mapped, and writing is by
 * permission.
 */
START_TEST(maps_a_file_once)
{
	char path[64];
	size_t len = 1;
	uint8_t *first, *second;
	int reader;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", mem);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(reader, 0);
	ck_assert_int_eq(client_map(&c, 0, 0x1000, RW, mem, 0x3000), 0);
	ck_assert_int_eq(client_map(&c, 0x8000, 0x1000, VFIO_USER_MAP_READ, mem, 0x2000), 0);
	first = reach(0, &len, true);
	second = reach(0x8000, &len, false);
	ck_assert_ptr_eq(first, second + 0x1000);
	ck_assert_int_eq(client_map(&c, 0x10000, 0x1000, RW, reader, 0x2000), 0);
	ck_assert_ptr_null(reach(0x10000, &len, true));
	ck_assert_ptr_nonnull(reach(0x10000, &len, false));
	ck_assert_int_eq(client_unmap(&c, 0, 0x1000, 0), 0);
	ck_assert_ptr_eq(reach(0x8000, &len, false), second);
	close(reader);
}

/* Each is fine, but there is an end. */
START_TEST(bounds_the_number_of_files)
{
	size_t len = 1;

	for (uint64_t i = 0; i < 20; i++) {
		int fd = client_memory(0x1000);

		ck_assert_int_eq(client_map(&c, i << 12, 0x1000, RW, fd, 0), 0);
		close(fd);
		ck_assert(!!reach(i << 12, &len, true) == (i < 16));
	}
	ck_assert_int_eq(client_unmap(&c, 0, 0, VFIO_USER_UNMAP_ALL), 0);
	ck_assert_int_eq(client_map(&c, 0, 0x1000, RW, mem, 0), 0);
	ck_assert_ptr_nonnull(reach(0, &len, true));
}

static uint64_t count(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

START_TEST(raises_vectors)
{
	int fd[2] = { eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK) };

	ck_assert_int_eq(client_set_irqs(&c, ARM, 0, 1, NULL, 0), 0);
	ck_assert_int_eq(client_set_irqs(&c, ARM, 3, 2, fd, 2), 0);
	vfio_user_irq(c.vu, 4);
	vfio_user_irq(c.vu, 4);
	ck_assert_uint_eq(count(fd[0]), 0);
	ck_assert_uint_eq(count(fd[1]), 2);
	/* Nobody has one of these. */
	vfio_user_irq(c.vu, CLIENT_VECTORS);
	vfio_user_irq(c.vu, UINT32_MAX);
	close(fd[0]);
	close(fd[1]);
}

START_TEST(keeps_a_vector_pending_until_its_eventfd_comes)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	vfio_user_irq(c.vu, 2);
	vfio_user_irq(c.vu, 2);
	ck_assert_int_eq(client_set_irqs(&c, ARM, 2, 1, &fd, 1), 0);
	ck_assert_uint_eq(count(fd), 1);
	/* A new one replaces it; nothing is pending any more. */
	ck_assert_int_eq(client_set_irqs(&c, ARM, 2, 1, &fd, 1), 0);
	ck_assert_uint_eq(count(fd), 0);
	ck_assert_int_eq(client_set_irqs(&c, OFF, 0, 0, NULL, 0), 0);
	vfio_user_irq(c.vu, 2);
	ck_assert_uint_eq(count(fd), 0);
	close(fd);
}

START_TEST(keeps_a_vector_pending_without_bus_mastering)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	ck_assert_int_eq(client_set_irqs(&c, ARM, 0, 1, &fd, 1), 0);
	bus_master(false);
	vfio_user_irq(c.vu, 0);
	ck_assert_uint_eq(count(fd), 0);
	bus_master(true);
	ck_assert_uint_eq(count(fd), 1);
	/* A reset forgets it. */
	bus_master(false);
	vfio_user_irq(c.vu, 0);
	ck_assert_int_eq(client_call(&c, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0, NULL, NULL,
				     NULL),
			 0);
	bus_master(true);
	ck_assert_uint_eq(count(fd), 0);
	vfio_user_irq(c.vu, 0);
	ck_assert_uint_eq(count(fd), 1);
	close(fd);
}

/*
 * The thread that raises must not be stopped by a peer: a pipe, an eventfd that is full and would
 * block.
 */
START_TEST(is_not_blocked_by_a_descriptor)
{
	int pipes[2], full = eventfd(0, 0);
	uint64_t most = UINT64_MAX - 1;

	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(client_set_irqs(&c, ARM, 0, 1, &pipes[1], 1), -EINVAL);
	ck_assert_int_eq(write(full, &most, sizeof(most)), sizeof(most));
	ck_assert_int_eq(client_set_irqs(&c, ARM, 0, 1, &full, 1), 0);
	vfio_user_irq(c.vu, 0);
	ck_assert_uint_eq(count(full), most);
	close(full);
	close(pipes[0]);
	close(pipes[1]);
}

START_TEST(refuses_wrong_vectors)
{
	int fd[3] = { eventfd(0, 0), eventfd(0, 0), eventfd(0, 0) };

	ck_assert_int_eq(client_set_irqs(&c, ARM, CLIENT_VECTORS, 1, fd, 1), -EINVAL);
	ck_assert_int_eq(client_set_irqs(&c, ARM, 1, CLIENT_VECTORS, fd, 3), -EINVAL);
	ck_assert_int_eq(client_set_irqs(&c, ARM, UINT32_MAX, 2, fd, 2), -EINVAL);
	ck_assert_int_eq(client_set_irqs(&c, ARM, 0, 2, fd, 3), -EINVAL);
	ck_assert_int_eq(client_set_irqs(&c, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_MASK,
					 0, 1, fd, 1),
			 -EINVAL);
	ck_assert_int_eq(client_set_irqs(&c, VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER,
					 0, 1, NULL, 0),
			 -EINVAL);
	for (unsigned int i = 0; i < 3; i++)
		close(fd[i]);
}

/* However it ends, no descriptor of the peer stays. */
START_TEST(keeps_no_descriptors)
{
	unsigned int before;
	int fd[3];

	client_stop(&c);
	before = open_fds();
	set_up();
	for (unsigned int i = 0; i < 3; i++)
		fd[i] = eventfd(0, 0);
	ck_assert_int_eq(client_set_irqs(&c, ARM, 0, 3, fd, 3), 0);
	ck_assert_int_eq(client_set_irqs(&c, ARM, 7, 3, fd, 3), -EINVAL);
	ck_assert_int_eq(client_call(&c, VFIO_USER_DEVICE_RESET, NULL, 0, fd, 3, NULL, NULL, NULL),
			 0);
	ck_assert_int_eq(client_map(&c, 0, 0x1000, RW, mem, 0), 0);
	for (unsigned int i = 0; i < 3; i++)
		close(fd[i]);
	client_stop(&c);
	close(mem);
	ck_assert_uint_eq(open_fds(), before);
	mem = client_memory(0x1000);
}

int main(void)
{
	Suite *s = suite_create("vfio-user-memory");
	TCase *t = suite_case(s, "vfio-user-memory", 60);

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, finds_mapped_memory);
	tcase_add_test(t, finds_nothing_without_bus_mastering);
	tcase_add_test(t, forgets_unmapped_memory);
	tcase_add_test(t, refuses_wrong_mappings);
	tcase_add_test(t, does_not_touch_memory_that_may_vanish);
	tcase_add_test(t, bounds_the_number_of_mappings);
	tcase_add_test(t, maps_a_file_once);
	tcase_add_test(t, bounds_the_number_of_files);
	tcase_add_test(t, raises_vectors);
	tcase_add_test(t, keeps_a_vector_pending_until_its_eventfd_comes);
	tcase_add_test(t, keeps_a_vector_pending_without_bus_mastering);
	tcase_add_test(t, is_not_blocked_by_a_descriptor);
	tcase_add_test(t, refuses_wrong_vectors);
	tcase_add_test(t, keeps_no_descriptors);
	return suite_run(s);
}
