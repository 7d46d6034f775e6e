/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forge_identity BDF: make the state of a running device tell of another one
 *
 * Finds the state among the memfds that udrv-init (PID 1) keeps and changes the recorded PCI
 * device ID, with valid checksums. At the next adoption the device that is there is not the one
 * of the state.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <udrv/state.h>

#define KEEPER "/proc/1/fd"

static int forge(int fd, const char *bdf)
{
	struct udrv_state *st;
	const fdt32_t *id;
	const char *found;
	int node, err;
	void *fdt;

	err = udrv_state_open(fd, 0, NULL, &st);
	if (err)
		return err;

	fdt = udrv_state_edit(st);
	node = fdt ? fdt_path_offset(fdt, "/device") : -1;
	found = node < 0 ? NULL : fdt_getprop(fdt, node, "bdf", NULL);
	id = node < 0 ? NULL : fdt_getprop(fdt, node, "device", NULL);
	if (!found || !id || strcmp(found, bdf))
		err = -ENOENT;
	else if (fdt_setprop_u32(fdt, node, "device", fdt32_to_cpu(*id) ^ 1))
		err = -EIO;
	else
		err = udrv_state_commit(st);

	udrv_state_close(st);
	return err;
}

int main(int argc, char **argv)
{
	char path[300], target[64];
	struct dirent *entry;
	ssize_t n;
	DIR *dir;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: forge_identity BDF\n");
		return 2;
	}

	dir = opendir(KEEPER);
	if (!dir) {
		fprintf(stderr, "forge_identity: %s: %s\n", KEEPER, strerror(errno));
		return 1;
	}

	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", KEEPER, entry->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (strncmp(target, "/memfd:", 7))
			continue;
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = forge(fd, argv[1]);
		close(fd);
		if (!n) {
			printf("forged the identity of %s in %s\n", argv[1], target);
			return 0;
		}
	}

	fprintf(stderr, "forge_identity: no state of %s among %s\n", argv[1], KEEPER);
	return 1;
}
