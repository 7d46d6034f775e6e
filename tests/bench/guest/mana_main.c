// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_mana ENGINE DEVICE [size=BYTES] [ms=N] [what=N]: one measurement; what: 0 tx, 1 echo, 2 rx
 *
 *	udrv		our driver; DEVICE is a PCI address that vfio-pci is bound to
 *	packet		the kernel's driver by a packet socket; DEVICE is its interface, which is up
 *
 * bench_mana scale DEVICE queues=N: what our driver's queue pairs take, and how long they take to
 * be resumed
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/bench/guest/mana_load.h"

#define ETH_HEADER 14u
#define IP_HEADER  20u
#define UDP_HEADER 8u

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned int ip_checksum(const uint8_t *ip)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < IP_HEADER; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

void mana_frame(const struct mana_load *load, const uint8_t mac[6], uint8_t *frame)
{
	static const uint8_t to[][6] = {
		[MANA_TX] = { 2, 0, 0, 0, 0, 0x99 }, /* nobody */
		[MANA_ECHO] = { 2, 0, 0, 0, 0, 2 },
		[MANA_RX] = { 2, 0, 0, 0, 0, 0x40 },
	};
	uint8_t *ip = frame + ETH_HEADER, *udp = ip + IP_HEADER;

	memset(frame, 0, load->size);
	memcpy(frame, to[load->what], 6);
	memcpy(frame + 6, mac, 6);
	put16(frame + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, load->size - ETH_HEADER);
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 12, (const uint8_t[]){ 10, 99, 0, 2, 10, 99, 0, 1 }, 8);
	put16(ip + 10, ip_checksum(ip));
	put16(udp, 7);
	put16(udp + 2, 7);
	put16(udp + 4, load->size - ETH_HEADER - IP_HEADER); /* and no checksum, as IPv4 allows */
}

int main(int argc, char **argv)
{
	struct mana_load load;

	if (argc < 3) {
		fprintf(stderr, "usage: bench_mana udrv|packet|scale DEVICE [KEY=VALUE]...\n");
		return 2;
	}
	load = (struct mana_load){
		.device = argv[2],
		.size = (uint32_t)bench_option(argc, argv, "size", 64),
		.ms = (unsigned int)bench_option(argc, argv, "ms", 500),
		.what = (enum mana_what)bench_option(argc, argv, "what", MANA_TX),
	};
	if (load.what > MANA_RX)
		bench_fail("what", EINVAL);
	if (load.size < ETH_HEADER + IP_HEADER + UDP_HEADER || load.size > MANA_MAX_FRAME)
		bench_fail("size", EINVAL);
	if (!strcmp(argv[1], "udrv"))
		mana_bench_udrv(&load);
	else if (!strcmp(argv[1], "packet"))
		mana_bench_packet(&load);
	else if (!strcmp(argv[1], "scale"))
		mana_bench_scale(load.device, (unsigned int)bench_option(argc, argv, "queues", 1));
	else
		bench_fail(argv[1], EINVAL);
	return 0;
}
