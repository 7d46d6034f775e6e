/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: Persistent state of a device
 *
 * A device's state lives in one memfd that no device can write: it is never mapped for DMA.
 * It is right at every instruction, so nothing has to be saved when a process dies or a
 * kernel is replaced:
 *
 *  - a header with the *lifecycle* word; only a state that is READY may be resumed;
 *  - *cold facts* (identity, geometry, addresses, namespaces) as a flattened device tree in two
 *    checksummed copies. A commit writes the copy that is not in use and then flips to it with one
 *    8-byte store;
 *  - *areas*: named, fixed-size parts in which hot facts live (counters, slots, the allocator's
 *    book). Whoever owns an area defines an order of stores that is right at every instruction.
 *
 * Layout (little endian; docs/state-format.md has every field): page 0 holds the header, followed
 * by the two tree copies of UDRV_STATE_FDT_MAX bytes each, followed by the areas, cache-line
 * aligned, which the tree's node /areas lists. The root's compatible is "udrv,state-v1". A reader
 * accepts its own major version and the one before, ignores nodes and properties that it does not
 * know, and refuses a newer major.
 *
 * Threads: one thread writes a state at a time (the driver that holds the device's lease, or the
 * agent while no driver runs). udrv_state_open() with UDRV_STATE_RDONLY may be used beside it, by
 * any process.
 */
#ifndef UDRV_STATE_H
#define UDRV_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct udrv_log;
struct udrv_state;

#define UDRV_STATE_COMPATIBLE "udrv,state-v1"
#define UDRV_STATE_FDT_MAX    4096u

/** enum udrv_lifecycle - what a driver is doing with the device; only UDRV_READY may be resumed */
enum udrv_lifecycle {
	UDRV_INIT = 0,	    /* not set up yet, or the set-up was cut short */
	UDRV_READY = 1,	    /* queues live: resume in place */
	UDRV_RESETTING = 2, /* a reset was begun: begin again */
	UDRV_CLOSING = 3,   /* a clean shutdown was begun: finish it */
};

/**
 * udrv_state_size() - bytes of a state memfd whose areas take @areas bytes in
 * sum, rounded up to pages
 */
size_t udrv_state_size(size_t areas, unsigned int nareas);

/**
 * udrv_state_format() - write an empty state (lifecycle INIT, generation 0) over a memfd
 * @memfd: borrowed, mapped shared; its size is what udrv_state_size() said, or more
 * @log: may be NULL
 * @ret: the open state
 *
 * Return: 0; -EINVAL: too small; -errno of fstat() or mmap().
 */
int udrv_state_format(int memfd, const struct udrv_log *log, struct udrv_state **ret);

#define UDRV_STATE_RDONLY 1u

/**
 * udrv_state_open() - open the state that a predecessor left
 * @memfd: borrowed, mapped shared
 * @flags: UDRV_STATE_RDONLY maps it read-only
 * @log: may be NULL
 * @ret: the open state
 *
 * Every byte is taken for hostile: magic, sizes, both copies' checksums, the tree's structure and
 * every area's bounds are checked. When the newer copy is damaged the older one is used and a
 * warning says so.
 *
 * Return: 0; -EBADMSG: damaged (message says which field); -EPROTONOSUPPORT: a newer major version;
 * -errno of fstat() or mmap().
 */
int udrv_state_open(int memfd, unsigned int flags, const struct udrv_log *log,
		    struct udrv_state **ret);

/** udrv_state_close() - unmap; the memfd and what is in it stay. NULL is allowed. */
void udrv_state_close(struct udrv_state *st);

/** udrv_state_lifecycle() - current lifecycle word; an unknown value reads as UDRV_RESETTING */
enum udrv_lifecycle udrv_state_lifecycle(const struct udrv_state *st);

/**
 * udrv_state_set_lifecycle() - one release store; everything written before
 * is visible to who reads it
 */
void udrv_state_set_lifecycle(struct udrv_state *st, enum udrv_lifecycle lc);

/**
 * udrv_state_updating() - is an update under way?
 *
 * The agent sets the word before it freezes anything; it is cleared by whoever adopts the device in
 * the next kernel, or when the update was given up. While it is set a driver starts no abort, no
 * timeout handling and no reset.
 */
bool udrv_state_updating(const struct udrv_state *st);
void udrv_state_set_updating(struct udrv_state *st, bool on);

/** udrv_state_generation() - number of commits so far; the newest copy's */
uint64_t udrv_state_generation(const struct udrv_state *st);

/**
 * udrv_state_fdt() - the committed tree
 *
 * Return: a private copy, checked, valid until the next udrv_state_commit() or
 * close. Read it with libfdt.
 */
const void *udrv_state_fdt(const struct udrv_state *st);

/**
 * udrv_state_edit() - a private, editable copy of the committed tree
 *
 * Change it with libfdt's read-write functions (fdt_add_subnode(), fdt_setprop_u64() …;
 * -FDT_ERR_NOSPACE when UDRV_STATE_FDT_MAX is reached), then publish it with udrv_state_commit().
 * Calling it again without a commit starts over.
 *
 * Return: the buffer, owned by @st; NULL with errno EROFS for a read-only state.
 */
void *udrv_state_edit(struct udrv_state *st);

/**
 * udrv_state_commit() - publish the edited tree
 *
 * Crash-safe: until the last 8-byte store the old tree is the valid one, after it the new one.
 *
 * Return: 0; -EINVAL: no edit was begun or the tree is malformed; -EROFS.
 */
int udrv_state_commit(struct udrv_state *st);

/**
 * udrv_state_area_add() - reserve a named area and record it in the tree being edited
 * @name: 1–31 characters of [a-z0-9-], unique
 * @size: bytes, not 0
 * @ret: its zeroed memory, 64-byte aligned, valid until udrv_state_close()
 *
 * Between udrv_state_edit() and udrv_state_commit(); the area exists once the commit is done.
 * Areas are never moved or freed; a state is formatted anew when its owner wants others.
 *
 * Return: 0; -EEXIST; -EINVAL: bad name or no edit begun; -ENOSPC: the memfd or the tree is full.
 */
int udrv_state_area_add(struct udrv_state *st, const char *name, size_t size, void **ret);

/**
 * udrv_state_area() - find an area of the committed tree
 * @ret_size: its bytes; may be NULL
 *
 * Return: its memory (bounds checked when the state was opened), or NULL with errno ENOENT.
 */
void *udrv_state_area(const struct udrv_state *st, const char *name, size_t *ret_size);

#ifdef __cplusplus
}
#endif
#endif
