// SPDX-License-Identifier: BSD-2-Clause
/* Handles and the VFIO backend, down to the system calls, which are a mock's. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/handle.h>
#include <udrv/state.h>

#include "tests/unit/fake_device.h"
#include "tests/unit/mock_vfio.h"
#include "udrv/lib/cdev.h"

static struct udrv_handle h;
static struct fake_log flog;
static unsigned int fds_before;

static unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void setup(void)
{
	fake_log_init(&flog);
	mock_vfio_reset();
	h = (struct udrv_handle)UDRV_HANDLE_INIT;
	strcpy(h.name, "nvme0");
	strcpy(h.bdf, "0000:01:00.0");
	strcpy(h.driver, "nvme");
	fds_before = count_fds();
}

static void teardown(void)
{
	udrv_handle_close(&h);
	ck_assert_uint_eq(count_fds(), fds_before);
}

static int create(uint64_t pool)
{
	const struct udrv_handle_opts opts = {
		.size = sizeof(opts),
		.state_size = udrv_state_size(8192, 4),
		.dma_size = pool,
		.extra_size = { 0, 5000 },
	};

	return udrv_handle_create(&h, &opts, &flog.log);
}

/* The result of opening the device; what was opened is closed again. */
static int try_device(void)
{
	struct udrv_device *dev;
	int err = udrv_handle_device(&h, &flog.log, &dev);

	if (!err)
		udrv_device_close(dev);
	return err;
}

static int adopt(void)
{
	if (h.fd[UDRV_FD_IOMMU] >= 0)
		close(h.fd[UDRV_FD_IOMMU]);
	h.fd[UDRV_FD_IOMMU] = -1;
	return udrv_handle_adopt(&h, &flog.log);
}

START_TEST(life_of_a_handle)
{
	struct udrv_dma_run runs[UDRV_DMA_MAX_RUNS];
	struct udrv_device *dev;
	struct stat sb;
	uint64_t off;

	ck_assert_int_eq(create(8 << 20), 0);
	ck_assert(h.noiommu);
	ck_assert_uint_eq(h.ioas_id, 3);
	ck_assert_int_ge(h.fd[UDRV_FD_EXTRA + 1], 0);
	ck_assert_int_eq(h.fd[UDRV_FD_EXTRA], -1);
	ck_assert_int_eq(fstat(h.fd[UDRV_FD_STATE], &sb), 0);
	ck_assert_uint_eq(sb.st_size, udrv_state_size(8192, 4));
	ck_assert_int_eq(fstat(h.fd[UDRV_FD_EXTRA + 1], &sb), 0);
	ck_assert_uint_eq(sb.st_size, 8192);

	ck_assert_int_eq(udrv_handle_device(&h, &flog.log, &dev), 0);
	ck_assert_str_eq(udrv_device_name(dev), "nvme0 (0000:01:00.0)");
	ck_assert_int_eq(udrv_state_lifecycle(udrv_device_state(dev)), UDRV_INIT);
	ck_assert_int_eq(udrv_dma_runs(udrv_device_state(dev), runs), 4);
	ck_assert_uint_eq(runs[1].addr, mock.phys_base + (2 << 20) + 0x100000);
	ck_assert_int_eq(udrv_dma_alloc(udrv_device_dma(dev), 4096, 4096, 0, 5, &off), 0);
	udrv_device_close(dev);

	/* Another process, then another kernel. */
	ck_assert_int_eq(udrv_handle_device(&h, &flog.log, &dev), 0);
	ck_assert_int_eq(udrv_dma_find(udrv_device_dma(dev), 5, &off, NULL), 0);
	udrv_device_close(dev);
	mock.binds = mock.attaches = 0;
	h.noiommu = false;
	h.ioas_id = 0;
	ck_assert_int_eq(adopt(), 0);
	ck_assert_uint_eq(mock.binds, 1);
	ck_assert_uint_eq(mock.attaches, 1);
	ck_assert(h.noiommu);
	ck_assert_uint_eq(h.ioas_id, 3);
	ck_assert_int_eq(try_device(), 0);
	ck_assert_uint_eq(mock.resets, 0);
	ck_assert_uint_eq(mock_config(4) & 0xffff, 2);
	ck_assert_uint_eq(flog.count[UDRV_LOG_ERR], 0);
}
END_TEST

