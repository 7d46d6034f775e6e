// SPDX-License-Identifier: BSD-2-Clause
/* The VFIO backend, down to the system calls: BARs, interrupts, configuration space, reset. */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/vfio.h>

#include <udrv/device.h>

#include "tests/unit/handle_fixture.h"
#include "tests/unit/suite.h"

START_TEST(bars)
{
	struct udrv_device *dev;
	struct udrv_bar bar, again;
	uint32_t val;

	ck_assert_int_eq(handle_create(2 << 20), 0);
	ck_assert_int_eq(udrv_handle_device(&h, &flog.log, &dev), 0);
	ck_assert_int_eq(udrv_device_bar(dev, 0, 0x1000, &bar), 0);
	ck_assert_ptr_nonnull((void *)(uintptr_t)bar.base);
	ck_assert_uint_eq(bar.size, MOCK_BAR0_SIZE);
	udrv_bar_write32(&bar, 0x14, 0x12345678);
	ck_assert_int_eq(pread(h.fd[UDRV_FD_VFIO], &val, 4, MOCK_BAR_OFF(0) + 0x14), 4);
	ck_assert_uint_eq(val, 0x12345678);
	udrv_bar_write64(&bar, 0x28, 0x1122334455667788);
	ck_assert_uint_eq(udrv_bar_read64(&bar, 0x28), 0x1122334455667788);
	ck_assert_int_eq(udrv_device_bar(dev, 0, 0, &again), 0);
	ck_assert_ptr_eq((void *)(uintptr_t)again.base, (void *)(uintptr_t)bar.base);
	ck_assert_int_eq(udrv_device_bar(dev, 0, MOCK_BAR0_SIZE + 1, &again), -EINVAL);
	ck_assert_int_eq(udrv_device_bar(dev, 1, 0, &again), -ENOENT);
	ck_assert_int_eq(udrv_device_bar(dev, 6, 0, &again), -ENOENT);
	udrv_device_close(dev);
}
END_TEST

/* Parts mapped, parts not, all of them registers. */
static void check_split(unsigned int nareas)
{
	struct udrv_device *dev;
	struct udrv_bar bar;
	uint64_t val64;
	uint32_t val;

	mock.nareas = nareas;
	ck_assert_int_eq(udrv_handle_device(&h, &flog.log, &dev), 0);
	ck_assert_int_eq(udrv_device_bar(dev, 0, MOCK_BAR0_SIZE, &bar), 0);
	ck_assert_ptr_null((void *)(uintptr_t)bar.base);
	for (uint64_t off = 0; off < MOCK_BAR0_SIZE; off += 0x3fc) {
		udrv_bar_write32(&bar, off & ~3ull, (uint32_t)off ^ nareas);
		ck_assert_int_eq(pread(h.fd[UDRV_FD_VFIO], &val, 4,
				       (off_t)(MOCK_BAR_OFF(0) + (off & ~3ull))),
				 4);
		ck_assert_uint_eq(val, (uint32_t)off ^ nareas);
		ck_assert_uint_eq(udrv_bar_read32(&bar, off & ~3ull), (uint32_t)off ^ nareas);
	}
	for (uint64_t off = 0; off < MOCK_BAR0_SIZE; off += 0x3f8) {
		uint64_t want = (off | 0x8000000000000001) * 0x100000003;

		udrv_bar_write64_once(&bar, off, want);
		ck_assert_int_eq(pread(h.fd[UDRV_FD_VFIO], &val64, 8,
				       (off_t)(MOCK_BAR_OFF(0) + off)),
				 8);
		ck_assert_uint_eq(val64, want);
	}
	udrv_device_close(dev);
}

