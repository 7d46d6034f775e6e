/* SPDX-License-Identifier: BSD-2-Clause */
/* Layout of a state memfd; docs/state-format.md is its description. */
#ifndef UDRV_LIB_STATE_INTERNAL_H
#define UDRV_LIB_STATE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <udrv/state.h>

#define STATE_MAGIC	  0x5441545356524455ull /* "UDRVSTAT" */
#define STATE_MAJOR	  1
#define STATE_MINOR	  0
#define STATE_HEADER_SIZE 4096u
#define STATE_COPIES	  2
#define STATE_AREAS_OFF	  (STATE_HEADER_SIZE + STATE_COPIES * UDRV_STATE_FDT_MAX)
#define STATE_AREA_ALIGN  64u

/*
 * One tree copy. The checksum covers generation, len and the tree, so that neither can be
 * another's.
 */
struct state_copy {
	uint64_t generation;
	uint32_t len;
	uint32_t crc;
	uint8_t reserved[48];
};

struct state_header {
	/* constant from the format on, covered by crc */
	uint64_t magic; /* stored last: before that it is no state */
	uint16_t major;
	uint16_t minor;
	uint32_t header_size;
	uint64_t size; /* of the memfd as formatted */
	uint32_t fdt_max;
	uint32_t crc; /* of the bytes before it */
	uint8_t reserved0[32];

	/* offset 64: each word is one store */
	uint32_t lifecycle;
	uint32_t updating;
	uint8_t reserved1[56];

	/* offset 128: low half: generation in use; high half: its complement */
	uint64_t active;
	uint8_t reserved2[56];

	/* offset 192: copy n holds the generations whose lowest bit is n */
	struct state_copy copy[STATE_COPIES];
};

_Static_assert(offsetof(struct state_header, crc) == 28, "layout of the state header");
_Static_assert(offsetof(struct state_header, lifecycle) == 64, "layout of the state header");
_Static_assert(offsetof(struct state_header, active) == 128, "layout of the state header");
_Static_assert(offsetof(struct state_header, copy) == 192, "layout of the state header");
_Static_assert(sizeof(struct state_copy) == 64, "layout of the state header");

struct udrv_state {
	uint8_t *map;
	struct state_header *hdr; /* start of the mapping */
	uint64_t size;		  /* usable bytes, as formatted */
	size_t map_size;
	bool rdonly;
	bool editing;
	uint32_t generation;
	const struct udrv_log *log;
	uint8_t fdt[UDRV_STATE_FDT_MAX] __attribute__((aligned(8)));
	uint8_t edit[UDRV_STATE_FDT_MAX] __attribute__((aligned(8)));
};

/* The tree that udrv_state_edit() began, NULL if none: for code that adds to its caller's edit. */
void *udrv_state_editing(struct udrv_state *st);

/* Check that each area of a (structurally valid) tree lies inside the state. 0 or -EBADMSG. */
int udrv_state_check_areas(const struct udrv_state *st, const void *fdt);

/* A u64 property; -ENOENT, -EBADMSG: other length. */
int udrv_fdt_u64(const void *fdt, int node, const char *name, uint64_t *ret);

/* -errno for a negative libfdt return value. */
int udrv_fdt_errno(int fdt_err);

#endif
