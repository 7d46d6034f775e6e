// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include <udrv/mana.h>

#include "udrv/host/tap_vnet.h"

#define VLAN_HLEN   4u
#define IPV4_HLEN   20u
#define IPV6_HLEN   40u
#define TCP_HLEN    20u
#define TCP_CSUM    16u			    /* where the checksum is in the header */
#define TCP_NOT_CUT (0x02u | 0x04u | 0x20u) /* SYN, RST, URG: they are not to be repeated */
#define UDP_CSUM    6u
#define HEAD	    256u /* more than all headers that are looked at have */
#define LSO_MAX	    (65535u + ETH_HLEN)

/*
 * struct headers - a plain IP datagram in Ethernet: whole, and without headers between
 * IP's and the transport's
 * @v6: or IPv4
 * @l4: where the transport header begins
 * @exact: the datagram ends where the frame does
 */
struct headers {
	uint8_t byte[HEAD];
	uint32_t n;
	bool v6;
	bool exact;
	uint8_t protocol;
	uint16_t l4;
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Ones' complement sums are the same in any byte order, as long as it is one (RFC 1071 2). */
static uint64_t sum_add(uint64_t sum, const uint8_t *p, uint32_t len)
{
	uint16_t last = 0;
	uint32_t word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	for (; len >= sizeof(last); p += sizeof(last), len -= sizeof(last)) {
		memcpy(&last, p, sizeof(last));
		sum += last;
	}
	last = 0;
	memcpy(&last, p, len);
	return sum + last;
}

static uint16_t sum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static bool find_headers(const uint8_t *frame, uint32_t len, struct headers *h)
{
	const uint8_t *ip = h->byte + ETH_HLEN;
	uint32_t hlen, total;

	h->n = len < HEAD ? len : HEAD;
	memcpy(h->byte, frame, h->n);
	switch (get16(h->byte + 2 * ETH_ALEN)) {
	case ETH_P_IP:
		if (h->n < ETH_HLEN + IPV4_HLEN || ip[0] >> 4 != 4)
			return false;
		hlen = (ip[0] & 0xfu) * 4;
		if (hlen < IPV4_HLEN || h->n < ETH_HLEN + hlen || get16(ip + 6) & 0x3fff)
			return false;
		total = get16(ip + 2);
		h->protocol = ip[9];
		h->v6 = false;
		break;
	case ETH_P_IPV6:
		if (h->n < ETH_HLEN + IPV6_HLEN || ip[0] >> 4 != 6)
			return false;
		hlen = IPV6_HLEN;
		total = IPV6_HLEN + get16(ip + 4);
		h->protocol = ip[6];
		h->v6 = true;
		break;
	default:
		return false;
	}
	h->l4 = (uint16_t)(ETH_HLEN + hlen);
	h->exact = ETH_HLEN + total == len;
	return true;
}

/*
 * The sum of the pseudo header, which the device goes on from, into the checksum's place. @len: of
 * the transport part.
 */
static void put_pseudo(const struct headers *h, uint8_t *frame, uint32_t csum_at, uint32_t len)
{
	const uint8_t *ip = h->byte + ETH_HLEN;
	uint64_t sum = h->v6 ? sum_add(0, ip + 8, 32) : sum_add(0, ip + 12, 8);
	uint16_t folded;

	sum += htons(h->protocol);
	sum += htons((uint16_t)len);
	folded = sum_fold(sum);
	memcpy(frame + csum_at, &folded, sizeof(folded));
}

static uint32_t ip_flag(const struct headers *h)
{
	return h->v6 ? UDRV_MANA_TX_IPV6 : UDRV_MANA_TX_IPV4;
}

/*
 * What a device cannot be asked for: whatever lies behind @start is summed
 * up, as Linux does for it.
 */
static void checksum(uint8_t *frame, uint32_t len, uint32_t start, uint32_t csum_at)
{
	uint16_t sum = (uint16_t)~sum_fold(sum_add(0, frame + start, len - start));

	if (!sum)
		sum = 0xffff;
	memcpy(frame + csum_at, &sum, sizeof(sum));
}

static int partial_checksum(uint8_t *frame, uint32_t len, uint32_t start, uint32_t offset,
			    struct udrv_mana_tx *tx)
{
	struct headers h;
	bool tcp, udp;

