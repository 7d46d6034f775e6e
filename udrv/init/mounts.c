// SPDX-License-Identifier: GPL-2.0-or-later
/* File systems that PID 1 mounts, each once: those that devices wait for, and the others. */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "udrv/common/app.h"
#include "udrv/init/init.h"

struct init_mount {
	const char *type, *dir;
	unsigned long flags;
	bool done;
};

/* With /dev/liveupdate and /dev/vfio a device can be taken over. */
static struct init_mount dev_mounts[] = {
	{ "devtmpfs", "/dev", MS_NOSUID, false },
};
/* A host that runs reads its options and listens. */
static struct init_mount other_mounts[] = {
	{ "proc", "/proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, false },
	{ "sysfs", "/sys", MS_NOSUID | MS_NOEXEC | MS_NODEV, false },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV, false },
};

static void init_mounts(struct init_mount *m, unsigned int n)
{
	for (; n; n--, m++) {
		if (m->done)
			continue;
		m->done = !mount(m->type, m->dir, m->type, m->flags, NULL) || errno == EBUSY;
		if (!m->done && errno == ENOENT && !mkdir(m->dir, 0755))
			m->done = !mount(m->type, m->dir, m->type, m->flags, NULL);
		if (!m->done)
			app_err("cannot mount %s at %s: %s (%s)", m->type, m->dir, strerror(errno),
				app_errname(errno));
	}
}

void mounts_dev(void)
{
	init_mounts(dev_mounts, sizeof(dev_mounts) / sizeof(dev_mounts[0]));
}

void mounts_other(void)
{
	init_mounts(other_mounts, sizeof(other_mounts) / sizeof(other_mounts[0]));
}
