/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: Handle protocol
 *
 * udrv-init, udrv-agent, udrv-host and udrvctl talk over AF_UNIX SOCK_SEQPACKET sockets: one packet
 * is one message, a fixed little-endian header and a payload of at most UDRV_MSG_PAYLOAD bytes,
 * with at most UDRV_MSG_FDS file descriptors beside it (SCM_RIGHTS). A request carries an id that
 * the peer's answers repeat. Every request is answered by any number of UDRV_MSG_PROGRESS,
 * UDRV_MSG_HANDLE or UDRV_MSG_FD messages and then exactly one UDRV_MSG_OK or UDRV_MSG_ERR.
 *
 * Nothing that a peer sends is trusted: a packet that is cut short, too long, of another version or
 * with fields out of range is -EBADMSG, its descriptors are closed, and the connection is of no
 * more use.
 *
 * Payloads are one of: nothing; text (UTF-8, not NUL-terminated on the wire: a name, or JSON); a
 * handle (&struct udrv_wire_handle, the descriptors in the order of enum udrv_handle_fd); an error
 * (&struct udrv_wire_error and text).
 *
 * Threads: the functions keep no state; one thread at a time per socket and per message.
 */
#ifndef UDRV_PROTO_H
#define UDRV_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct udrv_handle;

#define UDRV_MSG_MAGIC	  0x56524455u /* "UDRV" */
#define UDRV_MSG_VERSION  1
#define UDRV_MSG_PAYLOAD  65536u
#define UDRV_MSG_FDS	  16u
#define UDRV_NAME_MAX	  63 /* of a UDRV_MSG_FD; a handle's is shorter */

#define UDRV_AGENT_SOCKET "/run/udrv/agent.sock"

/**
 * enum udrv_msg_type - what a message is; values are part of the protocol and
 * never change their meaning
 */
enum udrv_msg_type {
	/* answers */
	UDRV_MSG_OK = 1,       /* last answer, done; text: JSON or nothing */
	UDRV_MSG_ERR = 2,      /* last answer, failed; error */
	UDRV_MSG_PROGRESS = 3, /* text: one JSON object */
	UDRV_MSG_HANDLE = 4,   /* handle, its fds */
	UDRV_MSG_FD = 5,       /* text: name; one fd */

	/*
	 * custody: requests to udrv-init, by the agent only, on the socket that it was started with
	 */

	/* handle, its fds: keep duplicates, replacing an older one of that name */
	UDRV_MSG_PUT_HANDLE = 16,
	UDRV_MSG_PUT_FD = 17,  /* text: name, e.g. "session"; one fd: keep it, likewise */
	UDRV_MSG_GET_ALL = 18, /* answers: each HANDLE, each FD, OK */
	UDRV_MSG_DROP = 19,    /* text: name of a handle or fd to close; ERR ENOENT */
	UDRV_MSG_READY = 20,   /* every device is dealt with: do now what was put off */
	/* 21 is not used any more */

	/* leases: requests to udrv-agent, by hosts */

	/* text: device; answers: HANDLE, OK; ERR EBUSY: leased (text names the pid) */
	UDRV_MSG_LEASE = 32,
	/* likewise, but answered when the holder is gone (its pidfd is readable) */
	UDRV_MSG_LEASE_WAIT = 33,
	/*
	 * text: JSON {"device", "start", "why"}: the lease holder drives it: "resumed", "started",
	 * "fallback"; or cannot, and ends: "refused"
	 */
	UDRV_MSG_ADOPTED = 34,
	/*
	 * unasked, to a host that was forked with part of its handle, after the last part: what a
	 * running host needs beside the device is mounted; not answered
	 */
	UDRV_MSG_MOUNTED = 35,

	/* anybody, to agent or host */
	UDRV_MSG_STATUS = 48,  /* answer: OK with JSON */
	UDRV_MSG_COMMAND = 49, /* text: JSON {"command": name, …}; PROGRESS*, OK with JSON */
	/* text: JSON {"cmdline": …}; fds: kernel, image; PROGRESS*, then ERR or EOF */
	UDRV_MSG_UPDATE = 50,
};

/** struct udrv_msg_header - first bytes of each packet; little endian */
struct udrv_msg_header {
	uint32_t magic;
	uint16_t version;
	uint16_t type;
	uint32_t id;
	uint32_t len; /* payload bytes that follow; the packet ends there */
};

/** struct udrv_wire_handle - a &struct udrv_handle on the wire; little endian */
struct udrv_wire_handle {
	char name[32];
	char bdf[16];
	char driver[16];
	uint32_t policy;
	uint32_t flags; /* bit 0: noiommu; others zero */
	uint32_t ioas_id;
	uint32_t fd_mask; /* bit n: fd[n] is passed; they come in rising order */
};

#define UDRV_WIRE_NOIOMMU 1u

/** struct udrv_wire_error - payload of UDRV_MSG_ERR; the text follows */
struct udrv_wire_error {
	uint32_t err; /* positive errno, 1 to 4095 */
};

/**
 * struct udrv_msg - a message in memory (some 64 KiB: not for small stacks)
 * @type: enum udrv_msg_type; a receiver answers ERR EOPNOTSUPP to one that it does not know
 * @id: the request's
 * @len: payload bytes
 * @nfds: descriptors in @fd
 * @fd: to send: borrowed. Received: owned by the message (close-on-exec), until
 *	taken or udrv_msg_drop_fds()
 * @data: payload; a received one has a NUL behind @len, so that text can be used as a string
 */
