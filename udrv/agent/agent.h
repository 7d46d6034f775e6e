/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udrv-agent: the one opener of /dev/liveupdate once there is an agent. It binds devices, makes or
 * adopts their handles, leases them to hosts, and takes them through a kernel update. Whatever it
 * must not lose is in udrv-init's custody, so that it may die and begin again.
 */
#ifndef UDRV_AGENT_AGENT_H
#define UDRV_AGENT_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <udrv/handle.h>

#include "udrv/agent/backoff.h"
#include "udrv/common/luo.h"

struct custody_backend;
struct host_driver;
struct json_object;
struct udrv_msg;

#define AGENT_DEVICES 16
#define AGENT_CLIENTS (AGENT_DEVICES + 32)

/* The kernel-to-kernel format that this agent's kernel speaks: N of the release's "-udrvN". */
#define AGENT_FORMAT 2

/** enum agent_state - where a device is */
enum agent_state {
	DEV_PENDING,  /* to be opened clean, as soon as no session is in the way */
	DEV_STARTING, /* a host was started, or is awaited */
	DEV_RUNNING,  /* a host drives it */
	DEV_BACKOFF,  /* its host died; the next one is due at @due_ns */
	DEV_FAILED,   /* given up and quiesced; @error says why */
	DEV_STOPPED,  /* closed for an update that does not keep it */
	DEV_DETACHED, /* left alone, as its policy says, since an update */
};

/**
 * struct agent_device - a device that the agent is responsible for
 * @h: its handle; h.fd[UDRV_FD_VFIO] is -1 while there is none
 * @start: how its host got it to run: "resumed", "started" or "fallback" (started, after a resume
 *	was refused)
 * @error: why it is where it is; ""
 * @sock: to a host that was forked: it waits for its handle, or nobody listens to it yet; -1
 * @pidfd: the lease: of the process that has the device; -1: free
 * @program: what its hosts are executed from, a sealed memfd; -1: this very program
 * @restarts: hosts that ended, in this agent's life
 * @handles: handles in a row that were of no use
 * @backoff: when the next host is due
 * @running_ns: since when it has been running; 0: it does not
 * @stopping: its host is to end, and the handle to be closed
 * @replacing: its host was ended by request: the next one comes at once, and nobody failed
 * @fallback: a resume was tried and refused, so a clean start is a fall-back
 * @adopt: the handle came out of LUO and is not complete yet
 * @told: custody has a record of @start, made by the process that has the lease
 */
struct agent_device {
	struct udrv_handle h;
	enum agent_state state;
	char start[16];
	char error[192];
	pid_t pid;
	int sock;
	int pidfd;
	int program;
	unsigned int restarts;
	unsigned int handles;
	struct backoff backoff;
	uint64_t running_ns;
	bool stopping;
	bool replacing;
	bool fallback;
	bool adopt;
	bool told;
};

/**
 * struct agent_client - a connection
 * @owner: the device whose host was started with this connection, or NULL
 * @wait_ready: it asked to be told when all devices are dealt with
 * @wait_lease: the device whose lease it waits for, or NULL
 * @wait_device: the device that is to run again (or to fail), or NULL
 * @id: the request that waits
 */
struct agent_client {
	int sock;
	struct agent_device *owner;
	bool wait_ready;
	struct agent_device *wait_lease;
	struct agent_device *wait_device;
	uint32_t id;
};

/**
 * struct agent_rescued - memfds of a device's consumers, whose handle is closed
 * @name: of the device; "": none
 */
struct agent_rescued {
	char name[32];
	int fd[UDRV_HANDLE_EXTRA];
};

/**
 * struct agent - all there is
 * @keeper: who keeps what must outlive this process; NULL: nobody
 * @custody: connection to udrv-init, -1 without one
 * @custody_pending: requests that it has not answered yet
 * @taking_over: this is PID 1, before there is an agent (takeover.c)
 * @luo: /dev/liveupdate, -1 without one
 * @luo_on_demand: PID 1 opens it as well, so @luo is -1 between two uses
 * @luo_err: why there can be no update; 0
 * @incoming: session of the previous kernel, not finished yet; -1
 * @directory: memfd of the directory that came with it (or an empty one)
 * @fdt: private, checked copy of the directory
 * @cycle: kexecs since the cold boot
 * @ready: every device is dealt with and the session is finished
 */
struct agent {
	int listener;
	const struct custody_backend *keeper;
	int custody;
	unsigned int custody_pending;
	bool taking_over;
	int luo;
	bool luo_on_demand;
	int luo_err;
	int incoming;
	int directory;
	void *fdt;
	uint64_t cycle;
	uint64_t tsc_init;
	bool ready;
	struct agent_device dev[AGENT_DEVICES];
	unsigned int ndev;
	struct agent_client client[AGENT_CLIENTS];
	struct agent_rescued rescued[AGENT_DEVICES];
};