	if (start < ETH_HLEN || start > len || offset > len - start || len - start - offset < 2)
		return -EINVAL;
	if (!find_headers(frame, len, &h) || !h.exact || h.l4 != start) {
		checksum(frame, len, start, start + offset);
		return 0;
	}
	tcp = h.protocol == IPPROTO_TCP && offset == TCP_CSUM && len - start >= TCP_HLEN &&
	      h.n >= start + TCP_HLEN && h.byte[start + 12] >> 4 >= 5 &&
	      (h.byte[start + 12] >> 4) * 4u <= len - start;
	udp = h.protocol == IPPROTO_UDP && offset == UDP_CSUM && len - start >= 8 &&
	      get16(h.byte + start + 4) == len - start;
	if (!tcp && !udp) {
		checksum(frame, len, start, start + offset);
		return 0;
	}
	put_pseudo(&h, frame, start + offset, len - start);
	tx->flags |= ip_flag(&h) | (tcp ? UDRV_MANA_TX_TCP_CSUM : UDRV_MANA_TX_UDP_CSUM);
	tx->l4_off = h.l4;
	return 0;
}

/* Linux leaves lengths and checksums of a large send at 0 for the device, and so do we. */
static int large_send(const struct virtio_net_hdr *hdr, uint8_t *frame, uint32_t len,
		      uint32_t start, uint32_t max_frame, struct udrv_mana_tx *tx)
{
	bool v6 = hdr->gso_type == VIRTIO_NET_HDR_GSO_TCPV6;
	uint32_t mss = hdr->gso_size, hlen;
	struct headers h;

	if ((!v6 && hdr->gso_type != VIRTIO_NET_HDR_GSO_TCPV4) ||
	    !(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || hdr->csum_offset != TCP_CSUM || !mss)
		return -EINVAL;
	if (!find_headers(frame, len, &h) || h.v6 != v6 || h.protocol != IPPROTO_TCP ||
	    h.l4 != start || h.n < start + TCP_HLEN)
		return -EINVAL;
	hlen = start + (h.byte[start + 12] >> 4) * 4u;
	if (hlen < start + TCP_HLEN || hlen >= len || hlen >= HEAD ||
	    h.byte[start + 13] & TCP_NOT_CUT)
		return -EINVAL;
	if (len > LSO_MAX || hlen + mss > max_frame)
		return -EMSGSIZE;
	if (len - hlen <= mss)
		return partial_checksum(frame, len, start, TCP_CSUM, tx);
	put_pseudo(&h, frame, start + TCP_CSUM, 0);
	if (v6) {
		memset(frame + ETH_HLEN + 4, 0, 2);
	} else {
		memset(frame + ETH_HLEN + 2, 0, 2);
		memset(frame + ETH_HLEN + 10, 0, 2);
	}
	tx->flags |= ip_flag(&h) | UDRV_MANA_TX_TCP_CSUM | UDRV_MANA_TX_LSO;
	tx->l4_off = h.l4;
	tx->hdr_len = (uint16_t)hlen;
	tx->mss = (uint16_t)mss;
	return 0;
}

int tap_vnet_tx(const struct virtio_net_hdr *hdr, void *mem, uint32_t len, uint32_t max_frame,
		struct udrv_mana_tx *tx, uint32_t *skip)
{
	uint32_t start = hdr->csum_start;
	uint8_t *frame = mem;

	*tx = (struct udrv_mana_tx){ 0 };
	*skip = 0;
	if (len < ETH_HLEN)
		return -EINVAL;
	/* A tag is not part of the MTU, nor does the device look for headers behind one. */
	if (get16(frame + 2 * ETH_ALEN) == ETH_P_8021Q && len >= ETH_HLEN + VLAN_HLEN) {
		tx->flags = UDRV_MANA_TX_VLAN;
		tx->vlan_tci = get16(frame + ETH_HLEN);
		memmove(frame + VLAN_HLEN, frame, 2 * ETH_ALEN);
		*skip = VLAN_HLEN;
		frame += VLAN_HLEN;
		len -= VLAN_HLEN;
		start = start >= VLAN_HLEN ? start - VLAN_HLEN : 0;
	}
	if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return large_send(hdr, frame, len, start, max_frame, tx);
	if (len > max_frame)
		return -EMSGSIZE;
	if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		return partial_checksum(frame, len, start, hdr->csum_offset, tx);
	return 0;
}

void tap_vnet_rx(uint16_t flags, struct virtio_net_hdr *hdr)
{
	*hdr = (struct virtio_net_hdr){ .gso_type = VIRTIO_NET_HDR_GSO_NONE };
	if (flags & UDRV_MANA_RX_L4_OK && !(flags & (UDRV_MANA_RX_CSUM_BAD | UDRV_MANA_RX_ERROR)))
		hdr->flags = VIRTIO_NET_HDR_F_DATA_VALID;
}
