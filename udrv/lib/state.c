// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <udrv/log.h>

#include "udrv/lib/crc32c.h"
#include "udrv/lib/state_internal.h"
#include "udrv/lib/step.h"

#define COMPATIBLE_PREVIOUS "udrv,state-v0"
#define READ_TRIES	    64

static uint32_t header_crc(const struct state_header *hdr)
{
	return udrv_crc32c(0, hdr, offsetof(struct state_header, crc));
}

static uint32_t copy_crc(uint64_t generation, uint32_t len, const void *fdt)
{
	uint64_t gen_le = htole64(generation);
	uint32_t len_le = htole32(len);
	uint32_t crc;

	crc = udrv_crc32c(0, &gen_le, sizeof(gen_le));
	crc = udrv_crc32c(crc, &len_le, sizeof(len_le));
	return udrv_crc32c(crc, fdt, len);
}

static uint64_t active_word(uint32_t generation)
{
	return (uint64_t)~generation << 32 | generation;
}

static uint8_t *copy_at(const struct udrv_state *st, uint32_t generation)
{
	return st->map + STATE_HEADER_SIZE + (size_t)(generation & 1) * UDRV_STATE_FDT_MAX;
}

int udrv_fdt_errno(int fdt_err)
{
	switch (-fdt_err) {
	case FDT_ERR_NOTFOUND:
		return -ENOENT;
	case FDT_ERR_EXISTS:
		return -EEXIST;
	case FDT_ERR_NOSPACE:
		return -ENOSPC;
	default:
		return -EBADMSG;
	}
}

int udrv_fdt_u64(const void *fdt, int node, const char *name, uint64_t *ret)
{
	const fdt64_t *prop;
	int len;

	prop = fdt_getprop(fdt, node, name, &len);
	if (!prop)
		return udrv_fdt_errno(len);
	if (len != sizeof(*prop))
		return -EBADMSG;
	*ret = fdt64_ld(prop);
	return 0;
}

size_t udrv_state_size(size_t areas, unsigned int nareas)
{
	size_t size = STATE_AREAS_OFF + areas + (size_t)nareas * STATE_AREA_ALIGN;

	return (size + 4095) & ~(size_t)4095;
}

static int state_map(int memfd, bool rdonly, const struct udrv_log *log, struct udrv_state **ret)
{
	struct udrv_state *st;
	struct stat sb;
	int err;

	if (fstat(memfd, &sb) < 0) {
		err = -errno;
		udrv_log(log, UDRV_LOG_ERR, "state: cannot get the size of fd %d: %m", memfd);
		return err;
	}
	if (sb.st_size < (off_t)STATE_AREAS_OFF) {
		udrv_log(log, UDRV_LOG_ERR, "state: fd %d has %lld bytes, at least %u are needed",
			 memfd, (long long)sb.st_size, STATE_AREAS_OFF);
		return -EINVAL;
	}
	st = calloc(1, sizeof(*st));
	if (!st)
		return -ENOMEM;
	st->log = log;
	st->rdonly = rdonly;
	st->map_size = (size_t)sb.st_size;
	st->size = st->map_size;
	st->map = mmap(NULL, st->map_size, rdonly ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED,
		       memfd, 0);
	if (st->map == MAP_FAILED) {
		err = -errno;
		udrv_log(log, UDRV_LOG_ERR, "state: cannot map fd %d: %m", memfd);
		free(st);
		return err;
	}
	st->hdr = (struct state_header *)st->map;
	*ret = st;
	return 0;
}

void udrv_state_close(struct udrv_state *st)
{
	if (!st)
		return;
	munmap(st->map, st->map_size);
	free(st);
}

/* Write @fdt as @generation into the copy that is not in use, and flip to it. */
static void copy_publish(struct udrv_state *st, uint32_t generation, const void *fdt, uint32_t len)
{
	struct state_copy *copy = &st->hdr->copy[generation & 1];

	/* First take the copy back from the generation that it held: it is about to be neither. */
	udrv_store32(&copy->len, 0);
	udrv_store_bytes(copy_at(st, generation), fdt, len);
	udrv_store64(&copy->generation, generation);
	udrv_store32(&copy->crc, copy_crc(generation, len, fdt));
	udrv_store32(&copy->len, len);
	udrv_store64(&st->hdr->active, active_word(generation));
}

static int empty_tree(void *buf, size_t size)
{
	int err;

	err = fdt_create_empty_tree(buf, (int)size);
	if (!err)
		err = fdt_setprop_string(buf, 0, "compatible", UDRV_STATE_COMPATIBLE);
	return err ? udrv_fdt_errno(err) : 0;
}