START_TEST(behind_an_iommu)
{
	struct udrv_dma_run runs[UDRV_DMA_MAX_RUNS];
	struct udrv_device *dev;

	mock.noiommu = false;
	ck_assert_int_eq(create(4 << 20), 0);
	ck_assert(!h.noiommu);
	ck_assert_int_eq(udrv_handle_device(&h, &flog.log, &dev), 0);
	ck_assert_int_eq(udrv_dma_runs(udrv_device_state(dev), runs), 1);
	ck_assert_uint_eq(runs[0].addr, UDRV_DMA_IOVA);
	udrv_device_close(dev);
	ck_assert_int_eq(adopt(), 0);
	ck_assert(!h.noiommu);
	/*
	 * The next kernel has no IOMMU any more: what the device was given are not addresses there.
	 */
	mock.noiommu = true;
	ck_assert_int_eq(adopt(), 0);
	ck_assert(h.noiommu);
	ck_assert_int_eq(try_device(), -ESTALE);
}
END_TEST

START_TEST(record)
{
	struct udrv_state *st;
	const fdt64_t *sizes;
	const void *fdt;
	int node, len;

	ck_assert_int_eq(create(2 << 20), 0);
	ck_assert_int_eq(udrv_state_open(h.fd[UDRV_FD_STATE], UDRV_STATE_RDONLY, NULL, &st), 0);
	fdt = udrv_state_fdt(st);
	node = fdt_path_offset(fdt, "/device");
	ck_assert_int_ge(node, 0);
	ck_assert_str_eq(fdt_getprop(fdt, node, "bdf", NULL), "0000:01:00.0");
	ck_assert_uint_eq(fdt32_ld(fdt_getprop(fdt, node, "vendor", NULL)), 0x1b36);
	ck_assert_uint_eq(fdt32_ld(fdt_getprop(fdt, node, "device", NULL)), 0x0010);
	ck_assert_uint_eq(fdt32_ld(fdt_getprop(fdt, node, "subsystem-vendor", NULL)), 0x1af4);
	ck_assert_uint_eq(fdt32_ld(fdt_getprop(fdt, node, "subsystem", NULL)), 0x1100);
	ck_assert_uint_eq(fdt32_ld(fdt_getprop(fdt, node, "class", NULL)), 0x010802);
	ck_assert_uint_eq(fdt32_ld(fdt_getprop(fdt, node, "revision", NULL)), 2);
	sizes = fdt_getprop(fdt, node, "bar-sizes", &len);
	ck_assert_int_eq(len, 48);
	ck_assert_uint_eq(fdt64_ld(&sizes[0]), MOCK_BAR0_SIZE);
	ck_assert_uint_eq(fdt64_ld(&sizes[4]), 0x1000);
	udrv_state_close(st);
}
END_TEST

static const struct {
	unsigned long request;
	bool adopting; /* an adoption makes it; else it is made when the device is opened */
} requests[] = {
	{ VFIO_DEVICE_BIND_IOMMUFD, true },	  { IOMMU_IOAS_ALLOC, true },
	{ IOMMU_IOAS_MAP_FILE, true },		  { VFIO_DEVICE_ATTACH_IOMMUFD_PT, true },
	{ IOMMU_IOAS_NOIOMMU_GET_PA, true },	  { VFIO_DEVICE_GET_REGION_INFO, false },
	{ VFIO_DEVICE_GET_IRQ_INFO, false },
};

/* Each request that fails: the error comes back, is told, and nothing stays open. */
START_TEST(failing_requests)
{
	mock.fail_request = requests[_i].request;
	mock.fail_errno = ENOSPC;
	ck_assert_int_eq(create(2 << 20), -ENOSPC);
	ck_assert_uint_ge(flog.count[UDRV_LOG_ERR], 1);
	ck_assert_uint_eq(count_fds(), fds_before);
	mock.fail_errno = 0;
	ck_assert_int_eq(create(2 << 20), 0);
	mock.fail_errno = ENOSPC;
	if (requests[_i].adopting) {
		ck_assert_int_eq(adopt(), -ENOSPC);
		ck_assert_int_eq(h.fd[UDRV_FD_IOMMU], -1);
	} else {
		ck_assert_int_eq(adopt(), 0);
		ck_assert_int_eq(try_device(), -ENOSPC);
	}
	ck_assert_int_ge(h.fd[UDRV_FD_VFIO], 0);
	mock.fail_errno = 0;
	ck_assert_int_eq(adopt(), 0);
}
END_TEST