START_TEST(sparse_bars)
{
	struct udrv_device *dev;
	struct udrv_bar bar;

	ck_assert_int_eq(handle_create(2 << 20), 0);
	mock.area[0].off = 0;
	mock.area[0].size = 0x1000;
	mock.area[1].off = 0x2000;
	mock.area[1].size = 0x2000;
	mock.area[2].size = 0;
	check_split(1);
	check_split(2);
	check_split(3);
	mock.bar_flags &= ~(uint32_t)VFIO_REGION_INFO_FLAG_MMAP;
	check_split(0);
	mock.bar_flags |= VFIO_REGION_INFO_FLAG_MMAP;

	/* One area that is the whole BAR is as good as none. */
	mock.area[0].size = MOCK_BAR0_SIZE;
	mock.nareas = 1;
	ck_assert_int_eq(udrv_handle_device(&h, &flog.log, &dev), 0);
	ck_assert_int_eq(udrv_device_bar(dev, 0, 0, &bar), 0);
	ck_assert_ptr_nonnull((void *)(uintptr_t)bar.base);
	udrv_device_close(dev);

	/* Areas outside of the BAR, lists longer than the answer, chains that turn back. */
	mock.area[0].off = MOCK_BAR0_SIZE;
	mock.area[0].size = 0x1000;
	ck_assert_int_eq(udrv_handle_device(&h, &flog.log, &dev), 0);
	ck_assert_int_eq(udrv_device_bar(dev, 0, 0, &bar), -EBADMSG);
	mock.area[0].off = UINT64_MAX - 0xfff;
	ck_assert_int_eq(udrv_device_bar(dev, 0, 0, &bar), -EBADMSG);
	mock.claimed_areas = 0x10000000;
	ck_assert_int_eq(udrv_device_bar(dev, 0, 0, &bar),
			 0); /* no capability that one could use */
	udrv_device_close(dev);
	mock.claimed_areas = 0;
	for (mock.cap_next = 1; mock.cap_next < 200; mock.cap_next++) {
		ck_assert_int_eq(udrv_handle_device(&h, &flog.log, &dev), 0);
		ck_assert_int_le(udrv_device_bar(dev, 0, 0, &bar), 0);
		udrv_device_close(dev);
	}
}
END_TEST