int udrv_state_format(int memfd, const struct udrv_log *log, struct udrv_state **ret)
{
	struct state_header *hdr, whole;
	struct udrv_state *st;
	int err;

	err = state_map(memfd, false, log, &st);
	if (err)
		return err;
	err = empty_tree(st->fdt, sizeof(st->fdt));
	if (err) {
		udrv_state_close(st);
		return err;
	}

	hdr = st->hdr;
	udrv_store64(&hdr->magic, 0);
	udrv_store_zero((uint8_t *)hdr + sizeof(hdr->magic),
			STATE_HEADER_SIZE - sizeof(hdr->magic));
	memcpy(st->edit, st->fdt, sizeof(st->edit));
	fdt_pack(st->edit);
	copy_publish(st, 0, st->edit, fdt_totalsize(st->edit));
	hdr->major = htole16(STATE_MAJOR);
	hdr->minor = htole16(STATE_MINOR);
	hdr->header_size = htole32(STATE_HEADER_SIZE);
	hdr->size = htole64(st->size);
	hdr->fdt_max = htole32(UDRV_STATE_FDT_MAX);
	/* The checksum covers the magic, which must not be there before the checksum is. */
	whole = *hdr;
	whole.magic = htole64(STATE_MAGIC);
	udrv_store32(&hdr->crc, header_crc(&whole));
	udrv_store64(&hdr->magic, STATE_MAGIC);
	*ret = st;
	return 0;
}

static int header_check(struct udrv_state *st)
{
	/* A private copy: what has been checked must not change afterwards. */
	const struct state_header hdr = *st->hdr;
	unsigned int major = le16toh(hdr.major), minor = le16toh(hdr.minor);

	if (le64toh(hdr.magic) != STATE_MAGIC) {
		udrv_log(st->log, UDRV_LOG_ERR,
			 "state: magic is %#llx: this is no state, or its format was cut short",
			 (unsigned long long)le64toh(hdr.magic));
		return -EBADMSG;
	}
	if (le32toh(hdr.crc) != header_crc(&hdr)) {
		udrv_log(st->log, UDRV_LOG_ERR, "state: checksum of the header is wrong");
		return -EBADMSG;
	}
	if (major > STATE_MAJOR) {
		udrv_log(st->log, UDRV_LOG_ERR,
			 "state: version %u.%u is newer than %u.x, which this program knows: use the newer program",
			 major, minor, STATE_MAJOR);
		return -EPROTONOSUPPORT;
	}
	if (major + 1 < STATE_MAJOR) {
		udrv_log(st->log, UDRV_LOG_ERR, "state: version %u.%u is too old for this program",
			 major, minor);
		return -EPROTONOSUPPORT;
	}
	if (le32toh(hdr.header_size) != STATE_HEADER_SIZE ||
	    le32toh(hdr.fdt_max) != UDRV_STATE_FDT_MAX) {
		udrv_log(st->log, UDRV_LOG_ERR,
			 "state: header of %u bytes and trees of %u: not version %u.%u",
			 le32toh(hdr.header_size), le32toh(hdr.fdt_max), major, minor);
		return -EBADMSG;
	}
	if (le64toh(hdr.size) < STATE_AREAS_OFF || le64toh(hdr.size) > st->map_size) {
		udrv_log(st->log, UDRV_LOG_ERR, "state: header says %llu bytes, the memfd has %zu",
			 (unsigned long long)le64toh(hdr.size), st->map_size);
		return -EBADMSG;
	}
	st->size = le64toh(hdr.size);
	return 0;
}

/* Is the tree in @fdt, @len bytes, one that the rest of the library may walk? */
static int tree_check(struct udrv_state *st, const void *fdt, uint32_t len)
{
	if (fdt_check_full(fdt, len) || fdt_totalsize(fdt) != len) {
		udrv_log(st->log, UDRV_LOG_ERR, "state: the tree is malformed");
		return -EBADMSG;
	}
	if (fdt_node_check_compatible(fdt, 0, UDRV_STATE_COMPATIBLE) &&
	    fdt_node_check_compatible(fdt, 0, COMPATIBLE_PREVIOUS)) {
		udrv_log(st->log, UDRV_LOG_ERR,
			 "state: the tree is not compatible with " UDRV_STATE_COMPATIBLE);
		return -EBADMSG;
	}
	return udrv_state_check_areas(st, fdt);
}

