// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "tests/model/net/csum.h"
#include "tests/model/net/lso.h"

#define IPV6_HLEN 40

#define TCP_FIN	  0x01
#define TCP_SYN	  0x02
#define TCP_RST	  0x04
#define TCP_PSH	  0x08
#define TCP_URG	  0x20
#define TCP_CWR	  0x80

static const char *refuse(const struct net_frame *f, uint16_t mss)
{
	if (!f->payload || f->protocol != NET_IP_TCP)
		return "large send: not a TCP segment";
	if (f->payload > NET_LSO_HEADERS_MAX)
		return "large send: more than 256 bytes of headers";
	if (!mss)
		return "large send: segment size 0";
	if (f->payload + (size_t)mss > NET_FRAME_MAX)
		return "large send: segments are longer than a frame can be";
	if (f->data[f->l4 + 13] & (TCP_SYN | TCP_RST | TCP_URG))
		return "large send: SYN, RST or URG is set";
	return NULL;
}

/*
 * Makes the headers of segment @n, whose payload starts @done bytes into that of the large send,
 * its own.
 */
static int finish_segment(uint8_t *seg, size_t len, const struct net_frame *large, unsigned int n,
			  size_t done, bool last)
{
	uint8_t *ip = seg + large->l3, *tcp = seg + large->l4;
	struct net_frame f;

	net_put32(tcp + 4, net_get32(tcp + 4) + (uint32_t)done);
	if (!last)
		tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (n)
		tcp[13] &= (uint8_t)~TCP_CWR;
	if (large->ip_version == 4) {
		net_put16(ip + 2, (uint16_t)(len - large->l3));
		net_put16(ip + 4, (uint16_t)(net_get16(ip + 4) + n));
	} else {
		net_put16(ip + 4, (uint16_t)(len - large->l3 - IPV6_HLEN));
	}
	net_parse(&f, seg, len, false);
	if (f.payload != large->payload)
		return -EINVAL;
	if (f.ip_version == 4)
		net_put16(ip + 10, net_csum_ipv4(&f));
	net_put16(tcp + 16, net_csum_l4(&f));
	return 0;
}

int net_lso(struct net_backend *b, uint8_t *frame, const struct net_frame *f, uint16_t mss,
	    struct net_tx_result *result)
{
	uint8_t headers[NET_LSO_HEADERS_MAX];
	size_t done = 0, left = f->len - f->payload;
	unsigned int n = 0;

	result->error = refuse(f, mss);
	if (result->error)
		return -EINVAL;
	memcpy(headers, frame, f->payload);
	do {
		size_t size = left < mss ? left : mss;
		uint8_t *seg = frame + done;
		int err;

		memcpy(seg, headers, f->payload);
		err = finish_segment(seg, f->payload + size, f, n++, done, size == left);
		if (err) {
			result->error = "large send: its headers make no segment";
			return err;
		}
		err = net_tx_deliver(b, seg, f->payload + size, result);
		if (err)
			return err;
		done += size;
		left -= size;
	} while (left);
	return 0;
}