/* main.c */
struct agent_device *agent_find(struct agent *a, const char *name);
struct agent_device *agent_add(struct agent *a, const char *name);
/** agent_client() - serve a connection, which is taken over (and closed if there are too many) */
void agent_client(struct agent *a, int sock, struct agent_device *owner);

/* config.c: which devices */

/** agent_configure() - add every configured device that is not known yet, as DEV_PENDING */
int agent_configure(struct agent *a);
/**
 * agent_driver_opts() - sizes of a new handle for @h->driver; -EINVAL: bad options of the driver;
 * -EOPNOTSUPP: no such driver (message)
 */
int agent_driver_opts(const struct udrv_handle *h, struct udrv_handle_opts *ret);

/* bind.c: PCI and sysfs */

/** bind_vfio() - bind vfio-pci to a device through driver_override; -ENODEV, -errno (message) */
int bind_vfio(const char *bdf);
/** bind_driver() - the driver that we have for a device; NULL: none, or there is no such device */
const struct host_driver *bind_driver(const char *bdf);

/*
 * custody.c: PID 1's side of a descriptor's life: udrv-init's, or systemd's; without either they do
 * nothing. Putting something there does not wait: once it is sent, it outlives this process,
 * whenever PID 1 gets to it.
 */
/** custody_choose() - by how this process was started; first of all */
void custody_choose(struct agent *a);
/** custody_get_all() - @handle and @fd own what they are given */
int custody_get_all(struct agent *a, void (*handle)(struct agent *a, struct udrv_handle *h),
		    void (*fd)(struct agent *a, const char *name, int fd));
void custody_put_handle(struct agent *a, const struct udrv_handle *h);
void custody_put_fd(struct agent *a, const char *name, int fd);
/** custody_mounts() - have mounted what a running host needs beside its device, unless it is */
void custody_mounts(struct agent *a);
/** custody_settle() - wait for the answers to all of that; -errno of the worst (message) */
int custody_settle(struct agent *a);
int custody_drop(struct agent *a, const char *name);
int custody_ready(struct agent *a);
/**
 * custody_leave() - into the next kernel, which is loaded. 0: PID 1 does it,
 * soon; -errno: it is refused
 */
int custody_leave(struct agent *a);
/**
 * custody_alive() - tell PID 1, if it wants to know; returns when it is due next, UINT64_MAX: never
 */
uint64_t custody_alive(struct agent *a);
/**
 * custody_still_open() - may something that was dropped be what is in the way? Then waits a moment
 * @tries: 0 at the first call
 */
bool custody_still_open(const struct agent *a, unsigned int *tries);

/* device.c: one device */
/** device_create() - DEV_PENDING → DEV_STARTING or DEV_FAILED */
void device_create(struct agent *a, struct agent_device *d);
/**
 * device_start_host() - start its host; one of PID 1 has what there is of the handle, and waits
 * for the rest. device_watch_host() is to follow
 */
void device_start_host(struct agent *a, struct agent_device *d);
#define HANDLE_VFIO   (1u << UDRV_FD_VFIO)
#define HANDLE_IOMMU  (1u << UDRV_FD_IOMMU)
#define HANDLE_MEMORY (~(HANDLE_VFIO | HANDLE_IOMMU))

/**
 * device_give_part() - give a host that waits more of its handle
 * @mask: which descriptors; it keeps those that it has
 */
void device_give_part(struct agent_device *d, unsigned int mask);
/**
 * device_watch_host() - learn of its end, and put its lease into custody: before it has the last
 * part of its handle, or at its start if it has all. A host that cannot be watched is ended
 */
void device_watch_host(struct agent *a, struct agent_device *d);
/** device_mounted() - tell a host that waits that what it needs beside its device is mounted */
void device_mounted(struct agent_device *d);
#define HOST_SOCK "host-" /* in custody: "host-nvme0", the agent's end of @sock */
/**
 * device_listen() - a host that waited will say that it runs: the agent listens for that, PID 1
 * leaves it to the agent
 */
void device_listen(struct agent *a, struct agent_device *d);
/** device_recall_host() - end a host that waits for a handle, as there is none to give */
void device_recall_host(struct agent *a, struct agent_device *d);
/** device_stop() - ask its host to shut the controller down and end; then its handle is closed */
void device_stop(struct agent *a, struct agent_device *d);
/** device_kill() - end its host at once; the device goes on */
void device_kill(struct agent_device *d);
/**
 * device_close_handle() - close it, in custody as well, which quiesces the device
 * @rescue: keep its consumers' memory for the next handle: they find there what was lost
 */
