// SPDX-License-Identifier: GPL-2.0-or-later
/* What PID 1 does once the devices run: nothing here may delay an update's blackout. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "udrv/common/app.h"
#include "udrv/init/init.h"

static void late_mounts(const char *share)
{
	mkdir("/dev/pts", 0755);
	mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=0620,ptmxmode=0666");
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	if (!*share)
		return;
	mkdir("/host", 0755);
	if (mount(share, "/host", "9p", 0, "trans=virtio,version=9p2000.L,msize=262144"))
		app_err("cannot mount the share '%s' at /host: %s (%s)", share, strerror(errno),
			app_errname(errno));
}

/* A terminal that passes bytes through: a script at the other end must not get its own words back.
 */
static void late_shell(const char *tty, bool first)
{
	char path[64];
	/* As a script, although it is a terminal: no banner, no prompt, no job control. */
	char *const argv[] = { "sh", path, NULL };
	char *const envp[] = { "PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/", "TERM=dumb",
			       "PS1=", NULL };
	struct termios t;
	int fd;

	setsid();
	snprintf(path, sizeof(path), "/dev/%s", tty);
	fd = open(path, O_RDWR);
	if (fd < 0) {
		app_err("cannot open %s for the shell: %s (%s)", path, strerror(errno),
			app_errname(errno));
		return;
	}
	ioctl(fd, TIOCSCTTY, 1);
	if (!tcgetattr(fd, &t)) {
		t.c_lflag &= ~(tcflag_t)ECHO;
		t.c_oflag &= ~(tcflag_t)OPOST;
		tcsetattr(fd, TCSANOW, &t);
	}
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
	/* Once in each kernel: whoever waits for it is not told again when a shell was merely
	 * replaced. */
	if (first)
		dprintf(STDOUT_FILENO, "udrv-shell: ready\n");
	execve("/bin/busybox", argv, envp);
	dprintf(STDERR_FILENO, "udrv-init: cannot start /bin/busybox: %s\n", strerror(errno));
}

pid_t late_start(bool first)
{
	char share[64], tty[32];
	pid_t pid;

	if (!app_param(app_cmdline(), "udrv.share", share, sizeof(share)))
		share[0] = '\0';
	if (!app_param(app_cmdline(), "udrv.shell", tty, sizeof(tty)))
		tty[0] = '\0';
	if (!first && !*tty)
		return 0;
	/* A share or a terminal may let it wait for ever: custody must not stay open with it. */
	pid = app_fork(NULL, 0);
	if (pid)
		return pid < 0 ? -errno : pid;
	if (first)
		late_mounts(share);
	if (*tty)
		late_shell(tty, first);
	_exit(*tty ? APP_FAILED : APP_OK);
}
