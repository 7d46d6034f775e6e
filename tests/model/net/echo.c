// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/model/net/backend.h"
#include "tests/model/net/csum.h"

#define QUEUE		      1024 /* answers that may wait */

#define ARP_REQUEST	      1
#define ARP_REPLY	      2
#define ARP_LEN		      28
#define ICMP_ECHO_REPLY	      0
#define ICMP_ECHO	      8
#define ICMPV6_ECHO	      128
#define ICMPV6_ECHO_REPLY     129
#define ND_SOLICIT	      135
#define ND_ADVERT	      136
#define ND_LEN		      24 /* without options */
#define ND_OPT_TARGET	      2
#define ND_SOLICITED_OVERRIDE 0x60000000u

struct answer {
	uint8_t *frame;
	size_t len;
};

struct echo {
	struct net_backend backend;
	struct answer queue[QUEUE];
	unsigned int head, count;
};

static const uint8_t echo_mac[NET_ETH_ALEN] = { 2, 0, 0, 0, 0, 2 };
static const uint8_t repeater_mac[NET_ETH_ALEN] = { 2, 0, 0, 0, 0, 0x40 };

static struct echo *to_echo(struct net_backend *b)
{
	return (struct echo *)b;
}

static void swap(uint8_t *a, uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t t = a[i];

		a[i] = b[i];
		b[i] = t;
	}
}

static bool zeroes(const uint8_t *p, size_t len)
{
	while (len--)
		if (*p++)
			return false;
	return true;
}

/* What follows makes a request, all of it in @p, the answer to itself; false: there is none. */

static bool answer_arp(const struct net_frame *f, uint8_t *p)
{
	static const uint8_t ethernet_ipv4[] = { 0, 1, 8, 0, 6, 4, 0, ARP_REQUEST };
	uint8_t *arp = p + f->l3;

	if (f->len - f->l3 < ARP_LEN || memcmp(arp, ethernet_ipv4, sizeof(ethernet_ipv4)))
		return false;
	/*
	 * A probe or an announcement (RFC 5227): who answered would say that the address is taken.
	 */
	if (zeroes(arp + 14, 4) || !memcmp(arp + 14, arp + 24, 4))
		return false;
	arp[7] = ARP_REPLY;
	swap(arp + 8, arp + 18, 10);
	memcpy(arp + 8, echo_mac, NET_ETH_ALEN);
	return true;
}

/*
 * The advertisement is as long as a solicitation with its option of a link-layer address, which it
 * must have.
 */
static bool answer_solicitation(const struct net_frame *f, uint8_t *p)
{
	uint8_t *ip = p + f->l3, *nd = p + f->l4;

	if (f->l4 != f->l3 + 40 || f->end - f->l4 != ND_LEN + 8 || zeroes(ip + 8, 16))
		return false;
	memcpy(ip + 24, ip + 8, 16);
	memcpy(ip + 8, nd + 8, 16);
	nd[0] = ND_ADVERT;
	net_put32(nd + 4, ND_SOLICITED_OVERRIDE);
	nd[ND_LEN] = ND_OPT_TARGET;
	nd[ND_LEN + 1] = 1;
	memcpy(nd + ND_LEN + 2, echo_mac, NET_ETH_ALEN);
	return true;
}

static bool answer_datagram(const struct net_frame *f, uint8_t *p)
{
	uint8_t *l4 = p + f->l4;

	switch (f->protocol) {
	case NET_IP_UDP:
		swap(l4, l4 + 2, 2);
		break;
	case NET_IP_ICMP:
		if (l4[0] != ICMP_ECHO || f->ip_version != 4)
			return false;
		l4[0] = ICMP_ECHO_REPLY;
		break;
	case NET_IP_ICMPV6:
		if (l4[0] != ICMPV6_ECHO || f->ip_version != 6)
			return false;
		l4[0] = ICMPV6_ECHO_REPLY;
		break;
	default:
		return false;
	}
	if (f->ip_version == 4)
		swap(p + f->l3 + 12, p + f->l3 + 16, 4);
	else
		swap(p + f->l3 + 8, p + f->l3 + 24, 16);
	return true;
}

static bool udp_without_checksum(const struct net_frame *f)
{
	return f->ip_version == 4 && f->protocol == NET_IP_UDP && !net_get16(f->data + f->l4 + 6);
}

