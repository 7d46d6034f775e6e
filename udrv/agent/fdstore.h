/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the agent leaves in systemd's fd store, as data. The store keeps descriptors under names and
 * nothing else, each of them once, and in no order:
 *
 *	BOOT/SEQUENCE/NAME		a descriptor
 *	BOOT/SEQUENCE/NAME/PART		one of a handle's
 *
 * BOOT is the beginning of the kernel's boot id: after a kexec only the session is of use of what
 * an earlier kernel's agent has put there. SEQUENCE rises, so that something new can be put under a
 * NAME before the old one is removed. A handle's PART "meta" is put last: a handle without it was
 * never put completely.
 */
#ifndef UDRV_AGENT_FDSTORE_H
#define UDRV_AGENT_FDSTORE_H

#include <stddef.h>
#include <stdint.h>

#include <udrv/handle.h>
#include <udrv/proto.h>

#define FDSTORE_BOOT_LEN 8

/**
 * FDSTORE_META - number of the part that describes a handle; the others' are
 * those of enum udrv_handle_fd
 */
#define FDSTORE_META  UDRV_HANDLE_FDS
#define FDSTORE_PARTS (UDRV_HANDLE_FDS + 1)

/**
 * struct fdstore_name - a name in the store
 * @part: of a handle; -1: it is no handle's
 */
struct fdstore_name {
	char boot[FDSTORE_BOOT_LEN + 1];
	uint64_t seq;
	char name[UDRV_NAME_MAX + 1];
	int part;
};

/** fdstore_boot() - this kernel's BOOT; -errno */
int fdstore_boot(char ret[FDSTORE_BOOT_LEN + 1]);

/**
 * fdstore_name_format() - as text; -EINVAL: @n->name has characters that a
 * name must not have; -E2BIG
 */
int fdstore_name_format(const struct fdstore_name *n, char *buf, size_t size);

/** fdstore_name_parse() - -EBADMSG: none of ours */
int fdstore_name_parse(const char *text, struct fdstore_name *ret);

/** fdstore_meta_create() - a sealed memfd that describes a handle; -EINVAL, -errno */
int fdstore_meta_create(const struct udrv_handle *h);

/**
 * fdstore_meta_read() - put a handle together
 * @meta: of fdstore_meta_create(), or anything else
 * @fd: what there is of its other parts, -1 for none; owned by @ret afterwards
 *
 * Return: 0; -EBADMSG: damaged, or not of these descriptors. @ret and @fd are untouched then.
 */
int fdstore_meta_read(int meta, const int fd[UDRV_HANDLE_FDS], struct udrv_handle *ret);

#endif
