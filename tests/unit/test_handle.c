// SPDX-License-Identifier: BSD-2-Clause
/* Handles: made, opened, adopted; and refused where device or memory is not the recorded one. */
#include <check.h>
#include <errno.h>
#include <libfdt.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/state.h>

#include "tests/unit/handle_fixture.h"
#include "tests/unit/open_fds.h"
#include "tests/unit/suite.h"

START_TEST(life_of_a_handle)
{
	struct udrv_dma_run runs[UDRV_DMA_MAX_RUNS];
	struct udrv_device *dev;
	struct stat sb;
	uint64_t off;

	ck_assert_int_eq(handle_create(8 << 20), 0);
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
	ck_assert_int_eq(handle_adopt(), 0);
	ck_assert_uint_eq(mock.binds, 1);
	ck_assert_uint_eq(mock.attaches, 1);
	ck_assert(h.noiommu);
	/* Somebody else has bound it, and not lived to attach it. */
	mock.bound = true;
	ck_assert_int_eq(handle_adopt(), 0);
	ck_assert_uint_eq(mock.binds, 1);
	ck_assert_uint_eq(mock.attaches, 2);
	ck_assert_int_eq(handle_try_device(), 0);
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
	ck_assert_int_eq(handle_create(4 << 20), 0);
	ck_assert(!h.noiommu);
	ck_assert_int_eq(udrv_handle_device(&h, &flog.log, &dev), 0);
	ck_assert_int_eq(udrv_dma_runs(udrv_device_state(dev), runs), 1);
	ck_assert_uint_eq(runs[0].addr, UDRV_DMA_IOVA);
	udrv_device_close(dev);
	ck_assert_int_eq(handle_adopt(), 0);
	ck_assert(!h.noiommu);
	/*
	 * The next kernel has no IOMMU any more: what the device was given are not addresses there.
	 */
	mock.noiommu = true;
	ck_assert_int_eq(handle_adopt(), 0);
	ck_assert(h.noiommu);
	ck_assert_int_eq(handle_try_device(), -ESTALE);
}
END_TEST

START_TEST(record)
{
	struct udrv_state *st;
	const fdt64_t *sizes;
	const void *fdt;
	int node, len;

	ck_assert_int_eq(handle_create(2 << 20), 0);
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
	int adopt, open; /* what adopting the handle, and opening its device, say if it fails */
} requests[] = {
	{ IOMMU_IOAS_ALLOC, 0, 0 },
	{ IOMMU_IOAS_MAP_FILE, 0, 0 },
	{ VFIO_DEVICE_BIND_IOMMUFD, -ENOSPC, 0 },
	{ VFIO_DEVICE_ATTACH_IOMMUFD_PT, -ENOSPC, 0 },
	{ IOMMU_IOAS_NOIOMMU_GET_PA, -ENOSPC, -ENOSPC },
	{ VFIO_DEVICE_GET_REGION_INFO, 0, -ENOSPC },
	{ VFIO_DEVICE_GET_IRQ_INFO, 0, -ENOSPC },
};

/* Each request that fails: the error comes back, is told, and nothing stays open. */
START_TEST(failing_requests)
{
	mock.fail_request = requests[_i].request;
	mock.fail_errno = ENOSPC;
	ck_assert_int_eq(handle_create(2 << 20), -ENOSPC);
	ck_assert_uint_ge(flog.count[UDRV_LOG_ERR], 1);
	ck_assert_uint_eq(open_fds(), fds_before);
	mock.fail_errno = 0;
	ck_assert_int_eq(handle_create(2 << 20), 0);
	mock.fail_errno = ENOSPC;
	ck_assert_int_eq(handle_adopt(), requests[_i].adopt);
	ck_assert_int_eq(handle_try_device(), requests[_i].open);
	ck_assert_int_ge(h.fd[UDRV_FD_VFIO], 0);
	mock.fail_errno = 0;
	ck_assert_int_eq(handle_adopt(), 0);
}
END_TEST

