// SPDX-License-Identifier: BSD-2-Clause
#include <check.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "udrv/host/mana.h"
#include "tap_fixture.h"

/* With its source: what a process remembers is to be forgotten, as when it dies. */
#include "udrv/host/tap.c"

#define HDR sizeof(struct virtio_net_hdr)

struct tap_fixture fx;

/* ---- The kernel ------------------------------------------------------------------------------ */

bool tap_if_possible(void)
{
	return true;
}

int tap_if_open(const char *name, const uint8_t mac[6], unsigned int mtu, unsigned int n, int *fds)
{
	if (fx.busy) {
		fx.busy--;
		return -EBUSY;
	}
	ck_assert_uint_eq(n, TAP_FIXTURE_QUEUES);
	ck_assert_str_eq(name, fx.made ? "mana1" : "mana0");
	ck_assert_mem_eq(mac, udrv_mana_vport(fx.adapter.mana, fx.made)->mac, 6);
	ck_assert_uint_eq(mtu, fx.adapter.opts.mtu);
	for (unsigned int i = 0; i < n; i++) {
		int pair[2];

		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
					    0, pair),
				 0);
		fds[i] = pair[0];
		fx.peer[fx.made][i] = pair[1];
	}
	fx.made++;
	return 0;
}

int tap_if_take_over(const char *name, const uint8_t mac[6], unsigned int n, int *fds)
{
	return fx.left ? tap_if_open(name, mac, fx.adapter.opts.mtu, n, fds) : -ENODEV;
}

int tap_if_carrier(int fd, bool on)
{
	ck_assert_int_ge(fd, 0);
	fx.carrier = on;
	return 0;
}

int tap_fixture_push(unsigned int queue, uint64_t id, size_t len)
{
	struct virtio_net_hdr hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				      .csum_start = 34,
				      .csum_offset = 6 };
	uint8_t frame[TAP_FIXTURE_FRAME];
	struct iovec iov[2] = { { &hdr, HDR }, { frame, mana_frame(frame, 0, queue, id, len) } };

	frame[40] = frame[41] = 0xee;
	return writev(fx.peer[0][queue], iov, 2) == (ssize_t)(HDR + len) ? 0 : -errno;
}

int tap_fixture_pop(unsigned int vport, unsigned int queue, struct virtio_net_hdr *hdr,
		    uint8_t *frame)
{
	struct iovec iov[2] = { { hdr, HDR }, { frame, TAP_FIXTURE_FRAME } };
	ssize_t n = readv(fx.peer[vport][queue], iov, 2);

	return n < 0 ? -errno : (int)(n - (ssize_t)HDR);
}

/* ---- The rest of the host, as udrv/host/mana.c and nic.c have it ----------------------------- */

bool tap_fixture_serve(unsigned int vport, unsigned int i)
{
	struct udrv_mana_queue *q = udrv_mana_queue(fx.adapter.mana, vport, i);
	struct udrv_mana_sent done[8];
	struct udrv_mana_rx pkts[8];
	int sent = udrv_mana_sent(q, done, 8), received;

	for (int k = 0; k < sent; k++) {
		if (done[k].cookie & NIC_COOKIE_ECHO)
			fx.echoed++;
		else
			tap_sent(&fx.host, q, &done[k]);
	}
	if (sent > 0) {
		ck_assert_int_eq(udrv_mana_sent_release(q, (unsigned int)sent), 0);
		tap_go_on(&fx.host, q);
	}
	received = udrv_mana_recv(q, pkts, 8);
	for (int k = 0; k < received; k++)
		fx.given[tap_receive(&fx.host, q, &pkts[k])]++;
	if (received > 0)
		udrv_mana_recv_release(q, (unsigned int)received);
	return sent > 0 || received > 0;
}

bool tap_fixture_serve_all(void)
{
	bool any = false;

	for (unsigned int i = 0; i < udrv_mana_info(fx.adapter.mana)->vports * TAP_FIXTURE_QUEUES;
	     i++)
		any |= tap_fixture_serve(i / TAP_FIXTURE_QUEUES, i % TAP_FIXTURE_QUEUES);
	return any;
}