void device_close_handle(struct agent *a, struct agent_device *d, bool rescue);
/** device_restart() - a new host, of @program if that is not -1 (taken over); -errno and @why */
int device_restart(struct agent *a, struct agent_device *d, int program, char *why,
		   size_t why_size);
int device_lease(struct agent *a, struct agent_device *d, int sock, uint32_t id);
/**
 * device_adopted() - what its host says of its start; @why is "" or why it is no resume. -errno: it
 * has to say that again
 */
int device_adopted(struct agent *a, struct agent_device *d, const char *start, const char *why);
void device_lease_over(struct agent *a, struct agent_device *d);
const char *device_state_name(enum agent_state s);

/**
 * ended_status() - ended.c: how a process that has ended did so
 * @text: "with status 1", "by signal 9"
 *
 * Waits for its parent to reap it, a second at most. Return: exit status; -1: none, or unknown.
 */
int ended_status(int pidfd, char *text, size_t size);

/* lease.c: leases in custody */

#define LEASE_NAME_SIZE 48u
/** lease_name() - what the lease of a device is called in custody; LEASE_NAME_SIZE is enough */
void lease_name(const struct agent_device *d, char *ret, size_t size);
/** lease_put() - a process has the device from now on: @d->pidfd */
void lease_put(struct agent *a, const struct agent_device *d);
/**
 * lease_told() - it has told that the device runs, and how it got there: @d->start. -errno: this
 * cannot be recorded, so it has to tell again
 */
int lease_told(struct agent *a, struct agent_device *d);
/** lease_drop() - it has ended; closes @d->pidfd. What comes from it later is not listened to */
void lease_drop(struct agent *a, struct agent_device *d);
/** lease_kept() - is this one of a lease's, in custody? Then @fd is taken over */
bool lease_kept(struct agent *a, const char *name, int fd);
/**
 * lease_restore() - all of custody was read: who has a device and has told that it runs is
 * DEV_RUNNING; who has it and has not, DEV_STARTING: it will
 */
void lease_restore(struct agent *a);

/* fallen.c: devices of the previous kernel that could not be taken over */

/** fallen_put() - this is one of them: @d->error */
void fallen_put(struct agent *a, const struct agent_device *d);
/** fallen_kept() - is this the reason for one, in custody? Then @fd is taken over */
bool fallen_kept(const char *name, int fd);
/** fallen_restore() - is this one of them? Then its start is a fall-back, and its reason known */
bool fallen_restore(struct agent_device *d);
/** fallen_drop() - it is no longer: it was started clean, or has failed */
void fallen_drop(struct agent *a, const struct agent_device *d);

/*
 * rescue.c: memory of consumers outlives a handle that is closed: how else would they learn what
 * became of their commands?
 */
void rescue_take(struct agent *a, struct udrv_handle *h);
/**
 * rescue_give() - put it into a new handle, in place of what that has of the same size. It stays in
 * custody until rescue_given(), which is for when the handle is there.
 */
void rescue_give(struct agent *a, struct udrv_handle *h);
void rescue_given(struct agent *a, const char *name);
/**
 * rescue_find() - the UDRV_HANDLE_EXTRA descriptors of a device, -1 for none; NULL: nothing of it
 */
const int *rescue_find(const struct agent *a, const char *name);
/** rescue_kept() - is this one of ours in custody? Then @fd is taken over */
bool rescue_kept(struct agent *a, const char *name, int fd);
/** rescue_put() - take a descriptor over, into custody as well */
void rescue_put(struct agent *a, const char *name, unsigned int i, int fd);

/* policy.c: what the user sets for a device, which outlives agents and kernels in the directory */
struct policy_settings {
	char name[32];
	char bdf[16];
	enum udrv_policy policy;
	uint32_t restart_limit;
	uint32_t restart_max_ms;
	bool detached;
	uint64_t base; /* tokens of its consumers' memory */
	uint32_t mask;
};

const char *policy_name(enum udrv_policy p);
/** policy_parse() - -EINVAL: none of the three */
int policy_parse(const char *text, enum udrv_policy *ret);
/** policy_set() - out of a request; -EINVAL and @why; nothing is set unless all of it can be */
int policy_set(struct agent *a, struct agent_device *d, struct json_object *req, char *why,
	       size_t why_size);
/** policy_restore() - after a kexec or another agent's death: give devices what was set for them */
void policy_restore(struct agent *a);
void policy_json(const struct agent_device *d, struct json_object *o);

/* directory.c: what crosses a kexec, by name */
#define DIRECTORY_TOKEN 0
#define DIRECTORY_SIZE	65536u

/** struct directory_phase - a step of an update, for the report */
struct directory_phase {
	const char *name;
	uint64_t start_ns, duration_ns; /* since the update was begun */
};