START_TEST(busy_and_forbidden)
{
	mock.fail_request = VFIO_DEVICE_BIND_IOMMUFD;
	mock.fail_errno = EINVAL;
	ck_assert_int_eq(handle_create(2 << 20), -EBUSY);
	ck_assert_ptr_nonnull(strstr(flog.last, "another process has it open"));
	mock.fail_request = IOMMU_IOAS_NOIOMMU_GET_PA;
	mock.fail_errno = EPERM;
	ck_assert_int_eq(handle_create(2 << 20), -EPERM);
	ck_assert_ptr_nonnull(strstr(flog.last, "CAP_SYS_RAWIO"));
	mock.fail_errno = 0;
	mock.chunk_pages = 1;
	ck_assert_int_eq(handle_create(2 << 20), -EFBIG);
	ck_assert_ptr_nonnull(strstr(flog.last, "transparent_hugepage_shmem=within_size"));
	mock.chunk_pages = 512;
	mock.pa_misaligned = 1;
	ck_assert_int_eq(handle_create(2 << 20), -EBADMSG);
	mock.pa_misaligned = 0;
	mock.pa_zero_length = 1;
	ck_assert_int_eq(handle_create(2 << 20), -EBADMSG);
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

	ck_assert_int_eq(handle_create(4 << 20), 0);
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		mock_set_config(facts[i].off, mock_config(facts[i].off) ^ facts[i].flip);
		ck_assert_int_eq(handle_try_device(), -ESTALE);
		/*
		 * It takes an adopted device to compare, and no adoption
		 * makes the difference go away.
		 */
		ck_assert_int_eq(handle_adopt(), 0);
		ck_assert_int_eq(handle_try_device(), -ESTALE);
		mock_set_config(facts[i].off, mock_config(facts[i].off) ^ facts[i].flip);
		ck_assert_int_eq(handle_try_device(), 0);
	}
	mock.bar_size[4] *= 2;
	ck_assert_int_eq(handle_try_device(), -ESTALE);
	mock.bar_size[4] /= 2;
	strcpy(h.bdf, "0000:02:00.0");
	ck_assert_int_eq(handle_try_device(), -ESTALE);
	strcpy(h.bdf, "0000:01:00.0");
	mock.phys_base += UDRV_DMA_PAGE;
	ck_assert_int_eq(handle_try_device(), -ESTALE);
	ck_assert_ptr_nonnull(strstr(flog.last, "do not resume"));
	mock.phys_base -= UDRV_DMA_PAGE;
	mock.chunk_pages = 511;
	ck_assert_int_eq(handle_try_device(), -ESTALE);
	mock.chunk_pages = 1;
	ck_assert_int_eq(handle_try_device(), -ESTALE);
	mock.chunk_pages = 512;
	mock_set_config(0, 0xffffffff);
	ck_assert_int_eq(handle_try_device(), -ENODEV);
	mock_set_config(0, 0x00101b36);
	ck_assert_int_eq(handle_try_device(), 0);
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

		ck_assert_int_eq(handle_create(2 << 20), 0);
		ck_assert_int_eq(udrv_state_open(h.fd[UDRV_FD_STATE], 0, NULL, &st), 0);
		fdt = udrv_state_edit(st);
		node = fdt_path_offset(fdt, "/device");
		if (props[i])
			ck_assert_int_eq(fdt_setprop(fdt, node, props[i], "xyz", 3), 0);
		else
			ck_assert_int_eq(fdt_del_node(fdt, node), 0);
		ck_assert_int_eq(udrv_state_commit(st), 0);
		udrv_state_close(st);
		ck_assert_int_eq(handle_try_device(), -EBADMSG);
		udrv_handle_close(&h);
	}
	ck_assert_int_eq(handle_create(2 << 20), 0);
	raw = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, h.fd[UDRV_FD_STATE], 0);
	ck_assert_ptr_ne(raw, MAP_FAILED);
	raw[0] ^= 1;
	munmap(raw, 4096);
	ck_assert_int_eq(handle_try_device(), -EBADMSG);
}
END_TEST

START_TEST(wrong_descriptors)
{
	int fd;

	ck_assert_int_eq(handle_try_device(), -EINVAL);
	ck_assert_int_eq(udrv_handle_adopt(&h, &flog.log), -EINVAL);
	ck_assert_int_eq(handle_create(2 << 20), 0);
	fd = h.fd[UDRV_FD_IOMMU];
	h.fd[UDRV_FD_IOMMU] = -1;
	ck_assert_int_eq(udrv_handle_adopt(&h, &flog.log), -EINVAL);
	h.fd[UDRV_FD_IOMMU] = fd;
	/* Memory that somebody could shrink under us is not mapped. */
	fd = h.fd[UDRV_FD_STATE];
	h.fd[UDRV_FD_STATE] = memfd_create("unsealed", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(h.fd[UDRV_FD_STATE], 65536), 0);
	ck_assert_int_eq(handle_try_device(), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(flog.last, "fixed size"));
	close(h.fd[UDRV_FD_STATE]);
	h.fd[UDRV_FD_STATE] = fd;
	fd = h.fd[UDRV_FD_DMA];
	h.fd[UDRV_FD_DMA] = h.fd[UDRV_FD_STATE];
	ck_assert_int_lt(handle_try_device(), 0);
	h.fd[UDRV_FD_DMA] = fd;
	ck_assert_int_eq(handle_try_device(), 0);
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

int main(void)
{
	Suite *suite = suite_create("handle");
	TCase *tc = suite_case(suite, "handle", 60);

	tcase_add_checked_fixture(tc, handle_setup, handle_teardown);
	tcase_add_test(tc, life_of_a_handle);
	tcase_add_test(tc, behind_an_iommu);
	tcase_add_test(tc, record);
	tcase_add_loop_test(tc, failing_requests, 0, sizeof(requests) / sizeof(requests[0]));
	tcase_add_test(tc, busy_and_forbidden);
	tcase_add_test(tc, another_device);
	tcase_add_test(tc, damaged_record);
	tcase_add_test(tc, wrong_descriptors);
	tcase_add_test(tc, bad_arguments);
	return suite_run(suite);
}
