// SPDX-License-Identifier: BSD-2-Clause
#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/apps/handle_fixture.h"

int temp(void)
{
	int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	return fd;
}

ino_t inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

struct udrv_handle make_handle(const char *name)
{
	struct udrv_handle h = UDRV_HANDLE_INIT;

	strcpy(h.name, name);
	strcpy(h.bdf, "0000:01:00.0");
	strcpy(h.driver, "nvme");
	h.noiommu = true;
	h.ioas_id = 3;
	h.fd[UDRV_FD_VFIO] = temp();
	h.fd[UDRV_FD_STATE] = temp();
	h.fd[UDRV_FD_DMA] = temp();
	h.fd[UDRV_FD_EXTRA + 1] = temp();
	return h;
}