/**
 * directory_write() - make a directory memfd
 * @to_kernel: release of the next kernel; NULL: an empty directory of a cold boot
 * @ret_map: a mapping of DIRECTORY_SIZE bytes, which the tree need not fill, for directory_stamp();
 *	the caller unmaps them; may be NULL
 */
int directory_write(const struct agent *a, const char *to_kernel,
		    const struct directory_phase *phases, unsigned int nphases, void **ret_map);
/** directory_stamp() - record the moment of the reboot in a directory that is preserved already */
void directory_stamp(void *map);
/**
 * directory_read() - check a directory; @ret is malloc()ed. -EBADMSG, -EPROTONOSUPPORT: a newer
 * major version
 */
int directory_read(int memfd, void **ret);
/** directory_read_into() - the same, of up to @size bytes, into @buf, which is aligned to 8 */
int directory_read_into(int memfd, void *buf, size_t size);
uint64_t directory_cycle(const void *fdt);
/** directory_handles() - call @fn for each handle; h->fd is all -1, @mask tells which there are */
int directory_handles(const void *fdt,
		      int (*fn)(void *ctx, const struct udrv_handle *h, uint64_t base,
				uint32_t mask),
		      void *ctx);
/** directory_settings() - call @fn for each device that something is set for */
int directory_settings(const void *fdt, void (*fn)(void *ctx, const struct policy_settings *s),
		       void *ctx);
/**
 * directory_refresh() - the present directory with other settings and outcomes
 * @phases: of the update, since the next kernel's udrv-init began; recorded
 *	once, 0 of them: not now
 *
 * Record and cycle of the last update stay. Return: memfd, @ret as of directory_read(); -errno.
 */
int directory_refresh(const struct agent *a, const struct directory_phase *phases,
		      unsigned int nphases, void **ret);
/** directory_token() - base token of device number @i */
uint64_t directory_token(unsigned int i);
uint64_t directory_tsc_reboot(const void *fdt);
struct json_object *directory_phase_json(const struct directory_phase *phase);
/** directory_report() - the last update as JSON; NULL: there was none */
struct json_object *directory_report(const void *fdt);

/* restore.c: from whatever custody and the previous kernel left to devices with hosts */
int agent_restore(struct agent *a);
/** restore_devices() - adopt what is in the session of @a->incoming and not in custody */
void restore_devices(struct agent *a);
/** agent_progress() - take every device on as far as it goes; called after each event */
void agent_progress(struct agent *a);

/* check.c: would the next kernel keep its hands off the devices? */

/** check_image() - read a bzImage's release; -EINVAL: not one, or not ours (@why) */
int check_image(int fd, char *release, size_t size, char *why, size_t why_size);
int check_cmdline(const char *cmdline, char *why, size_t why_size);
/**
 * check_payload() - payload.c: is the kernel in a bzImage whole, and does it have KHO and LUO?
 * @digest: SHA-256 of the file, in hexadecimal digits; "": unknown
 *
 * It takes long. Return: 0, also if one cannot look into it; -EBADMSG: damaged; -EINVAL: built
 * without; -errno.
 */
int check_payload(int fd, const char *digest, char *why, size_t why_size);
/**
 * check_digest() - payload.c: is the file's SHA-256 @digest, in hexadecimal
 * digits? -EBADMSG: no; -errno
 */
int check_digest(int fd, const char *digest, char *why, size_t why_size);
/** check_memory() - do kernel and initramfs fit into KHO's scratch memory? Unknown is 0, too */
int check_memory(int kernel, int image, char *why, size_t why_size);

/* report.c: what became of the last update */

/**
 * report_mark() - a phase of this kernel's part of it ends now; it began where the last one ended
 */
void report_mark(const char *phase, const char *device);
/** report_keep() - put the marks into custody, for the agent that follows */
void report_keep(struct agent *a);
/** report_kept() - are these the marks, in custody? Then @fd is taken over */
bool report_kept(const char *name, int fd);
/** report_settled() - every device is dealt with: record what became of it, for agents to come */
void report_settled(struct agent *a);
/** report_json() - NULL: there was no update since the cold boot */
struct json_object *report_json(const struct agent *a);

/* update.c: see update.h */

/**
 * agent_update() - serve UDRV_MSG_UPDATE: begin one, the answer comes later; -errno of the socket
 */
int agent_update(struct agent *a, struct agent_client *c, struct udrv_msg *m);
int update_abort(struct agent_client *c, uint32_t id);
int update_commit(struct agent_client *c, uint32_t id);
bool update_active(void);
/** update_pollfd() - readable: update_event(); -1: there is nothing to wait for */
int update_pollfd(void);
void update_event(void);
/** update_due() - when update_progress() has to be called; UINT64_MAX: not for time's sake */
uint64_t update_due(void);
void update_progress(void);
void update_client_gone(const struct agent_client *c);
struct json_object *update_json(void);

#endif