void tap_fixture_settle(void *unused)
{
	bool any;

	(void)unused;
	do {
		any = udrv_loop_run_once(fx.host.loop, 0) > 0;
		any |= mana_model_run(fx.adapter.m, 1000) > 0;
		any |= tap_fixture_serve_all();
	} while (any);
}

struct tap_queue *tap_fixture_queue(unsigned int i)
{
	return &the_tap.port[0].queue[i];
}

void tap_fixture_open_host(void)
{
	fx.host = (struct host){ .mana = fx.adapter.mana,
				 .dev = fx.adapter.fd.dev,
				 .handle.name = "mana0",
				 .start_ns = app_now_ns() };
	ck_assert_int_eq(udrv_loop_create(0, &fx.host.loop), 0);
	fx.made = 0;
	tap_configure(true);
}

void tap_fixture_begin(void *unused)
{
	(void)unused;
	tap_open(&fx.host);
	tap_listen(&fx.host);
	while (fx.made < udrv_mana_info(fx.adapter.mana)->vports)
		ck_assert_int_ge(udrv_loop_run_once(fx.host.loop, UINT64_MAX), 0);
}

void tap_fixture_init(unsigned int vports, unsigned int mtu)
{
	struct mana_model_opts model = { .seed = 1, .vports = vports, .mtu = mtu };
	struct udrv_mana_opts opts = { .queues = TAP_FIXTURE_QUEUES,
				       .tx_depth = TAP_FIXTURE_DEPTH,
				       .rx_depth = 128,
				       .mtu = mtu,
				       .poll = true };

	fx.busy = 0;
	fx.given[0] = fx.given[1] = 0;
	fx.carrier = fx.left = false;
	mana_fixture_init(&fx.adapter, &model, &opts,
			  (uint64_t)vports * TAP_FIXTURE_QUEUES * TAP_RING_SIZE, 0);
	fx.adapter.buf_size = 4096; /* the rest is the interfaces' */
	mana_fixture_start(&fx.adapter);
	mana_fixture_key(&fx.adapter);
	mana_model_forbid_setup(fx.adapter.m, true);
	tap_fixture_open_host();
}

void tap_fixture_start(void)
{
	tap_fixture_init(1, 1500);
	tap_fixture_begin(NULL);
	ck_assert(fx.carrier);
}

void tap_fixture_forget(void)
{
	for (unsigned int v = 0; v < UDRV_MANA_MAX_VPORTS; v++)
		for (unsigned int i = 0; i < UDRV_MANA_MAX_QUEUES; i++)
			close_queue(&the_tap.port[v].queue[i]);
	for (unsigned int i = 0; i < fx.made * TAP_FIXTURE_QUEUES; i++)
		close(fx.peer[i / TAP_FIXTURE_QUEUES][i % TAP_FIXTURE_QUEUES]);
	fx.made = 0;
	udrv_loop_destroy(fx.host.loop);
	fx.host.loop = NULL;
}

void tap_fixture_end(void)
{
	tap_fixture_forget();
	mana_fixture_end(&fx.adapter);
}

void tap_fixture_check_idle(void)
{
	for (unsigned int i = 0; i < TAP_FIXTURE_QUEUES; i++) {
		ck_assert_uint_eq(udrv_mana_sending(udrv_mana_queue(fx.adapter.mana, 0, i)), 0);
		ck_assert_uint_eq(tap_sending(&fx.host, udrv_mana_queue(fx.adapter.mana, 0, i)), 0);
		ck_assert_uint_eq(tap_fixture_queue(i)->ring.n, 0);
		ck_assert_uint_eq(tap_fixture_queue(i)->npending, 0);
		ck_assert_uint_eq(tap_fixture_queue(i)->inherited, 0);
		ck_assert_ptr_nonnull(tap_fixture_queue(i)->src);
	}
}
