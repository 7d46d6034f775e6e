// SPDX-License-Identifier: GPL-2.0-or-later
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "udrv/agent/fdstore.h"
#include "udrv/common/app.h"
#include "udrv/lib/crc32c.h"

#define META_MAGIC 0x4d445246u /* "FRDM" */
#define SEALS	   (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define HEX	   "0123456789abcdef"
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789-"

/* Contents of the part "meta"; little endian. @crc is of what follows it. */
struct meta {
	uint32_t magic;
	uint32_t crc;
	struct udrv_wire_handle handle;
};

static const char *const parts[FDSTORE_PARTS] = {
	[UDRV_FD_VFIO] = "vfio",	[UDRV_FD_IOMMU] = "iommu",
	[UDRV_FD_STATE] = "state",	[UDRV_FD_DMA] = "dma",
	[UDRV_FD_EXTRA] = "extra0",	[UDRV_FD_EXTRA + 1] = "extra1",
	[UDRV_FD_EXTRA + 2] = "extra2", [UDRV_FD_EXTRA + 3] = "extra3",
	[FDSTORE_META] = "meta",
};
_Static_assert(UDRV_FD_EXTRA + 4 == FDSTORE_META, "each of a handle's descriptors has a name");

int fdstore_boot(char ret[FDSTORE_BOOT_LEN + 1])
{
	char text[64];
	int err = app_read_file("/proc/sys/kernel/random/boot_id", text, sizeof(text));

	if (err < 0)
		return err;
	if (strspn(text, HEX) < FDSTORE_BOOT_LEN)
		return -EBADMSG;
	memcpy(ret, text, FDSTORE_BOOT_LEN);
	ret[FDSTORE_BOOT_LEN] = '\0';
	return 0;
}

int fdstore_name_format(const struct fdstore_name *n, char *buf, size_t size)
{
	int len;

	if (!n->name[0] || n->name[strspn(n->name, NAME_CHARS)])
		return -EINVAL;
	len = snprintf(buf, size, "%s/%" PRIu64 "/%s%s%s", n->boot, n->seq, n->name,
		       n->part < 0 ? "" : "/", n->part < 0 ? "" : parts[n->part]);
	return len < 0 || (size_t)len >= size ? -E2BIG : 0;
}

int fdstore_name_parse(const char *text, struct fdstore_name *ret)
{
	struct fdstore_name n = { .part = -1 };
	char *end;
	size_t len;

	if (strspn(text, HEX) != FDSTORE_BOOT_LEN || text[FDSTORE_BOOT_LEN] != '/')
		return -EBADMSG;
	memcpy(n.boot, text, FDSTORE_BOOT_LEN);
	text += FDSTORE_BOOT_LEN + 1;
	if (*text < '0' || *text > '9')
		return -EBADMSG;
	errno = 0;
	n.seq = strtoull(text, &end, 10);
	if (errno || *end != '/')
		return -EBADMSG;
	text = end + 1;
	len = strspn(text, NAME_CHARS);
	if (!len || len >= sizeof(n.name))
		return -EBADMSG;
	memcpy(n.name, text, len);
	text += len;
	if (*text) {
		if (*text++ != '/')
			return -EBADMSG;
		for (int i = 0; i < FDSTORE_PARTS; i++)
			if (!strcmp(text, parts[i]))
				n.part = i;
		if (n.part < 0)
			return -EBADMSG;
	}
	*ret = n;
	return 0;
}

static uint32_t meta_crc(const struct meta *m)
{
	return udrv_crc32c(0, &m->handle, sizeof(m->handle));
}

int fdstore_meta_create(const struct udrv_handle *h)
{
	static struct udrv_msg msg;
	struct meta m = { .magic = htole32(META_MAGIC) };
	int err, fd;

	udrv_msg_init(&msg, UDRV_MSG_HANDLE, 0);
	err = udrv_msg_set_handle(&msg, h);
	if (err)
		return err;
	memcpy(&m.handle, msg.data, sizeof(m.handle));
	m.crc = htole32(meta_crc(&m));
	fd = memfd_create("udrv-handle", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (pwrite(fd, &m, sizeof(m), 0) != sizeof(m) || fcntl(fd, F_ADD_SEALS, SEALS)) {
		err = errno ? -errno : -EIO;
		close(fd);
		return err;
	}
	return fd;
}

int fdstore_meta_read(int meta, const int fd[UDRV_HANDLE_FDS], struct udrv_handle *ret)
{
	static struct udrv_msg msg;
	uint32_t mask = 0;
	struct meta m;
	char more;

	if (pread(meta, &m, sizeof(m), 0) != sizeof(m) || pread(meta, &more, 1, sizeof(m)) != 0 ||
	    le32toh(m.magic) != META_MAGIC || le32toh(m.crc) != meta_crc(&m))
		return -EBADMSG;
	udrv_msg_init(&msg, UDRV_MSG_HANDLE, 0);
	for (unsigned int i = 0; i < UDRV_HANDLE_FDS; i++) {
		if (fd[i] < 0)
			continue;
		mask |= 1u << i;
		msg.fd[msg.nfds++] = fd[i];
	}
	if (le32toh(m.handle.fd_mask) != mask)
		return -EBADMSG;
	memcpy(msg.data, &m.handle, sizeof(m.handle));
	msg.len = sizeof(m.handle);
	return udrv_msg_take_handle(&msg, ret);
}