START_TEST(interrupts)
{
	struct udrv_device *dev;
	int fds[3] = { eventfd(0, EFD_NONBLOCK), -1, eventfd(0, EFD_NONBLOCK) };
	uint64_t count;

	ck_assert_int_eq(handle_create(2 << 20), 0);
	ck_assert_int_eq(udrv_handle_device(&h, &flog.log, &dev), 0);
	ck_assert_int_eq(udrv_device_irq_count(dev), 8);
	ck_assert_int_eq(udrv_device_irq_arm(dev, 1, 3, fds), 0);
	ck_assert_uint_eq(mock.irq_flags, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER);
	ck_assert_uint_eq(mock.irq_start, 1);
	ck_assert_uint_eq(mock.irq_count, 3);
	ck_assert_int_eq(memcmp(mock.irq_fd, fds, sizeof(fds)), 0);
	ck_assert_int_eq(eventfd_read(fds[0], &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(eventfd_read(fds[2], &count), 0);
	ck_assert_int_eq(udrv_device_irq_arm(dev, 8, 1, fds), -EINVAL);
	ck_assert_int_eq(udrv_device_irq_arm(dev, 7, 2, fds), -EINVAL);
	ck_assert_int_eq(udrv_device_irq_arm(dev, 1, UINT32_MAX, fds), -EINVAL);
	ck_assert_int_eq(udrv_device_irq_arm(dev, 0, 0, fds), -EINVAL);
	mock.fail_request = VFIO_DEVICE_SET_IRQS;
	mock.fail_errno = EBUSY;
	ck_assert_int_eq(udrv_device_irq_arm(dev, 0, 1, fds), -EBUSY);
	ck_assert_int_eq(eventfd_read(fds[0], &count), -1); /* not armed, not signalled */
	mock.fail_errno = 0;
	ck_assert_int_eq(udrv_device_irq_disarm(dev), 0);
	ck_assert_uint_eq(mock.irq_count, 0);
	ck_assert_uint_eq(mock.irq_flags, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER);
	udrv_device_close(dev);
	close(fds[0]);
	close(fds[2]);
}
END_TEST

START_TEST(configuration_space)
{
	struct udrv_device *dev;
	struct udrv_pci_id id;
	uint32_t val;

	ck_assert_int_eq(handle_create(2 << 20), 0);
	ck_assert_int_eq(udrv_handle_device(&h, &flog.log, &dev), 0);
	ck_assert_int_eq(udrv_device_id(dev, &id), 0);
	ck_assert_uint_eq(id.vendor, 0x1b36);
	ck_assert_uint_eq(id.device, 0x0010);
	ck_assert_uint_eq(id.class_code, 0x010802);
	ck_assert_uint_eq(id.revision, 2);
	ck_assert_int_eq(udrv_device_config_read(dev, 0x0b, 1, &val), 0);
	ck_assert_uint_eq(val, 1);
	ck_assert_int_eq(udrv_device_config_read(dev, 0x01, 2, &val), -EINVAL);
	ck_assert_int_eq(udrv_device_config_read(dev, 4096, 1, &val), -EINVAL);
	ck_assert_int_eq(udrv_device_config_read(dev, 0, 3, &val), -EINVAL);
	ck_assert_int_eq(udrv_device_config_read(dev, 0, 8, &val), -EINVAL);
	ck_assert_int_eq(udrv_device_config_write(dev, 0x3c, 1, 0x1aa), 0);
	ck_assert_uint_eq(mock_config(0x3c), 0xaa);
	ck_assert_int_eq(udrv_device_bus_master(dev, true), 0);
	ck_assert_uint_eq(mock_config(4), 0x00100006); /* the status register is not written */
	ck_assert_int_eq(udrv_device_bus_master(dev, false), 0);
	ck_assert_uint_eq(mock_config(4), 0x00100002);
	ck_assert_int_eq(udrv_device_reset(dev), 0);
	ck_assert_uint_eq(mock.resets, 1);
	mock.fail_request = VFIO_DEVICE_RESET;
	mock.fail_errno = EINVAL;
	ck_assert_int_eq(udrv_device_reset(dev), -EOPNOTSUPP);
	mock.fail_errno = EBUSY;
	ck_assert_int_eq(udrv_device_reset(dev), -EBUSY);
	udrv_device_close(dev);
}
END_TEST

START_TEST(backends_of_another_size)
{
	struct udrv_device_ops ops = { .size = offsetof(struct udrv_device_ops, bar_map) };
	struct udrv_device *dev;
	int fd = 0;

	ck_assert_int_eq(udrv_device_create("x", &ops, NULL, NULL, NULL, NULL, &dev), -EINVAL);
	memset(&ops, 0xff, sizeof(ops)); /* members beyond the size are not looked at */
	ops.size = offsetof(struct udrv_device_ops, config_write);
	ck_assert_int_eq(udrv_device_create("x", &ops, NULL, NULL, NULL, NULL, &dev), 0);
	ck_assert_int_eq(udrv_device_irq_count(dev), 0);
	ck_assert_int_eq(udrv_device_irq_arm(dev, 0, 1, &fd), -EINVAL);
	ck_assert_int_eq(udrv_device_irq_disarm(dev), 0);
	ck_assert_int_eq(udrv_device_reset(dev), -EOPNOTSUPP);
	ck_assert_int_eq(udrv_device_config_write(dev, 0, 4, 0), -EOPNOTSUPP);
	udrv_device_close(dev);
	udrv_device_close(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vfio");
	TCase *tc = suite_case(suite, "vfio", 60);

	tcase_add_checked_fixture(tc, handle_setup, handle_teardown);
	tcase_add_test(tc, bars);
	tcase_add_test(tc, sparse_bars);
	tcase_add_test(tc, interrupts);
	tcase_add_test(tc, configuration_space);
	tcase_add_test(tc, backends_of_another_size);
	return suite_run(suite);
}
