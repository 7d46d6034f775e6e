/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * upstream_pieces [BDF]: what this project takes from the kernel as it is, shown on the kernel that
 * runs
 *
 * A cdev bound in noiommu mode, an IOAS whose memory is pinned and stays where it is, physical
 * addresses that agree with the page tables of this process, and CAP_SYS_RAWIO demanded for all of
 * it. Without BDF: the first NVMe controller, which is bound to vfio-pci. Output is TAP. As process
 * 1 it mounts what it needs and powers off at the end.
 *
 * Command line of the kernel: vfio.enable_unsafe_noiommu_mode=1
 * transparent_hugepage_shmem=within_size
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/iommufd.h>

#include <udrv/device.h>
#include <udrv/dma.h>
#include <udrv/handle.h>
#include <udrv/log.h>
#include <udrv/state.h>

#define DEVICES	    "/sys/bus/pci/devices"
#define POOL_SIZE   (8ull << 20)
#define LARGE_FOLIO (2ull << 20)
#define COMMAND_BME 4u

static int number, failures;

static const struct udrv_log stderr_log = { .fn = udrv_log_stderr,
					    .ctx = "#",
					    .level = UDRV_LOG_DEBUG };

__attribute__((format(printf, 2, 3))) static void result(int good, const char *fmt, ...)
{
	va_list ap;

	failures += !good;
	printf("%s %d - ", good ? "ok" : "not ok", ++number);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	if (n < 0)
		n = -errno;
	close(fd);
	return n < 0 ? (int)n : 0;
}

static int read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	size_t have = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (have < size - 1 && (n = read(fd, buf + have, size - 1 - have)) > 0)
		have += (size_t)n;
	close(fd);
	buf[have] = '\0';
	return n < 0 ? -EIO : 0;
}

/* A counter of /proc/vmstat, after per-CPU parts were added up. */
static long long vmstat(const char *name)
{
	static char text[65536];
	char want[64];
	const char *p;

	write_file("/proc/sys/vm/stat_refresh", "1");
	if (read_file("/proc/vmstat", text, sizeof(text)))
		return 0;
	snprintf(want, sizeof(want), "\n%s ", name);
	p = strstr(text, want);
	return p ? atoll(p + strlen(want)) : 0;
}

static long long pinned(void)
{
	return vmstat("nr_foll_pin_acquired") - vmstat("nr_foll_pin_released");
}

static int find_nvme(char bdf[16])
{
	char path[PATH_MAX], class[32];
	struct dirent *entry;
	DIR *dir = opendir(DEVICES);
	int err = -ENOENT;

	if (!dir)
		return -errno;
	while (err && (entry = readdir(dir))) {
		if (strlen(entry->d_name) >= 16)
			continue;
		snprintf(path, sizeof(path), DEVICES "/%s/class", entry->d_name);
		if (!read_file(path, class, sizeof(class)) && !strncmp(class, "0x010802", 8)) {
			strcpy(bdf, entry->d_name);
			err = 0;
		}
	}
	closedir(dir);
	return err;
}

static int bind_vfio(const char *bdf)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s/driver/unbind", bdf);
	write_file(path, bdf); /* fails when no driver is bound */
	snprintf(path, sizeof(path), DEVICES "/%s/driver_override", bdf);
	if (write_file(path, "vfio-pci"))
		return -1;
	return write_file("/sys/bus/pci/drivers_probe", bdf);
}

static uint32_t command_of(const char *bdf)
{
	uint16_t command = 0xffff;
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), DEVICES "/%s/config", bdf);
	fd = open(path, O_RDONLY);
	if (fd < 0 || pread(fd, &command, 2, 4) != 2)
		command = 0xffff;
	if (fd >= 0)
		close(fd);
	return command;
}

