// SPDX-License-Identifier: BSD-2-Clause
/* Messages of the handle protocol as data: what goes into one and what may be believed of one. */
#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <udrv/handle.h>
#include <udrv/proto.h>

#define MAX_ERRNO 4095

void udrv_msg_init(struct udrv_msg *m, uint16_t type, uint32_t id)
{
	m->type = type;
	m->id = id;
	m->len = 0;
	m->nfds = 0;
	m->data[0] = '\0';
}

int udrv_msg_set_text(struct udrv_msg *m, const char *text)
{
	size_t len = strlen(text);

	if (len > UDRV_MSG_PAYLOAD)
		return -EMSGSIZE;
	memcpy(m->data, text, len + 1);
	m->len = (uint32_t)len;
	return 0;
}

const char *udrv_msg_text(const struct udrv_msg *m)
{
	return strlen((const char *)m->data) == m->len ? (const char *)m->data : NULL;
}

int udrv_msg_add_fd(struct udrv_msg *m, int fd)
{
	if (fd < 0)
		return -EBADF;
	if (m->nfds >= UDRV_MSG_FDS)
		return -EMSGSIZE;
	m->fd[m->nfds++] = fd;
	return 0;
}

int udrv_msg_take_fd(struct udrv_msg *m, unsigned int i)
{
	int fd;

	if (i >= m->nfds || m->fd[i] < 0)
		return -ENOENT;
	fd = m->fd[i];
	m->fd[i] = -1;
	return fd;
}

void udrv_msg_drop_fds(struct udrv_msg *m)
{
	for (unsigned int i = 0; i < m->nfds; i++) {
		if (m->fd[i] >= 0)
			close(m->fd[i]);
	}
	m->nfds = 0;
}

/* A valid name in an array that need not be terminated. */
static bool name_in(const char *array, size_t size)
{
	return memchr(array, '\0', size) && udrv_name_valid(array);
}

int udrv_msg_set_handle(struct udrv_msg *m, const struct udrv_handle *h)
{
	struct udrv_wire_handle w = { 0 };
	uint32_t mask = 0;

	if (h->size != sizeof(*h) || !name_in(h->name, sizeof(h->name)) ||
	    !name_in(h->driver, sizeof(h->driver)) || !udrv_bdf_valid(h->bdf))
		return -EINVAL;
	m->nfds = 0;
	for (unsigned int i = 0; i < UDRV_HANDLE_FDS; i++) {
		if (h->fd[i] < 0)
			continue;
		mask |= 1u << i;
		m->fd[m->nfds++] = h->fd[i];
	}
	strcpy(w.name, h->name);
	strcpy(w.bdf, h->bdf);
	strcpy(w.driver, h->driver);
	w.policy = htole32(h->policy);
	w.flags = htole32(h->noiommu ? UDRV_WIRE_NOIOMMU : 0);
	w.ioas_id = htole32(h->ioas_id);
	w.fd_mask = htole32(mask);
	memcpy(m->data, &w, sizeof(w));
	m->len = sizeof(w);
	m->data[m->len] = '\0';
	return 0;
}