START_TEST(busy_and_forbidden)
{
	mock.fail_request = VFIO_DEVICE_BIND_IOMMUFD;
	mock.fail_errno = EINVAL;
	ck_assert_int_eq(create(2 << 20), -EBUSY);
	ck_assert_ptr_nonnull(strstr(flog.last, "another process has it open"));
	mock.fail_request = IOMMU_IOAS_NOIOMMU_GET_PA;
	mock.fail_errno = EPERM;
	ck_assert_int_eq(create(2 << 20), -EPERM);
	ck_assert_ptr_nonnull(strstr(flog.last, "CAP_SYS_RAWIO"));
	mock.fail_errno = 0;
	mock.chunk_pages = 1;
	ck_assert_int_eq(create(2 << 20), -EFBIG);
	ck_assert_ptr_nonnull(strstr(flog.last, "transparent_hugepage_shmem=within_size"));
	mock.chunk_pages = 512;
	mock.pa_misaligned = 1;
	ck_assert_int_eq(create(2 << 20), -EBADMSG);
	mock.pa_misaligned = 0;
	mock.pa_zero_length = 1;
	ck_assert_int_eq(create(2 << 20), -EBADMSG);
}
END_TEST

/* Anything about the device that is not as recorded. */
START_TEST(another_device)
{
	static const struct {
		unsigned int off;
		uint32_t flip;
	} facts[] = {
		{ 0x00, 0x1 },	      { 0x00, 0x10000 }, { 0x08, 0x1 },	    { 0x08, 0x100 },
		{ 0x08, 0x80000000 }, { 0x2c, 0x1 },	 { 0x2c, 0x10000 },
	};

	ck_assert_int_eq(create(4 << 20), 0);
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		mock_set_config(facts[i].off, mock_config(facts[i].off) ^ facts[i].flip);
		ck_assert_int_eq(try_device(), -ESTALE);
		/* It takes an adopted device to compare, and no adoption makes the difference go away. */
		ck_assert_int_eq(adopt(), 0);
		ck_assert_int_eq(try_device(), -ESTALE);
		mock_set_config(facts[i].off, mock_config(facts[i].off) ^ facts[i].flip);
		ck_assert_int_eq(try_device(), 0);
	}
	mock.bar_size[4] *= 2;
	ck_assert_int_eq(try_device(), -ESTALE);
	mock.bar_size[4] /= 2;
	strcpy(h.bdf, "0000:02:00.0");
	ck_assert_int_eq(try_device(), -ESTALE);
	strcpy(h.bdf, "0000:01:00.0");
	mock.phys_base += UDRV_DMA_PAGE;
	ck_assert_int_eq(try_device(), -ESTALE);
	ck_assert_ptr_nonnull(strstr(flog.last, "do not resume"));
	mock.phys_base -= UDRV_DMA_PAGE;
	mock.chunk_pages = 511;
	ck_assert_int_eq(try_device(), -ESTALE);
	mock.chunk_pages = 1;
	ck_assert_int_eq(try_device(), -ESTALE);
	mock.chunk_pages = 512;
	mock_set_config(0, 0xffffffff);
	ck_assert_int_eq(try_device(), -ENODEV);
	mock_set_config(0, 0x00101b36);
	ck_assert_int_eq(try_device(), 0);
}
END_TEST

