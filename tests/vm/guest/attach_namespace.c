/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attach_namespace DEVICE attach|detach NSID CNTLID: Namespace Attachment (NVMe Base 2.0, 5.14)
 *
 * Asked of DEVICE, the one controller that Linux's own driver has; CNTLID is another one of its
 * subsystem, which is told of the change by an event.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/nvme_ioctl.h>

#define NAMESPACE_ATTACHMENT 0x15

int main(int argc, char **argv)
{
	static uint16_t list[2048] __attribute__((aligned(4096))) = { 1 };
	struct nvme_admin_cmd cmd = {
		.opcode = NAMESPACE_ATTACHMENT,
		.addr = (uintptr_t)list,
		.data_len = sizeof(list),
	};
	int fd, status;

	if (argc != 5 || (strcmp(argv[2], "attach") && strcmp(argv[2], "detach"))) {
		fprintf(stderr, "usage: attach_namespace DEVICE attach|detach NSID CNTLID\n");
		return 2;
	}
	cmd.nsid = (uint32_t)atoi(argv[3]);
	cmd.cdw10 = !strcmp(argv[2], "detach");
	list[1] = (uint16_t)atoi(argv[4]);
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		fprintf(stderr, "attach_namespace: open %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	status = ioctl(fd, NVME_IOCTL_ADMIN_CMD, &cmd);
	if (status < 0)
		fprintf(stderr, "attach_namespace: %s\n", strerror(errno));
	else if (status)
		fprintf(stderr, "attach_namespace: status %#x\n", (unsigned int)status);
	return status != 0;
}