struct udrv_msg {
	uint16_t type;
	uint32_t id;
	uint32_t len;
	unsigned int nfds;
	int fd[UDRV_MSG_FDS];
	uint8_t data[UDRV_MSG_PAYLOAD + 1];
};

/** udrv_msg_init() - an empty message: no payload, no fds */
void udrv_msg_init(struct udrv_msg *m, uint16_t type, uint32_t id);

/** udrv_msg_set_text() - make @text the payload; -EMSGSIZE */
int udrv_msg_set_text(struct udrv_msg *m, const char *text);

/** udrv_msg_text() - the payload as text; NULL if it contains a NUL byte */
const char *udrv_msg_text(const struct udrv_msg *m);

/**
 * udrv_msg_add_fd() - pass a (borrowed) descriptor along; -EMSGSIZE: UDRV_MSG_FDS
 * reached; -EBADF: negative
 */
int udrv_msg_add_fd(struct udrv_msg *m, int fd);

/**
 * udrv_msg_take_fd() - own descriptor @i of a received message, which keeps
 * -1 in its place; -ENOENT
 */
int udrv_msg_take_fd(struct udrv_msg *m, unsigned int i);

/** udrv_msg_drop_fds() - close what is left of a received message's descriptors */
void udrv_msg_drop_fds(struct udrv_msg *m);

/**
 * udrv_msg_set_handle() - make a handle the payload, with its fds (borrowed
 * until the send); -EINVAL
 */
int udrv_msg_set_handle(struct udrv_msg *m, const struct udrv_handle *h);

/**
 * udrv_msg_take_handle() - own the handle in a received message
 * @ret: close it with udrv_handle_close(); untouched on failure
 *
 * Names are checked (udrv_name_valid(), PCI address), policy, flags and the
 * number of descriptors too.
 * Return: 0; -EBADMSG.
 */
int udrv_msg_take_handle(struct udrv_msg *m, struct udrv_handle *ret);

/** udrv_msg_set_error() - make an UDRV_MSG_ERR of @m; @err is positive or negative errno */
void udrv_msg_set_error(struct udrv_msg *m, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * udrv_msg_error() - the negative errno in an UDRV_MSG_ERR, its text in
 * @ret_text (may be NULL); -EBADMSG
 */
int udrv_msg_error(const struct udrv_msg *m, const char **ret_text);

/**
 * udrv_msg_send() - send one message
 *
 * Return: 0; -EAGAIN: non-blocking socket is full; -EPIPE: peer gone (no SIGPIPE); -EINVAL: out of
 * bounds; -errno.
 */
int udrv_msg_send(int sock, const struct udrv_msg *m);

/**
 * udrv_msg_recv() - receive one message
 * @m: overwritten; on failure it holds no descriptors
 *
 * Return: 0; -ENOTCONN: the peer closed; -EAGAIN: nothing there (non-blocking socket); -EBADMSG:
 * malformed; -EPROTONOSUPPORT: another version; -errno.
 */
int udrv_msg_recv(int sock, struct udrv_msg *m);

/** udrv_msg_reply_ok() - answer request @id with UDRV_MSG_OK; @text may be NULL */
int udrv_msg_reply_ok(int sock, uint32_t id, const char *text);
/** udrv_msg_reply_error() - answer request @id with UDRV_MSG_ERR */
int udrv_msg_reply_error(int sock, uint32_t id, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/**
 * udrv_msg_call() - send a request and wait for its last answer (blocking socket)
 * @m: the request; afterwards the last answer (UDRV_MSG_OK or UDRV_MSG_ERR), also when the return
 *     value is that of an UDRV_MSG_ERR
 * @fn: called with each answer before the last; descriptors that it does not take are closed after
 *      it. Another return value than 0 ends the call with it. May be NULL
 *
 * Return: 0: UDRV_MSG_OK; -errno out of UDRV_MSG_ERR (text: udrv_msg_error()); as
 * udrv_msg_send(), udrv_msg_recv().
 */
int udrv_msg_call(int sock, struct udrv_msg *m, int (*fn)(void *ctx, struct udrv_msg *answer),
		  void *ctx);

/**
 * udrv_proto_listen() - a listening socket at @path, which is replaced; its
 * directory exists; fd or -errno
 */
int udrv_proto_listen(const char *path, mode_t mode);
/** udrv_proto_accept() - the next connection, close-on-exec; fd or -errno */
int udrv_proto_accept(int listener, bool nonblock);
/**
 * udrv_proto_connect() - connect to @path, close-on-exec; fd or -errno
 * @nonblock: of the socket, from connecting on. -EAGAIN: as many wait as the listener lets
 */
int udrv_proto_connect(const char *path, bool nonblock);

/**
 * struct udrv_peer - who is at the other end, as the kernel saw it at connect()
 * @pidfd: owned by the caller; readable (POLLIN) once the process has
 *	exited. -1: it is gone already
 */
struct udrv_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	int pidfd;
};

/**
 * udrv_proto_peer() - the peer's credentials
 *
 * The pidfd is SO_PEERPIDFD's where the kernel has it (6.5). An older kernel makes one of the pid,
 * which might have been reused: the peer could then only be mistaken for one that still lives.
 * Return: 0; -errno.
 */
int udrv_proto_peer(int sock, struct udrv_peer *ret);

/**
 * udrv_name_valid() - 1–31 characters of [a-z0-9-], the first one a letter: names of handles,
 * areas, drivers
 */
bool udrv_name_valid(const char *name);
/** udrv_bdf_valid() - is this "dddd:bb:dd.f" in lower case hexadecimal, as in sysfs? */
bool udrv_bdf_valid(const char *bdf);

#ifdef __cplusplus
}
#endif
#endif