static bool checksums_ok(const struct net_frame *f)
{
	return (f->ip_version != 4 || net_csum_ipv4_ok(f)) &&
	       (udp_without_checksum(f) || net_csum_l4_ok(f));
}

static bool for_repeater(const uint8_t *frame)
{
	return !memcmp(frame, repeater_mac, NET_ETH_ALEN);
}

static bool answer(const struct net_frame *f, uint8_t *p)
{
	bool repeated = f->protocol == NET_IP_UDP && for_repeater(p);
	bool for_us = !memcmp(p, echo_mac, NET_ETH_ALEN), any = p[0] & 1;

	if (f->ethertype == NET_ETH_ARP)
		return (for_us || any) && answer_arp(f, p);
	if (!f->l4 || !checksums_ok(f))
		return false;
	if (f->ip_version == 6 && f->protocol == NET_IP_ICMPV6 && p[f->l4] == ND_SOLICIT) {
		if (!(for_us || any) || !answer_solicitation(f, p))
			return false;
	} else if (!(for_us || repeated) || !answer_datagram(f, p)) {
		return false;
	}
	/* Exchanged addresses and ports sum up to what they did; ICMP's type has changed. */
	if (!udp_without_checksum(f))
		net_put16(p + f->l4 + net_csum_offset(f->protocol), net_csum_l4(f));
	return true;
}

/* Owns the answer. */
static int queue(struct echo *e, uint8_t *p, size_t len)
{
	uint64_t one = 1;

	if (e->count == QUEUE) {
		/* The request has arrived; it is the answer that is lost. */
		free(p);
		return 0;
	}
	e->queue[(e->head + e->count++) % QUEUE] = (struct answer){ p, len };
	if (e->count == 1 && write(e->backend.fd, &one, sizeof(one)) < 0)
		return -errno;
	return 0;
}

static int queue_copies(struct echo *e, const uint8_t *answer, size_t len, unsigned int n)
{
	int err = 0;

	while (n-- && !err) {
		uint8_t *p = malloc(len);

		if (!p)
			return -ENOBUFS;
		memcpy(p, answer, len);
		err = queue(e, p, len);
	}
	return err;
}

static int echo_send(struct net_backend *b, const uint8_t *frame, size_t len)
{
	struct echo *e = to_echo(b);
	struct net_frame f;
	bool repeated;
	uint8_t *p;
	int err = 0;

	if (len < NET_ETH_HLEN || len > NET_FRAME_MAX)
		return -EMSGSIZE;
	repeated = for_repeater(frame);
	p = malloc(len);
	if (!p)
		return -ENOBUFS;
	memcpy(p, frame, len);
	if (net_parse(&f, p, len, false) || !answer(&f, p)) {
		free(p);
		return 0;
	}
	memcpy(p, p + NET_ETH_ALEN, NET_ETH_ALEN);
	memcpy(p + NET_ETH_ALEN, repeated ? repeater_mac : echo_mac, NET_ETH_ALEN);
	if (repeated)
		err = queue_copies(e, p, len, NET_ECHO_REPEATS - 1);
	if (err) {
		free(p);
		return err;
	}
	return queue(e, p, len);
}

static ssize_t echo_receive(struct net_backend *b, uint8_t *frame, size_t size)
{
	struct echo *e = to_echo(b);
	struct answer *a = &e->queue[e->head];
	uint64_t n;
	size_t len;

	if (!e->count)
		return -EAGAIN;
	len = a->len < size ? a->len : size;
	memcpy(frame, a->frame, len);
	free(a->frame);
	e->head = (e->head + 1) % QUEUE;
	if (--e->count == 0 && read(b->fd, &n, sizeof(n)) < 0)
		return -errno;
	return (ssize_t)len;
}

static void echo_close(struct net_backend *b)
{
	struct echo *e = to_echo(b);

	for (; e->count; e->count--) {
		free(e->queue[e->head].frame);
		e->head = (e->head + 1) % QUEUE;
	}
	close(b->fd);
	free(e);
}

static const struct net_backend_ops echo_ops = {
	.name = "echo",
	.send = echo_send,
	.receive = echo_receive,
	.close = echo_close,
};

int net_echo_open(struct net_backend **ret)
{
	struct echo *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	e->backend.ops = &echo_ops;
	e->backend.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (e->backend.fd < 0) {
		err = -errno;
		free(e);
		return err;
	}
	*ret = &e->backend;
	return 0;
}