/* Load one generation into st->fdt, writable for libfdt up to UDRV_STATE_FDT_MAX. */
static int copy_load(struct udrv_state *st, uint32_t generation)
{
	const struct state_copy *copy = &st->hdr->copy[generation & 1];
	uint32_t len = udrv_load32(&copy->len);
	uint64_t stored = udrv_load64(&copy->generation);
	uint32_t crc = udrv_load32(&copy->crc);
	uint8_t fdt[UDRV_STATE_FDT_MAX] __attribute__((aligned(8)));
	int err;

	if (stored != generation || len < FDT_V1_SIZE || len > sizeof(fdt))
		return -EBADMSG;
	memcpy(fdt, copy_at(st, generation), len);
	/* A writer that comes round to this copy takes its length away first. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (udrv_load32(&copy->len) != len || udrv_load64(&copy->generation) != generation)
		return -EBADMSG;
	if (copy_crc(generation, len, fdt) != crc)
		return -EBADMSG;
	err = tree_check(st, fdt, len);
	if (err)
		return err;
	err = fdt_open_into(fdt, st->fdt, sizeof(st->fdt));
	if (err) {
		udrv_log(st->log, UDRV_LOG_ERR, "state: the tree cannot be opened: %s",
			 fdt_strerror(err));
		return -EBADMSG;
	}
	st->generation = generation;
	return 0;
}

static int tree_load(struct udrv_state *st)
{
	uint64_t active = udrv_load64(&st->hdr->active);

	/*
	 * A writer may commit meanwhile, and what was read is of the moment at which this began.
	 * It counts, unless that writer has come round to the same copy: then there is another.
	 */
	for (int i = 0; i < READ_TRIES; i++) {
		uint32_t generation = (uint32_t)active;
		uint64_t now;
		int err;

		if (active != active_word(generation)) {
			udrv_log(st->log, UDRV_LOG_ERR,
				 "state: word of the active generation is damaged (%#llx)",
				 (unsigned long long)active);
			return -EBADMSG;
		}
		err = copy_load(st, generation);
		if (!err)
			return 0;
		now = udrv_load64(&st->hdr->active);
		if (now != active) {
			active = now;
			continue;
		}
		if (generation > 0 && !copy_load(st, generation - 1)) {
			udrv_log(st->log, UDRV_LOG_WARN,
				 "state: the tree of generation %u is damaged, using that of generation %u",
				 generation, generation - 1);
			return 0;
		}
		udrv_log(st->log, UDRV_LOG_ERR,
			 "state: both copies of the tree are damaged (generation %u)", generation);
		return err;
	}
	udrv_log(st->log, UDRV_LOG_ERR, "state: the tree changes faster than it can be read");
	return -EBADMSG;
}

int udrv_state_open(int memfd, unsigned int flags, const struct udrv_log *log,
		    struct udrv_state **ret)
{
	struct udrv_state *st;
	int err;

	if (flags & ~UDRV_STATE_RDONLY)
		return -EINVAL;
	err = state_map(memfd, flags & UDRV_STATE_RDONLY, log, &st);
	if (err)
		return err == -EINVAL ? -EBADMSG : err;
	err = header_check(st);
	if (!err)
		err = tree_load(st);
	if (err) {
		udrv_state_close(st);
		return err;
	}
	*ret = st;
	return 0;
}

enum udrv_lifecycle udrv_state_lifecycle(const struct udrv_state *st)
{
	uint32_t lc = udrv_load32(&st->hdr->lifecycle);

	return lc <= UDRV_CLOSING ? (enum udrv_lifecycle)lc : UDRV_RESETTING;
}

void udrv_state_set_lifecycle(struct udrv_state *st, enum udrv_lifecycle lc)
{
	if (!st->rdonly)
		udrv_store32(&st->hdr->lifecycle, lc);
}

bool udrv_state_updating(const struct udrv_state *st)
{
	return udrv_load32(&st->hdr->updating) != 0;
}

void udrv_state_set_updating(struct udrv_state *st, bool on)
{
	if (!st->rdonly)
		udrv_store32(&st->hdr->updating, on);
}

uint64_t udrv_state_generation(const struct udrv_state *st)
{
	return st->generation;
}

const void *udrv_state_fdt(const struct udrv_state *st)
{
	return st->fdt;
}

void *udrv_state_edit(struct udrv_state *st)
{
	if (st->rdonly) {
		errno = EROFS;
		return NULL;
	}
	memcpy(st->edit, st->fdt, sizeof(st->edit));
	st->editing = true;
	return st->edit;
}

void *udrv_state_editing(struct udrv_state *st)
{
	return st->editing ? st->edit : NULL;
}

int udrv_state_commit(struct udrv_state *st)
{
	uint8_t packed[UDRV_STATE_FDT_MAX] __attribute__((aligned(8)));
	uint32_t len;

	if (st->rdonly)
		return -EROFS;
	if (!st->editing || fdt_check_full(st->edit, sizeof(st->edit)))
		return -EINVAL;
	memcpy(packed, st->edit, sizeof(packed));
	if (fdt_pack(packed))
		return -EINVAL;
	len = fdt_totalsize(packed);
	if (tree_check(st, packed, len) || fdt_open_into(packed, st->edit, sizeof(st->edit)))
		return -EINVAL;

	copy_publish(st, st->generation + 1, packed, len);
	st->generation++;
	memcpy(st->fdt, st->edit, sizeof(st->fdt));
	st->editing = false;
	return 0;
}