START_TEST(damaged_record)
{
	static const char *const props[] = { "bdf", "vendor", "class", "bar-sizes", NULL };
	uint8_t *raw;

	for (int i = 0; i < 5; i++) {
		struct udrv_state *st;
		void *fdt;
		int node;

		ck_assert_int_eq(create(2 << 20), 0);
		ck_assert_int_eq(udrv_state_open(h.fd[UDRV_FD_STATE], 0, NULL, &st), 0);
		fdt = udrv_state_edit(st);
		node = fdt_path_offset(fdt, "/device");
		if (props[i])
			ck_assert_int_eq(fdt_setprop(fdt, node, props[i], "xyz", 3), 0);
		else
			ck_assert_int_eq(fdt_del_node(fdt, node), 0);
		ck_assert_int_eq(udrv_state_commit(st), 0);
		udrv_state_close(st);
		ck_assert_int_eq(try_device(), -EBADMSG);
		udrv_handle_close(&h);
	}
	ck_assert_int_eq(create(2 << 20), 0);
	raw = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, h.fd[UDRV_FD_STATE], 0);
	ck_assert_ptr_ne(raw, MAP_FAILED);
	raw[0] ^= 1;
	munmap(raw, 4096);
	ck_assert_int_eq(try_device(), -EBADMSG);
}
END_TEST

START_TEST(wrong_descriptors)
{
	int fd;

	ck_assert_int_eq(try_device(), -EINVAL);
	ck_assert_int_eq(udrv_handle_adopt(&h, &flog.log), -EINVAL);
	ck_assert_int_eq(create(2 << 20), 0);
	ck_assert_int_eq(udrv_handle_adopt(&h, &flog.log), -EINVAL); /* it is complete */
	/* Memory that somebody could shrink under us is not mapped. */
	fd = h.fd[UDRV_FD_STATE];
	h.fd[UDRV_FD_STATE] = memfd_create("unsealed", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(h.fd[UDRV_FD_STATE], 65536), 0);
	ck_assert_int_eq(try_device(), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(flog.last, "fixed size"));
	close(h.fd[UDRV_FD_STATE]);
	h.fd[UDRV_FD_STATE] = fd;
	fd = h.fd[UDRV_FD_DMA];
	h.fd[UDRV_FD_DMA] = h.fd[UDRV_FD_STATE];
	ck_assert_int_lt(try_device(), 0);
	h.fd[UDRV_FD_DMA] = fd;
	ck_assert_int_eq(try_device(), 0);
}
END_TEST

START_TEST(bad_arguments)
{
	struct udrv_handle_opts opts = { .size = sizeof(opts), .state_size = 65536, .dma_size = 1 };
	struct udrv_handle good = h;

	strcpy(h.name, "Nvme0");
	ck_assert_int_eq(udrv_handle_create(&h, &opts, &flog.log), -EINVAL);
	h = good;
	memset(h.name, 'a', sizeof(h.name));
	ck_assert_int_eq(udrv_handle_create(&h, &opts, &flog.log), -EINVAL);
	h = good;
	memset(h.driver, 'a', sizeof(h.driver));
	ck_assert_int_eq(udrv_handle_create(&h, &opts, &flog.log), -EINVAL);
	h = good;
	h.size = 8;
	ck_assert_int_eq(udrv_handle_create(&h, &opts, &flog.log), -EINVAL);
	h = good;
	h.policy = (enum udrv_policy)9;
	ck_assert_int_eq(udrv_handle_create(&h, &opts, &flog.log), -EINVAL);
	h = good;
	opts.dma_size = 0;
	ck_assert_int_eq(udrv_handle_create(&h, &opts, &flog.log), -EINVAL);
	opts.dma_size = 1;
	opts.state_size = 4096; /* too small for any state */
	ck_assert_int_eq(udrv_handle_create(&h, &opts, &flog.log), -EINVAL);
	opts.state_size = udrv_state_size(0, 0); /* no room for the book */
	ck_assert_int_eq(udrv_handle_create(&h, &opts, &flog.log), -ENOSPC);
}
END_TEST

START_TEST(bars)
{
	struct udrv_device *dev;
	struct udrv_bar bar, again;
	uint32_t val;

	ck_assert_int_eq(create(2 << 20), 0);
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
	udrv_device_close(dev);
}