int udrv_msg_take_handle(struct udrv_msg *m, struct udrv_handle *ret)
{
	struct udrv_handle h = UDRV_HANDLE_INIT;
	struct udrv_wire_handle w;
	uint32_t mask;
	unsigned int n = 0;

	if (m->len != sizeof(w))
		return -EBADMSG;
	memcpy(&w, m->data, sizeof(w));
	mask = le32toh(w.fd_mask);
	if (!name_in(w.name, sizeof(w.name)) || !name_in(w.driver, sizeof(w.driver)) ||
	    !udrv_bdf_valid(w.bdf) || le32toh(w.policy) > UDRV_DETACH ||
	    (le32toh(w.flags) & ~UDRV_WIRE_NOIOMMU) || mask >> UDRV_HANDLE_FDS ||
	    (unsigned int)__builtin_popcount(mask) != m->nfds)
		return -EBADMSG;
	for (unsigned int i = 0; i < m->nfds; i++) {
		if (m->fd[i] < 0)
			return -EBADMSG;
	}

	_Static_assert(sizeof(h.name) == sizeof(w.name) && sizeof(h.bdf) == sizeof(w.bdf) &&
			       sizeof(h.driver) == sizeof(w.driver),
		       "wire and memory hold the same names");
	memcpy(h.name, w.name, sizeof(h.name));
	memcpy(h.bdf, w.bdf, sizeof(h.bdf));
	memcpy(h.driver, w.driver, sizeof(h.driver));
	h.policy = (enum udrv_policy)le32toh(w.policy);
	h.noiommu = le32toh(w.flags) & UDRV_WIRE_NOIOMMU;
	h.ioas_id = le32toh(w.ioas_id);
	for (unsigned int i = 0; i < UDRV_HANDLE_FDS; i++) {
		if (mask & 1u << i)
			h.fd[i] = m->fd[n++];
	}
	m->nfds = 0;
	*ret = h;
	return 0;
}

static void set_error(struct udrv_msg *m, int err, const char *fmt, va_list ap)
{
	struct udrv_wire_error w;
	int room = 1024, len;

	if (err < 0)
		err = -err;
	if (err == 0 || err > MAX_ERRNO)
		err = EIO;
	w.err = htole32((uint32_t)err);
	m->type = UDRV_MSG_ERR;
	m->nfds = 0;
	memcpy(m->data, &w, sizeof(w));
	len = vsnprintf((char *)m->data + sizeof(w), (size_t)room, fmt, ap);
	if (len < 0)
		len = 0;
	if (len >= room)
		len = room - 1;
	m->len = (uint32_t)(sizeof(w) + (size_t)len);
	m->data[m->len] = '\0';
}

void udrv_msg_set_error(struct udrv_msg *m, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_error(m, err, fmt, ap);
	va_end(ap);
}

int udrv_msg_error(const struct udrv_msg *m, const char **ret_text)
{
	struct udrv_wire_error w;
	uint32_t err;

	if (m->type != UDRV_MSG_ERR || m->len < sizeof(w))
		return -EBADMSG;
	memcpy(&w, m->data, sizeof(w));
	err = le32toh(w.err);
	if (err == 0 || err > MAX_ERRNO)
		return -EBADMSG;
	/* The byte behind the payload is NUL; one inside it cuts the text short. */
	if (ret_text)
		*ret_text = (const char *)m->data + sizeof(w);
	return -(int)err;
}

int udrv_msg_reply_ok(int sock, uint32_t id, const char *text)
{
	struct udrv_msg m;
	int err = 0;

	udrv_msg_init(&m, UDRV_MSG_OK, id);
	if (text)
		err = udrv_msg_set_text(&m, text);
	return err ? err : udrv_msg_send(sock, &m);
}

int udrv_msg_reply_error(int sock, uint32_t id, int err, const char *fmt, ...)
{
	struct udrv_msg m;
	va_list ap;

	udrv_msg_init(&m, UDRV_MSG_ERR, id);
	va_start(ap, fmt);
	set_error(&m, err, fmt, ap);
	va_end(ap);
	return udrv_msg_send(sock, &m);
}

int udrv_msg_call(int sock, struct udrv_msg *m, int (*fn)(void *ctx, struct udrv_msg *answer),
		  void *ctx)
{
	uint32_t id = m->id;
	int err;

	err = udrv_msg_send(sock, m);
	if (err)
		return err;
	for (;;) {
		err = udrv_msg_recv(sock, m);
		if (err)
			return err;
		if (m->id != id) {
			udrv_msg_drop_fds(m);
			return -EBADMSG;
		}
		if (m->type == UDRV_MSG_OK)
			return 0;
		if (m->type == UDRV_MSG_ERR)
			return udrv_msg_error(m, NULL);
		err = fn ? fn(ctx, m) : 0;
		udrv_msg_drop_fds(m);
		if (err)
			return err;
	}
}
