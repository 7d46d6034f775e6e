// SPDX-License-Identifier: BSD-2-Clause
#include <check.h>
#include <dirent.h>

#include "tests/unit/open_fds.h"

unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}
