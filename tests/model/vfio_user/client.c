// SPDX-License-Identifier: BSD-2-Clause
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "tests/model/vfio_user/client.h"

static uint64_t bar_read(void *ctx, unsigned int bar, uint64_t off, unsigned int width)
{
	struct client *c = ctx;
	uint64_t val = 0;

	if (!bar)
		memcpy(&val, c->bar + off, width);
	return val;
}

static void bar_write(void *ctx, unsigned int bar, uint64_t off, uint64_t val, unsigned int width)
{
	struct client *c = ctx;

	if (!bar)
		memcpy(c->bar + off, &val, width);
}

static void command(void *ctx, uint16_t value)
{
	struct client *c = ctx;

	c->command = value;
}

static void reset(void *ctx, enum vfio_user_reset why)
{
	struct client *c = ctx;

	c->resets[why]++;
}

static void pause_device(void *ctx)
{
	struct client *c = ctx;

	c->paused++;
	c->pauses++;
}

static void resume_device(void *ctx)
{
	struct client *c = ctx;

	c->paused--;
}

static void log_line(void *ctx, const char *line)
{
	struct client *c = ctx;

	(void)line;
	c->logs++;
}

static const struct vfio_user_ops ops = {
	.bar_read = bar_read,
	.bar_write = bar_write,
	.command = command,
	.reset = reset,
	.pause = pause_device,
	.resume = resume_device,
	.log = log_line,
};

struct vfio_user_opts client_opts(struct client *c)
{
	return (struct vfio_user_opts){
		.vendor = 0x1234,
		.device = 0x5678,
		.subsystem_vendor = 0x9abc,
		.subsystem = 0xdef0,
		.class_code = 0x020000,
		.revision = 3,
		.bar = { [0] = { .size = CLIENT_BAR0_SIZE, .wide = true, .fd = -1 },
			 [4] = { .size = 0x1000, .wide = true, .fd = -1 } },
		.vectors = CLIENT_VECTORS,
		.msix_bar = 4,
		.pba_offset = 0x800,
		.flr = true,
		.reset = true,
		.ops = &ops,
		.ctx = c,
	};
}

static void *server(void *arg)
{
	struct client *c = arg;

	c->result = vfio_user_serve(c->vu, c->server_fd);
	shutdown(c->server_fd, SHUT_RDWR);
	return NULL;
}

