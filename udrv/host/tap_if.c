// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "udrv/host/tap_if.h"

#define TUN_DEVICE "/dev/net/tun"
#define FLAGS	   (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE | IFF_NO_CARRIER)
#define OFFLOADS   (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)

bool tap_if_possible(void)
{
	return !access(TUN_DEVICE, R_OK | W_OK);
}

static int call(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

/* Any socket will do for what goes by the name. */
static int call_by_name(unsigned long request, struct ifreq *ifr)
{
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err;

	if (sock < 0)
		return -errno;
	err = call(sock, request, ifr);
	close(sock);
	return err;
}

static void set_name(struct ifreq *ifr, const char *name)
{
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
}

/* One with another address is somebody else's. */
static bool is_ours(const char *name, const uint8_t mac[6])
{
	struct ifreq ifr = { 0 };

	set_name(&ifr, name);
	return !call_by_name(SIOCGIFHWADDR, &ifr) && ifr.ifr_hwaddr.sa_family == ARPHRD_ETHER &&
	       !memcmp(ifr.ifr_hwaddr.sa_data, mac, 6);
}

static int open_queue(const char *name, unsigned int flags, int *ret)
{
	struct ifreq ifr = { .ifr_flags = (short)(FLAGS | flags) };
	int fd, err;

	set_name(&ifr, name);
	fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = call(fd, TUNSETIFF, &ifr);
	if (err) {
		close(fd);
		return err;
	}
	*ret = fd;
	return 0;
}

/* The first queue makes the interface, or is added to one that nobody serves. */
static int open_queues(const char *name, unsigned int flags, unsigned int n, int *fds)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < n && !err; i++)
		err = open_queue(name, i ? 0 : flags, &fds[i]);
	if (err)
		i--;
	else if (ioctl(fds[0], TUNSETOFFLOAD, (unsigned long)OFFLOADS) < 0)
		err = -errno;
	while (err && i)
		close(fds[--i]);
	return err;
}

static int set_up(const char *name, int fd, const uint8_t mac[6], unsigned int mtu)
{
	struct ifreq ifr = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };
	int err;

	set_name(&ifr, name);
	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	err = call(fd, SIOCSIFHWADDR, &ifr);
	if (err)
		return err;
	ifr.ifr_mtu = (int)mtu;
	err = call_by_name(SIOCSIFMTU, &ifr);
	if (err)
		return err;
	/* The last step: what is not complete goes with its descriptors. */
	return ioctl(fd, TUNSETPERSIST, 1ul) < 0 ? -errno : 0;
}

/* To ask for the address of one that is not there has the kernel look for a module of that name. */
static bool exists(const char *name)
{
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found;

	if (sock < 0)
		return false;
	found = !setsockopt(sock, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name) + 1);
	close(sock);
	return found;
}

int tap_if_take_over(const char *name, const uint8_t mac[6], unsigned int n, int *fds)
{
	return exists(name) && is_ours(name, mac) ? open_queues(name, 0, n, fds) : -ENODEV;
}

int tap_if_open(const char *name, const uint8_t mac[6], unsigned int mtu, unsigned int n, int *fds)
{
	int err;

	err = open_queues(name, IFF_TUN_EXCL, n, fds);
	if (err == -EBUSY && is_ours(name, mac))
		return open_queues(name, 0, n, fds);
	if (err)
		return err;
	err = set_up(name, fds[0], mac, mtu);
	while (err && n)
		close(fds[--n]);
	return err;
}

int tap_if_carrier(int fd, bool on)
{
	int val = on;

	return call(fd, TUNSETCARRIER, &val);
}
