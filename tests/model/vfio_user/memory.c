// SPDX-License-Identifier: BSD-2-Clause
/*
 * The files that guest memory is in. Each is mapped once and as a whole: behind an IOMMU, there are
 * thousands of mappings of one file, a page each.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/model/vfio_user/internal.h"

static struct file *lookup(struct vfio_user *vu, const struct stat *st, bool writable)
{
	for (unsigned int i = 0; i < MAX_FILES; i++) {
		struct file *f = &vu->file[i];

		if (f->users && f->dev == st->st_dev && f->ino == st->st_ino &&
		    f->size == (uint64_t)st->st_size && f->writable == writable)
			return f;
	}
	return NULL;
}

static struct file *map_file(struct vfio_user *vu, const struct stat *st, bool writable, int fd)
{
	int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	struct file *f = NULL;
	void *mem;

	for (unsigned int i = 0; i < MAX_FILES && !f; i++) {
		if (!vu->file[i].users)
			f = &vu->file[i];
	}
	if (!f) {
		vu_log(vu, "guest memory in more than %u files; no DMA to this one", MAX_FILES);
		return NULL;
	}
	mem = mmap(NULL, (size_t)st->st_size, prot, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED) {
		vu_log(vu, "cannot map a file of guest memory: %s; no DMA to it", strerror(errno));
		return NULL;
	}
	*f = (struct file){ .dev = st->st_dev,
			    .ino = st->st_ino,
			    .mem = mem,
			    .size = (uint64_t)st->st_size,
			    .writable = writable };
	return f;
}

/*
 * Memory that its owner can make shorter kills who touches it (SIGBUS), so only what is sealed
 * against that is mapped. memory-backend-memfd seals.
 */
struct file *vu_file_get(struct vfio_user *vu, const struct vfio_user_dma_map *req, int fd)
{
	int seals = fcntl(fd, F_GET_SEALS), mode = fcntl(fd, F_GETFL);
	struct file *f;
	struct stat st;
	bool writable;

	if (seals < 0 || mode < 0 || !(seals & F_SEAL_SHRINK)) {
		vu_log(vu,
		       "memory at %#llx is not sealed against shrinking; no DMA there. "
		       "Give the machine a memory-backend-memfd with share=on",
		       (unsigned long long)req->addr);
		return NULL;
	}
	if (fstat(fd, &st) || req->offset > (uint64_t)st.st_size ||
	    req->size > (uint64_t)st.st_size - req->offset) {
		vu_log(vu,
		       "memory at %#llx: %#llx bytes at %#llx are outside of its file; no DMA there",
		       (unsigned long long)req->addr, (unsigned long long)req->size,
		       (unsigned long long)req->offset);
		return NULL;
	}
	writable = (mode & O_ACCMODE) == O_RDWR && !(seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE));
	f = lookup(vu, &st, writable);
	if (!f)
		f = map_file(vu, &st, writable, fd);
	if (f)
		f->users++;
	return f;
}

void vu_file_put(struct file *f)
{
	if (!--f->users)
		munmap(f->mem, f->size);
}