static void begin(struct client *c, bool negotiate)
{
	static const char hello[] = "\0\0\0\0{\"capabilities\":{\"max_msg_fds\":16}}";
	struct timeval limit = { .tv_sec = 10 };
	uint8_t reply[128];
	size_t len = sizeof(reply);

	ck_assert_int_eq(setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	if (!negotiate)
		return;
	ck_assert_int_eq(client_call(c, VFIO_USER_VERSION, hello, sizeof(hello), NULL, 0, reply,
				     &len, NULL),
			 0);
	ck_assert_uint_gt(len, sizeof(struct vfio_user_version));
	ck_assert_uint_eq(reply[len - 1], 0);
}

void client_start(struct client *c, const struct vfio_user_opts *opts, bool negotiate)
{
	int fds[2];

	ck_assert_int_eq(vfio_user_create(opts, &c->vu), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	c->fd = fds[0];
	c->server_fd = fds[1];
	ck_assert_int_eq(pthread_create(&c->thread, NULL, server, c), 0);
	c->running = true;
	begin(c, negotiate);
}

void client_connect(struct client *c, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	ck_assert_uint_lt(strlen(path), sizeof(addr.sun_path));
	strcpy(addr.sun_path, path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(c->fd, 0);
	ck_assert_int_eq(connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	begin(c, true);
}

int client_stop(struct client *c)
{
	if (!c->running)
		return 0;
	close(c->fd);
	pthread_join(c->thread, NULL);
	close(c->server_fd);
	vfio_user_destroy(c->vu);
	c->running = false;
	return c->result;
}

bool client_send(struct client *c, const struct vfio_user_header *hdr, const void *payload,
		 size_t len, const int *fds, unsigned int nfds)
{
	struct iovec iov[2] = {
		{ .iov_base = (void *)hdr, .iov_len = sizeof(*hdr) },
		{ .iov_base = (void *)payload, .iov_len = len },
	};
	union {
		char buf[CMSG_SPACE(sizeof(int) * 64)];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };

	if (nfds) {
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * nfds);
	}
	return sendmsg(c->fd, &mh, MSG_NOSIGNAL) == (ssize_t)(sizeof(*hdr) + len);
}

static void receive(struct client *c, void *buf, size_t len, int *fd)
{
	uint8_t *to = buf;

	while (len) {
		union {
			char buf[CMSG_SPACE(sizeof(int))];
			struct cmsghdr align;
		} control;
		struct iovec iov = { .iov_base = to, .iov_len = len };
		struct msghdr mh = { .msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control.buf,
				     .msg_controllen = sizeof(control.buf) };
		ssize_t n = recvmsg(c->fd, &mh, MSG_CMSG_CLOEXEC);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&mh);

		ck_assert_msg(n > 0, "no answer: %s",
			      n ? strerror(errno) : "the server has hung up");
		if (cmsg) {
			ck_assert_ptr_nonnull(fd);
			memcpy(fd, CMSG_DATA(cmsg), sizeof(*fd));
		}
		to += n;
		len -= (size_t)n;
	}
}

int client_call(struct client *c, unsigned int command, const void *payload, size_t len,
		const int *fds, unsigned int nfds, void *reply, size_t *reply_len, int *reply_fd)
{
	static uint16_t id;
	struct vfio_user_header hdr = { .id = ++id,
					.command = (uint16_t)command,
					.size = (uint32_t)(sizeof(hdr) + len) };
	struct vfio_user_header answer;
	uint8_t rest[8192];
	size_t n;

	if (reply_fd)
		*reply_fd = -1;
	ck_assert(client_send(c, &hdr, payload, len, fds, nfds));
	receive(c, &answer, sizeof(answer), reply_fd);
	ck_assert_uint_eq(answer.id, hdr.id);
	ck_assert_uint_eq(answer.command, command);
	ck_assert_uint_eq(answer.flags & VFIO_USER_F_TYPE_MASK, VFIO_USER_F_REPLY);
	ck_assert_uint_ge(answer.size, sizeof(answer));
	n = answer.size - sizeof(answer);
	ck_assert_uint_le(n, sizeof(rest));
	receive(c, rest, n, reply_fd);
	if (reply_len) {
		ck_assert_uint_le(n, *reply_len);
		memcpy(reply, rest, n);
		*reply_len = n;
	}
	if (!(answer.flags & VFIO_USER_F_ERROR))
		return 0;
	ck_assert_uint_eq(n, 0);
	return -(int)answer.error;
}

int client_read(struct client *c, unsigned int region, uint64_t off, void *buf, uint32_t len)
{
	struct vfio_user_region_access req = { .offset = off, .region = region, .count = len };
	uint8_t reply[8192];
	size_t n = sizeof(reply);
	int err =
		client_call(c, VFIO_USER_REGION_READ, &req, sizeof(req), NULL, 0, reply, &n, NULL);

	if (err)
		return err;
	ck_assert_uint_eq(n, sizeof(req) + len);
	ck_assert_mem_eq(reply, &req, sizeof(req));
	memcpy(buf, reply + sizeof(req), len);
	return 0;
}

int client_write(struct client *c, unsigned int region, uint64_t off, const void *buf, uint32_t len)
{
	struct vfio_user_region_access req = { .offset = off, .region = region, .count = len };
	uint8_t msg[8192];

	ck_assert_uint_le(sizeof(req) + len, sizeof(msg));
	memcpy(msg, &req, sizeof(req));
	memcpy(msg + sizeof(req), buf, len);
	return client_call(c, VFIO_USER_REGION_WRITE, msg, sizeof(req) + len, NULL, 0, NULL, NULL,
			   NULL);
}

int client_map(struct client *c, uint64_t addr, uint64_t size, uint32_t flags, int fd,
	       uint64_t offset)
{
	struct vfio_user_dma_map req = {
		.argsz = sizeof(req), .flags = flags, .offset = offset, .addr = addr, .size = size
	};

	return client_call(c, VFIO_USER_DMA_MAP, &req, sizeof(req), &fd, fd >= 0, NULL, NULL, NULL);
}

int client_unmap(struct client *c, uint64_t addr, uint64_t size, uint32_t flags)
{
	struct vfio_user_dma_unmap req = {
		.argsz = sizeof(req), .flags = flags, .addr = addr, .size = size
	};

	return client_call(c, VFIO_USER_DMA_UNMAP, &req, sizeof(req), NULL, 0, NULL, NULL, NULL);
}

int client_set_irqs(struct client *c, uint32_t flags, uint32_t start, uint32_t count,
		    const int *fds, unsigned int nfds)
{
	struct vfio_irq_set set = { .argsz = sizeof(set),
				    .flags = flags,
				    .index = VFIO_PCI_MSIX_IRQ_INDEX,
				    .start = start,
				    .count = count };

	return client_call(c, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set), fds, nfds, NULL, NULL,
			   NULL);
}

int client_memory(size_t size)
{
	int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	return fd;
}
