// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "udrv/host/nic_frame.h"
#include "udrv/lib/crc32c.h"

#define NIC_MAGIC   "UDRVNIC1"
#define PORT	    7777
#define CRC_OFF	    24
#define PAYLOAD_MIN 32
#define PAYLOAD_MAX 1472

/* Big endian up to the payload, little endian in it. */
struct nic_frame {
	uint8_t dst[6], src[6];
	uint16_t ethertype;
	uint8_t version_ihl, tos;
	uint16_t tot_len, id, frag_off;
	uint8_t ttl, protocol;
	uint16_t ip_csum;
	uint8_t saddr[4], daddr[4];
	uint16_t sport, dport, udp_len, udp_csum;
	struct {
		char magic[8];
		uint64_t seq;
		uint32_t cycle, echo, crc, zero;
	} payload;
} __attribute__((packed));

#define IP_OFF	    offsetof(struct nic_frame, version_ihl)
#define PAYLOAD_OFF offsetof(struct nic_frame, payload)

static_assert(offsetof(struct nic_frame, sport) == NIC_FRAME_L4,
	      "the UDP header follows an IPv4 header without options");
static_assert(sizeof(struct nic_frame) == PAYLOAD_OFF + PAYLOAD_MIN,
	      "the shortest payload is its header");

static uint32_t payload_crc(const struct nic_frame *f, size_t len)
{
	const uint8_t *p = (const uint8_t *)f + PAYLOAD_OFF;
	static const uint32_t zero;
	uint32_t crc;

	crc = udrv_crc32c(0, p, CRC_OFF);
	crc = udrv_crc32c(crc, &zero, sizeof(zero));
	return udrv_crc32c(crc, p + CRC_OFF + 4, len - CRC_OFF - 4);
}

static bool for_consumer(const struct nic_frame *f)
{
	return f->ethertype == htons(0x0800) && f->version_ihl == 0x45 && f->protocol == 17 &&
	       !(f->frag_off & htons(0x3fff)) && f->dport == htons(PORT);
}

int nic_frame_check(const void *frame, size_t len, struct nic_request *ret)
{
	const struct nic_frame *f = frame;
	size_t udp_len, payload;

	/* All that decides whose it is comes before the payload. */
	if (len < PAYLOAD_OFF || !for_consumer(f))
		return -ENOMSG;
	/* Once: the device may write to it again. */
	udp_len = ntohs(((const volatile struct nic_frame *)f)->udp_len);
	payload = udp_len - (PAYLOAD_OFF - NIC_FRAME_L4);
	if (len < sizeof(*f) || udp_len < sizeof(*f) - NIC_FRAME_L4 ||
	    udp_len > len - NIC_FRAME_L4 || ntohs(f->tot_len) != udp_len + NIC_FRAME_L4 - IP_OFF ||
	    payload > PAYLOAD_MAX)
		return -EBADMSG;
	if (memcmp(f->payload.magic, NIC_MAGIC, sizeof(f->payload.magic)) || f->payload.echo ||
	    f->payload.zero || le32toh(f->payload.crc) != payload_crc(f, payload))
		return -EBADMSG;
	ret->seq = le64toh(f->payload.seq);
	ret->cycle = le32toh(f->payload.cycle);
	ret->len = (uint16_t)(NIC_FRAME_L4 + udp_len);
	return 0;
}

static void swap(void *a, void *b, size_t len)
{
	uint8_t t[6];

	memcpy(t, a, len);
	memcpy(a, b, len);
	memcpy(b, t, len);
}

/* Of addresses, protocol and length, folded and not complemented: the device goes on from there. */
static uint16_t pseudo_sum(const struct nic_frame *f, uint16_t udp_len)
{
	uint32_t sum = 17u + udp_len;

	for (int i = 0; i < 4; i += 2)
		sum += (uint32_t)(f->saddr[i] << 8 | f->saddr[i + 1]) +
		       (uint32_t)(f->daddr[i] << 8 | f->daddr[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)sum);
}

void nic_frame_echo(void *frame, const struct nic_request *request, uint32_t cycle)
{
	struct nic_frame *f = frame;

	swap(f->dst, f->src, sizeof(f->dst));
	swap(f->saddr, f->daddr, sizeof(f->saddr));
	swap(&f->sport, &f->dport, sizeof(f->sport));
	f->udp_csum = pseudo_sum(f, (uint16_t)(request->len - NIC_FRAME_L4));
	f->payload.echo = htole32(cycle + 1);
	f->payload.crc = htole32(payload_crc(f, request->len - PAYLOAD_OFF));
}