static int drop_rawio(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	data[0].effective &= ~(1u << CAP_SYS_RAWIO);
	data[0].permitted &= ~(1u << CAP_SYS_RAWIO);
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* The (negative) errno of @fn in a child without CAP_SYS_RAWIO. */
static int without_rawio(int (*fn)(const void *arg), const void *arg)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return 1;
	if (pid == 0) {
		int err = drop_rawio();

		_exit(err ? 255 : -fn(arg) & 255);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 1;
	return -WEXITSTATUS(status);
}

static int try_create(const void *arg)
{
	const struct udrv_handle_opts opts = {
		.size = sizeof(opts),
		.state_size = udrv_state_size(8192, 4),
		.dma_size = POOL_SIZE,
	};
	struct udrv_handle h = UDRV_HANDLE_INIT;
	int err;

	strcpy(h.name, "second");
	strcpy(h.bdf, arg);
	strcpy(h.driver, "nvme");
	err = udrv_handle_create(&h, &opts, NULL);
	udrv_handle_close(&h);
	return err;
}

static int get_pa(const struct udrv_handle *h, uint64_t off, uint64_t len, uint64_t *ret)
{
	struct iommu_ioas_noiommu_get_pa pa = {
		.size = sizeof(pa),
		.ioas_id = h->ioas_id,
		.iova = UDRV_DMA_IOVA + off,
		.length = len,
	};

	if (ioctl(h->fd[UDRV_FD_IOMMU], IOMMU_IOAS_NOIOMMU_GET_PA, &pa) < 0)
		return -errno;
	*ret = pa.out_phys;
	return 0;
}

static int try_get_pa(const void *arg)
{
	uint64_t pa;

	return get_pa(arg, 0, UDRV_DMA_PAGE, &pa);
}

/* Pages of the pool whose address is not what the page table of this process says. */
static long wrong_addresses(const struct udrv_dma *dma)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	long wrong = 0;

	if (fd < 0)
		return -1;
	for (uint64_t off = 0; off < dma->size; off += UDRV_DMA_PAGE) {
		uintptr_t va = (uintptr_t)udrv_dma_ptr(dma, off);
		uint64_t entry = 0;

		*(volatile uint8_t *)va = 1; /* there is a page table entry from here on */
		if (pread(fd, &entry, 8, (off_t)(va / UDRV_DMA_PAGE * 8)) != 8)
			entry = 0;
		/*
		 * Bit 63: present; bits 0 to 54: page frame number (Documentation/admin-
		 * guide/mm/pagemap.rst).
		 */
		if (!(entry >> 63) ||
		    (entry & ((1ull << 55) - 1)) << UDRV_DMA_PAGE_SHIFT != udrv_dma_addr(dma, off))
			wrong++;
	}
	close(fd);
	return wrong;
}

static void check_device(const struct udrv_handle *h)
{
	struct udrv_dma_run runs[UDRV_DMA_MAX_RUNS];
	struct udrv_pci_id id = { 0 };
	struct udrv_bar bar = { 0 };
	struct udrv_device *dev;
	int err, efd, nruns;
	uint64_t count = 0;

	err = udrv_handle_device(h, &stderr_log, &dev);
	result(!err, "the device of the handle opens (%d)", err);
	if (err)
		return;
	err = udrv_device_id(dev, &id);
	result(!err && id.class_code == 0x010802, "configuration space: %04x:%04x class %06x (%d)",
	       id.vendor, id.device, id.class_code, err);
	err = udrv_device_bar(dev, 0, 0x1000, &bar);
	result(!err && bar.base, "BAR 0 is mapped, %#llx bytes (%d)", (unsigned long long)bar.size,
	       err);
	if (!err)
		result(udrv_bar_read32(&bar, 8) >> 16 == 1, "register VS reads as NVMe %u.%u",
		       udrv_bar_read32(&bar, 8) >> 16, udrv_bar_read32(&bar, 8) >> 8 & 0xff);

	nruns = udrv_dma_runs(udrv_device_state(dev), runs);
	result(nruns > 0 && (unsigned int)nruns <= POOL_SIZE / LARGE_FOLIO,
	       "the pool of %llu bytes is in large folios: %d physical run(s)", POOL_SIZE, nruns);
	result(wrong_addresses(udrv_device_dma(dev)) == 0,
	       "GET_PA agrees with pagemap for every page");
	write_file("/proc/sys/vm/compact_memory", "1");
	result(wrong_addresses(udrv_device_dma(dev)) == 0, "and still does after compaction");

	efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = udrv_device_irq_arm(dev, 0, 1, &efd);
	result(!err && udrv_device_irq_count(dev) > 1, "vector 0 of %d is armed (%d)",
	       udrv_device_irq_count(dev), err);
	result(eventfd_read(efd, &count) == 0 && count == 1, "and its eventfd was signalled once");
	result(udrv_device_irq_disarm(dev) == 0, "vectors are disarmed");
	close(efd);

	err = udrv_device_bus_master(dev, true);
	result(!err && (command_of(h->bdf) & COMMAND_BME), "bus mastering goes on (%d)", err);
	udrv_device_close(dev);
}

