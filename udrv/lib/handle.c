// SPDX-License-Identifier: BSD-2-Clause
/* Handles as plain data: checks, duplicates, closing. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <udrv/proto.h>

#include "udrv/lib/handle_internal.h"

int udrv_handle_check(const struct udrv_handle *h, const struct udrv_log *log)
{
	if (h->size != sizeof(*h)) {
		udrv_log(log, UDRV_LOG_ERR,
			 "handle: size is %zu, this library's is %zu: use UDRV_HANDLE_INIT",
			 h->size, sizeof(*h));
		return -EINVAL;
	}
	if (!udrv_name_valid(h->name)) {
		udrv_log(log, UDRV_LOG_ERR,
			 "handle: \"%.31s\" is no name: a lower case letter, then up to 30 of a-z, 0-9 and -",
			 h->name);
		return -EINVAL;
	}
	if (!memchr(h->driver, '\0', sizeof(h->driver))) {
		udrv_log(log, UDRV_LOG_ERR, "%s: the driver's name does not end", h->name);
		return -EINVAL;
	}
	if (!udrv_bdf_valid(h->bdf) || h->policy > UDRV_DETACH) {
		udrv_log(log, UDRV_LOG_ERR, "%s: PCI address \"%.15s\" or policy %d is invalid",
			 h->name, h->bdf, (int)h->policy);
		return -EINVAL;
	}
	return 0;
}

void udrv_handle_close(struct udrv_handle *h)
{
	/* VFIO first: closing it quiesces the device, whose memory must still be there. */
	for (int i = 0; i < UDRV_HANDLE_FDS; i++) {
		if (h->fd[i] >= 0)
			close(h->fd[i]);
		h->fd[i] = -1;
	}
}

int udrv_handle_dup(const struct udrv_handle *h, struct udrv_handle *ret)
{
	struct udrv_handle copy = *h;
	int err;

	for (int i = 0; i < UDRV_HANDLE_FDS; i++)
		copy.fd[i] = -1;
	for (int i = 0; i < UDRV_HANDLE_FDS; i++) {
		if (h->fd[i] < 0)
			continue;
		copy.fd[i] = fcntl(h->fd[i], F_DUPFD_CLOEXEC, 3);
		if (copy.fd[i] < 0) {
			err = -errno;
			udrv_handle_close(&copy);
			return err;
		}
	}
	*ret = copy;
	return 0;
}
