// SPDX-License-Identifier: BSD-2-Clause
/*
 * The peer: Linux's mana driver by a packet socket, with what makes that fast: batches by
 * sendmmsg(), no queueing discipline, and received frames out of a mapped ring, without a
 * system call.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/guest/mana_load.h"

#define RING_FRAME  2048u
#define RING_BLOCK  (256u << 10)
#define RING_BLOCKS 8u
#define RING_FRAMES (RING_BLOCK / RING_FRAME * RING_BLOCKS)

struct port {
	int fd;
	uint8_t *ring;
	unsigned int at;
	uint8_t frame[MANA_MAX_FRAME];
	struct iovec iov;
	struct mmsghdr msg[MANA_BATCH];
};

static const struct mana_load *load;

static void set(int fd, int option, const void *value, socklen_t len, const char *what)
{
	if (setsockopt(fd, SOL_PACKET, option, value, len))
		bench_fail(what, errno);
}

static void open_port(struct port *p)
{
	const struct tpacket_req req = {
		.tp_block_size = RING_BLOCK,
		.tp_block_nr = RING_BLOCKS,
		.tp_frame_size = RING_FRAME,
		.tp_frame_nr = RING_FRAMES,
	};
	struct sockaddr_ll addr = { .sll_family = AF_PACKET };
	const int one = 1, version = TPACKET_V2;
	struct ifreq ifr = { 0 };

	strncpy(ifr.ifr_name, load->device, sizeof(ifr.ifr_name) - 1);
	/* No protocol, until there is a ring: nothing is received into the socket's buffer. */
	p->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || ioctl(p->fd, SIOCGIFHWADDR, &ifr))
		bench_fail(load->device, errno);
	mana_frame(load, (const uint8_t *)ifr.ifr_hwaddr.sa_data, p->frame);
	set(p->fd, PACKET_QDISC_BYPASS, &one, sizeof(one), "PACKET_QDISC_BYPASS");
	if (load->what != MANA_TX) {
		set(p->fd, PACKET_VERSION, &version, sizeof(version), "PACKET_VERSION");
		set(p->fd, PACKET_RX_RING, &req, sizeof(req), "PACKET_RX_RING");
		p->ring = mmap(NULL, (size_t)RING_BLOCK * RING_BLOCKS, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_POPULATE, p->fd, 0);
		if (p->ring == MAP_FAILED)
			bench_fail("ring", errno);
		addr.sll_protocol = htons(ETH_P_IP);
	}
	addr.sll_ifindex = (int)if_nametoindex(load->device);
	if (bind(p->fd, (struct sockaddr *)&addr, sizeof(addr)))
		bench_fail("bind", errno);
	p->iov = (struct iovec){ .iov_base = p->frame, .iov_len = load->size };
	for (unsigned int i = 0; i < MANA_BATCH; i++)
		p->msg[i].msg_hdr = (struct msghdr){ .msg_iov = &p->iov, .msg_iovlen = 1 };
}

/* How many of @n were taken; the driver's queue may be full. */
static unsigned int send_some(struct port *p, unsigned int n)
{
	int ret = sendmmsg(p->fd, p->msg, n < MANA_BATCH ? n : MANA_BATCH, MSG_DONTWAIT);

	if (ret < 0 && errno != EAGAIN && errno != ENOBUFS)
		bench_fail("sendmmsg", errno);
	return ret < 0 ? 0 : (unsigned int)ret;
}

static unsigned int receive_some(struct port *p)
{
	unsigned int n = 0;

	for (; n < MANA_BATCH; n++) {
		struct tpacket2_hdr *hdr =
			(struct tpacket2_hdr *)(p->ring + (size_t)p->at * RING_FRAME);

		if (!(__atomic_load_n(&hdr->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			break;
		__atomic_store_n(&hdr->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		if (++p->at == RING_FRAMES)
			p->at = 0;
	}
	return n;
}

static void packet_worker(struct bench_worker *w)
{
	struct port p = { 0 };
	unsigned int answers = mana_answers(load), window = MANA_WINDOW, n;

	open_port(&p);
	while (!bench_stopped()) {
		if (load->what == MANA_TX) {
			n = send_some(&p, MANA_BATCH);
		} else {
			n = receive_some(&p);
			window += n;
			if (window >= answers)
				window -= answers * send_some(&p, window / answers);
		}
		if (n)
			bench_count(w, n, (uint64_t)n * load->size);
	}
	close(p.fd);
}

void mana_bench_packet(const struct mana_load *l)
{
	load = l;
	bench_run(packet_worker, NULL, 1, l->ms);
}
