/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that nobody takes over: they are stopped, and their memory is nobody else's before that.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guards.h"
#include "session.h"
#include "sysfs.h"
#include "tap.h"

#define COMPLETION_SECONDS 20

static void check_stopped(const char *bdf, const char *when)
{
	struct device again;

	tap(!(pci_command(bdf) & PCI_COMMAND_BME), "%s: %s is no bus master", when, bdf);
	tap(!(pci_register(bdf, NVME_CC) & NVME_CC_EN), "%s: it was reset", when);
	tap_is(device_open(&again, bdf, HUGE_PAGE), 0, "%s: its cdev opens", when);
	device_close(&again);
}

bool check_forgotten(struct world *w)
{
	const char *bdf = w->bdf[FORGOTTEN];
	int session = session_retrieve(w->luo, session_names[FORGOTTEN]);

	tap(pci_register(bdf, NVME_CC) & NVME_CC_EN, "forgotten: %s runs", bdf);
	if (!tap_need(session, "retrieve the session of %s", bdf))
		return false;
	tap_is(session_finish(session), 0, "forgotten: finish before anything is retrieved");
	tap_is(session_retrieve_fd(session, TOKEN_MEMORY(FORGOTTEN)), -ENOENT,
	       "finished: retrieve the memory");
	close(session);
	check_stopped(bdf, "finished");
	return true;
}

/* As much memory as there is to be had, each page with its own address in it. */
static uint64_t *take_memory(size_t *pages)
{
	struct sysinfo info;
	uint64_t *memory;

	if (sysinfo(&info))
		return NULL;
	*pages = (size_t)info.freeram / info.mem_unit / PAGE * 7 / 8;
	memory = mmap(NULL, *pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (memory == MAP_FAILED)
		return NULL;
	for (size_t i = 0; i < *pages * PAGE / sizeof(*memory); i++)
		memory[i] = (uintptr_t)&memory[i];
	return memory;
}

static size_t changed(const uint64_t *memory, size_t pages)
{
	size_t count = 0;

	for (size_t i = 0; i < pages * PAGE / sizeof(*memory); i++)
		count += memory[i] != (uintptr_t)&memory[i];
	return count;
}

static bool wait_completions(const struct device *dev)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	time_t end = time(NULL) + COMPLETION_SECONDS;

	/* The vector is masked, so there is nothing else to wait for. */
	while (device_completions(dev->pool, dev->size) < IDENTIFY_MAX) {
		if (time(NULL) > end)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/*
 * Runs in a process that dies without finishing the session. It lets go of the memory in every way
 * that it has, takes all the memory that the kernel has to give, and has the device write to what
 * it was given.
 */
static bool be_orphaned(struct world *w, struct device *dev)
{
	int session = session_retrieve(w->luo, session_names[ORPHAN]);
	unsigned int written = 0;
	uint64_t *memory;
	size_t pages = 0;

	dev->memory = session_retrieve_fd(session, TOKEN_MEMORY(ORPHAN));
	dev->iommu = session_retrieve_fd(session, TOKEN_IOMMU(ORPHAN));
	dev->cdev = session_retrieve_fd(session, TOKEN_CDEV(ORPHAN));
	if (!tap_need(dev->memory, "retrieve the memory of %s", dev->bdf) ||
	    !tap_need(dev->iommu, "retrieve its iommufd") ||
	    !tap_need(dev->cdev, "retrieve its cdev") || !tap_need(device_bind(dev), "bind it"))
		return false;
	for (unsigned int i = 0; i < IDENTIFY_MAX; i++)
		if (memory_punch(dev->memory, i * PAGE) != -EPERM)
			tap(false, "orphan: punch page %u of the memfd", i);
	tap_is(memory_resize(dev->memory, PAGE), -EPERM, "orphan: truncate the memfd");
	close(dev->memory);
	tap_is(device_destroy(dev, ((struct record *)w->dev[KEPT].pool)->ioas[ORPHAN]), -EBUSY,
	       "orphan: destroy the IOAS");
	close(dev->iommu);

	memory = take_memory(&pages);
	if (!tap_need(memory ? 0 : -ENOMEM, "take memory") ||
	    !tap_need(device_ring(dev->bdf, IDENTIFY_MAX), "ring the doorbell of %s", dev->bdf))
		return false;
	dev->memory = session_retrieve_fd(session, TOKEN_MEMORY(ORPHAN));
	tap_is(dev->memory, 0, "orphan: retrieve the memfd once more");
	dev->pool = memory_map(dev->memory, dev->size);
	if (!tap_need(dev->pool ? 0 : -ENOMEM, "map it"))
		return false;
	tap(wait_completions(dev), "orphan: the device goes on");
	for (unsigned int i = 0; i < IDENTIFY_MAX; i++)
		written += device_identified(dev->pool, i);
	tap(written == IDENTIFY_MAX, "orphan: it has written to its memory (%u pages)", written);
	tap(changed(memory, pages) == 0, "orphan: and to nothing else of %zu MiB", pages >> 8);
	return true;
}

bool check_orphan(struct world *w)
{
	struct device *dev = &w->dev[ORPHAN];
	int begin = tap_number(), status = -1;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		bool done = be_orphaned(w, dev);
		int shared = tap_share(begin);

		_exit(done ? shared : 127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) == 127)
		return tap_need(-ECHILD, "let a process die that has retrieved %s", dev->bdf);
	tap_take(WEXITSTATUS(status));
	check_stopped(dev->bdf, "dead");
	return true;
}
