/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls on TAP interfaces. */
#ifndef UDRV_HOST_TAP_IF_H
#define UDRV_HOST_TAP_IF_H

#include <stdbool.h>
#include <stdint.h>

/** tap_if_possible() - does this kernel have TAP interfaces? */
bool tap_if_possible(void);

/**
 * tap_if_open() - make an interface with @n queues, or take over the one
 * that a predecessor has left
 * @name: shorter than IFNAMSIZ
 * @mac: of the interface; how a predecessor's is told from somebody else's
 * @mtu: of a new one. One that is there keeps what its users have set
 * @fds: one for each queue, non-blocking: frames with a struct virtio_net_hdr in front. It offers
 *	checksums and large sends of TCP, has no carrier yet, and stays without one when all are
 *	closed: only the kernel's end, or somebody who deletes it, ends it
 *
 * Return: 0; -EBUSY: somebody else has an interface of that name; -errno. No
 * descriptor is open then.
 */
int tap_if_open(const char *name, const uint8_t mac[6], unsigned int mtu, unsigned int n, int *fds);

/**
 * tap_if_take_over() - as tap_if_open(), but make none
 *
 * Takes little time. Return: 0; -ENODEV: a predecessor has left none; -errno.
 */
int tap_if_take_over(const char *name, const uint8_t mac[6], unsigned int n, int *fds);

/** tap_if_carrier() - does it have a link? -errno */
int tap_if_carrier(int fd, bool on);

#endif
