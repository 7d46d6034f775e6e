// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "tests/model/net/sample.h"

static void put(uint8_t *p, uint64_t v, int bytes)
{
	while (bytes--) {
		p[bytes] = (uint8_t)v;
		v >>= 8;
	}
}

static uint32_t get(const uint8_t *p, int bytes)
{
	uint32_t v = 0;

	while (bytes--)
		v = v << 8 | *p++;
	return v;
}

/* A number of bytes modulo 65535: 65536 is 1, so that byte n counts 256 or 1. */
static uint64_t modulo(uint64_t v, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		v = (v + (uint64_t)p[i] * (i % 2 ? 1 : 256)) % 65535;
	return v;
}

uint16_t sample_checksum(const uint8_t *data, size_t len, const uint8_t *addresses,
			 size_t addresses_len, uint8_t protocol, uint32_t pseudo_len)
{
	uint64_t v = modulo((uint64_t)protocol + pseudo_len, addresses, addresses_len);

	return (uint16_t)(65535 - modulo(v, data, len));
}

static void make_ip(const struct sample *s, struct sample_frame *f)
{
	uint8_t *ip = f->data + f->l3;
	size_t i;

	if (s->version == 4) {
		ip[0] = (uint8_t)(0x45 + s->ip_options / 4);
		put(ip + 2, s->large ? 0 : f->end - f->l3, 2);
		put(ip + 4, s->id, 2);
		ip[8] = 64;
		ip[9] = s->protocol;
		put(ip + 12, 0x0a000001, 4);
		put(ip + 16, 0xc0a80102, 4);
		memset(ip + 20, 1, s->ip_options); /* no operation */
		if (!s->seed)
			put(ip + 10, sample_checksum(ip, 20 + s->ip_options, NULL, 0, 0, 0), 2);
		return;
	}
	ip[0] = 0x60;
	put(ip + 4, s->large ? 0 : f->end - f->l3 - 40, 2);
	ip[6] = s->ip_options ? 60 : s->protocol;
	ip[7] = 64;
	for (i = 0; i < 32; i++)
		ip[8 + i] = (uint8_t)(0x20 + 7 * i);
	if (s->ip_options) {
		ip[40] = s->protocol;
		ip[41] = (uint8_t)(s->ip_options / 8 - 1);
		for (i = 2; i < s->ip_options; i++)
			ip[40 + i] = 0; /* Pad1 */
	}
}

static void make_transport(const struct sample *s, struct sample_frame *f)
{
	uint8_t *l4 = f->data + f->l4, *ip = f->data + f->l3, *csum = l4 + 2;
	size_t len = f->end - f->l4, addresses = s->version == 4 ? 8 : 32;

	if (s->protocol == 6) {
		put(l4, 4711, 2);
		put(l4 + 2, 5201, 2);
		put(l4 + 4, s->seq, 4);
		put(l4 + 8, 0x12345678, 4);
		l4[12] = (uint8_t)((20 + s->tcp_options) / 4 << 4);
		l4[13] = s->tcp_flags ? s->tcp_flags : 0x10;
		put(l4 + 14, 1000, 2);
		memset(l4 + 20, 1, s->tcp_options);
		csum = l4 + 16;
	} else if (s->protocol == 17) {
		put(l4, 4711, 2);
		put(l4 + 2, 7, 2);
		put(l4 + 4, len, 2);
		csum = l4 + 6;
	} else {
		l4[0] = s->protocol == 1 ? 8 : 128;
		put(l4 + 4, 0xbeef0001, 4);
	}
	put(csum, 0, 2);
	if (s->protocol == 1)
		put(csum, sample_checksum(l4, len, NULL, 0, 0, 0), 2);
	else if (s->seed)
		put(csum,
		    65535 - sample_checksum(NULL, 0, ip + (s->version == 4 ? 12 : 8), addresses,
					    s->protocol, s->large ? 0 : (uint32_t)len),
		    2);
	else
		put(csum,
		    sample_checksum(l4, len, ip + (s->version == 4 ? 12 : 8), addresses,
				    s->protocol, (uint32_t)len),
		    2);
}

struct sample_frame sample_make(const struct sample *s, size_t headroom)
{
	struct sample_frame f = { 0 };
	size_t header = s->protocol == 6 ? 20 + s->tcp_options : 8;

	f.l3 = s->vlan ? 18 : 14;
	f.l4 = f.l3 + (s->version == 4 ? 20 : 40) + s->ip_options;
	f.payload = f.l4 + header;
	f.end = f.payload + s->payload;
	f.len = f.end + s->padding;
	f.memory = calloc(1, headroom + f.len);
	if (!f.memory)
		abort();
	f.data = f.memory + headroom;
	put(f.data, 0x020000000002, 6);
	put(f.data + 6, 0x020000000001, 6);
	if (s->vlan) {
		put(f.data + 12, 0x8100, 2);
		put(f.data + 14, s->vlan, 2);
	}
	put(f.data + f.l3 - 2, s->version == 4 ? 0x0800 : 0x86dd, 2);
	for (size_t i = 0; i < s->payload; i++)
		f.data[f.payload + i] = (uint8_t)(i * 37 + i / 256 + 11);
	memset(f.data + f.end, 0xa5, s->padding);
	make_ip(s, &f);
	make_transport(s, &f);
	return f;
}

const char *sample_wrong(const uint8_t *data, size_t len)
{
	size_t l3 = get(data + 12, 2) == 0x8100 ? 18 : 14, l4, ip_len;
	const uint8_t *ip = data + l3;
	int v4 = get(data + l3 - 2, 2) == 0x0800;
	uint8_t protocol = v4 ? ip[9] : ip[6];
	uint16_t sum;

	if (v4 && sample_checksum(ip, (size_t)(ip[0] & 15) * 4, NULL, 0, 0, 0) % 65535)
		return "IPv4 header checksum";
	l4 = l3 + (v4 ? (size_t)(ip[0] & 15) * 4 : 40);
	ip_len = v4 ? get(ip + 2, 2) : get(ip + 4, 2) + 40;
	if (l3 + ip_len > len)
		return "IP length";
	if (!v4 && protocol == 60) {
		protocol = data[l4];
		l4 += ((size_t)data[l4 + 1] + 1) * 8;
	}
	if (protocol == 17 && get(data + l4 + 4, 2) != l3 + ip_len - l4)
		return "UDP length";
	len = l3 + ip_len - l4;
	if (protocol == 1)
		sum = sample_checksum(data + l4, len, NULL, 0, 0, 0);
	else
		sum = sample_checksum(data + l4, len, ip + (v4 ? 12 : 8), v4 ? 8 : 32, protocol,
				      (uint32_t)len);
	return sum % 65535 ? "transport checksum" : NULL;
}