START_TEST(sparse_bars)
{
	struct udrv_device *dev;
	struct udrv_bar bar;

	ck_assert_int_eq(create(2 << 20), 0);
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

	ck_assert_int_eq(create(2 << 20), 0);
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

	ck_assert_int_eq(create(2 << 20), 0);
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

/* A sysfs and a /dev of files, for finding the cdev of an address. */
static void make_tree(const char *root, const char *driver, const char *vfio, const char *node)
{
	char cmd[1200];

	snprintf(
		cmd, sizeof(cmd),
		"rm -rf %1$s/* && mkdir -p %1$s/bus/pci/devices/0000:01:00.0 %1$s/vfio/devices %1$s/drivers/%2$s && "
		"{ [ -z '%2$s' ] || ln -s ../../../../drivers/%2$s %1$s/bus/pci/devices/0000:01:00.0/driver; } && "
		"{ [ -z '%3$s' ] || mkdir -p %1$s/bus/pci/devices/0000:01:00.0/vfio-dev/%3$s; } && "
		"{ [ -z '%4$s' ] || : > %1$s/vfio/devices/%4$s; }",
		root, driver, vfio, node);
	ck_assert_int_eq(system(cmd), 0);
}

START_TEST(finding_the_cdev)
{
	char root[] = "/tmp/udrv-test-XXXXXX", want[300], cmd[64];
	struct udrv_cdev_path cdev = { 0 };

	ck_assert_ptr_nonnull(mkdtemp(root));
	make_tree(root, "vfio-pci", "noiommu-vfio3", "noiommu-vfio3");
	ck_assert_int_eq(udrv_cdev_find(root, root, "0000:01:00.0", &flog.log, &cdev), 0);
	snprintf(want, sizeof(want), "%s/vfio/devices/noiommu-vfio3", root);
	ck_assert_str_eq(cdev.node, want);
	ck_assert(cdev.noiommu);
	make_tree(root, "vfio-pci", "vfio12", "vfio12");
	ck_assert_int_eq(udrv_cdev_find(root, root, "0000:01:00.0", &flog.log, &cdev), 0);
	ck_assert(!cdev.noiommu);

	ck_assert_int_eq(udrv_cdev_find(root, root, "0000:02:00.0", &flog.log, &cdev), -ENODEV);
	ck_assert_ptr_nonnull(strstr(flog.last, "no such PCI device"));
	ck_assert_int_eq(udrv_cdev_find(root, root, "../../x", &flog.log, &cdev), -ENODEV);
	make_tree(root, "vfio-pci", "vfio12", "");
	ck_assert_int_eq(udrv_cdev_find(root, root, "0000:01:00.0", &flog.log, &cdev), -ENODEV);
	ck_assert_ptr_nonnull(strstr(flog.last, "devtmpfs"));
	make_tree(root, "vfio-pci", "", "");
	ck_assert_int_eq(udrv_cdev_find(root, root, "0000:01:00.0", &flog.log, &cdev), -ENODEV);
	ck_assert_ptr_nonnull(strstr(flog.last, "enable_unsafe_noiommu_mode"));
	make_tree(root, "nvme", "", "");
	ck_assert_int_eq(udrv_cdev_find(root, root, "0000:01:00.0", &flog.log, &cdev), -ENODEV);
	ck_assert_ptr_nonnull(strstr(flog.last, "driver nvme is bound"));
	make_tree(root, "", "", "");
	ck_assert_int_eq(udrv_cdev_find(root, root, "0000:01:00.0", &flog.log, &cdev), -ENODEV);
	ck_assert_ptr_nonnull(strstr(flog.last, "no driver is bound"));
	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	ck_assert_int_eq(system(cmd), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("handle");
	TCase *tc = tcase_create("handle");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, life_of_a_handle);
	tcase_add_test(tc, behind_an_iommu);
	tcase_add_test(tc, record);
	tcase_add_loop_test(tc, failing_requests, 0, sizeof(requests) / sizeof(requests[0]));
	tcase_add_test(tc, busy_and_forbidden);
	tcase_add_test(tc, another_device);
	tcase_add_test(tc, damaged_record);
	tcase_add_test(tc, wrong_descriptors);
	tcase_add_test(tc, bad_arguments);
	tcase_add_test(tc, bars);
	tcase_add_test(tc, sparse_bars);
	tcase_add_test(tc, interrupts);
	tcase_add_test(tc, configuration_space);
	tcase_add_test(tc, backends_of_another_size);
	tcase_add_test(tc, finding_the_cdev);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