static void check_handle(const char *bdf)
{
	const struct udrv_handle_opts opts = {
		.size = sizeof(opts),
		.state_size = udrv_state_size(8192, 4),
		.dma_size = POOL_SIZE,
	};
	struct udrv_handle h = UDRV_HANDLE_INIT, copy;
	long long before = pinned(), during;
	struct udrv_device *dev;
	int err;

	err = without_rawio(try_create, bdf);
	result(err == -EPERM, "without CAP_SYS_RAWIO the cdev does not open (%d)", err);

	strcpy(h.name, "nvme0");
	strcpy(h.bdf, bdf);
	strcpy(h.driver, "nvme");
	err = udrv_handle_create(&h, &opts, &stderr_log);
	result(!err, "a handle is made: cdev bound, pool mapped and attached (%d)", err);
	if (err)
		return;
	result(h.noiommu, "in noiommu mode");
	during = pinned();
	result(during > before, "the pool is pinned (%lld pins, %lld before)", during, before);
	result(!(command_of(bdf) & COMMAND_BME), "binding left bus mastering off");
	err = without_rawio(try_get_pa, &h);
	result(err == -EPERM, "without CAP_SYS_RAWIO GET_PA is refused (%d)", err);
	err = try_create(bdf);
	result(err == -EBUSY, "a second handle of the same device is refused (%d)", err);

	check_device(&h);

	err = udrv_handle_dup(&h, &copy);
	udrv_handle_close(&h);
	result(!err && (command_of(bdf) & COMMAND_BME),
	       "closing one of two duplicates leaves bus mastering on (%d)", err);
	if (err)
		return;
	err = udrv_handle_device(&copy, &stderr_log, &dev);
	result(!err, "the other one still opens the device (%d)", err);
	if (!err)
		udrv_device_close(dev);
	udrv_handle_close(&copy);
	result(!(command_of(bdf) & COMMAND_BME), "closing the last one turns bus mastering off");
	result(pinned() == before, "and unpins the pool (%lld pins)", pinned());
}

static void become_init(void)
{
	int fd;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	fd = open("/dev/console", O_RDWR);
	for (int i = 0; fd >= 0 && i < 3; i++)
		dup2(fd, i);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

int main(int argc, char **argv)
{
	char bdf[16] = "";
	int err = 0;

	if (getpid() == 1)
		become_init();
	if (getpid() != 1 && argc == 2 && strlen(argv[1]) < sizeof(bdf))
		strcpy(bdf, argv[1]);
	else
		err = find_nvme(bdf);
	result(!err, "an NVMe controller: %s", bdf);
	if (!err) {
		err = bind_vfio(bdf);
		result(!err, "it is bound to vfio-pci (%d)", err);
	}
	if (!err)
		check_handle(bdf);
	printf("1..%d\n# %s\n", number, failures ? "FAILED" : "passed");
	fflush(stdout);
	if (getpid() == 1) {
		sync();
		reboot(RB_POWER_OFF);
	}
	return failures != 0;
}
