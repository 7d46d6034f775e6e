/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: NVMe driver
 *
 * NVM Express Base 1.4/2.0 and the NVM Command Set over PCIe, on top of a &struct udrv_device.
 *
 * A controller is either *started* (from any state, with a controller reset) or *resumed* in place
 * from the state that a predecessor left: no register of the controller is written, no queue is
 * created, nothing is issued again. Which one applies: udrv_nvme_resume() for a state that is
 * UDRV_READY, and when it refuses (-ESTALE, -EBADMSG, -EIO: it says why) udrv_nvme_start(), which
 * resets the controller first and then delivers what was outstanding as failed with UDRV_NVME_LOST.
 *
 * Commands. A submitted command occupies a *slot* of its queue until its owner releases it. The
 * slot keeps a 16-byte cookie of the owner, so that a successor process knows whose it is. Exactly
 * once means: per slot, from the submit that returned 0 to udrv_nvme_release(). What is delivered
 * but not yet released when a process dies is delivered again to its successor, by udrv_nvme_poll()
 * like any other completion.
 *
 * Threads. A queue belongs to one thread at a time; different queues may be used by different
 * threads. Functions on the controller (admin commands, tick, reset, close) belong to one thread,
 * and those that touch all queues (reset, close) need the queues' threads to stand still.
 */
#ifndef UDRV_NVME_H
#define UDRV_NVME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct udrv_device;
struct udrv_loop;
struct udrv_nvme;
struct udrv_nvme_queue;
struct udrv_state;

#define UDRV_NVME_MAX_QUEUES 64
/* Fewer if the state's tree has no room for them, beside a pool of many pieces: log. */
#define UDRV_NVME_MAX_NS 64

/**
 * struct udrv_nvme_opts - how to set a controller up
 * @size: sizeof(struct udrv_nvme_opts)
 * @io_queues: I/O queue pairs asked for; fewer if the device grants fewer or has fewer vectors. 0
 *	means 1
 * @depth: commands in flight a queue asked for, at most 4091; fewer if CAP.MQES is less. 0 means 64
 * @max_transfer: bytes of the largest transfer, at least 4096, at most 2 MiB; the smaller of this
 *	and MDTS counts. 0 means 128 KiB
 * @timeout_ms: of a command, until it is aborted; 0 means 30000
 * @poll: no interrupts: queues are created with IEN=0 and the owner polls
 */
struct udrv_nvme_opts {
	size_t size;
	unsigned int io_queues;
	unsigned int depth;
	uint32_t max_transfer;
	unsigned int timeout_ms;
	bool poll;
};

/**
 * udrv_nvme_requirements() - sizes for udrv_handle_create()
 * @state_size: bytes of the state memfd, with a book of the default capacity
 * @dma_size: bytes of DMA memory that the driver itself uses (queues, PRP lists); add the
 *	consumers' buffers
 */
int udrv_nvme_requirements(const struct udrv_nvme_opts *opts, uint64_t *state_size,
			   uint64_t *dma_size);

/**
 * udrv_nvme_start() - reset the controller and set it up
 * @dev: borrowed until close; its state is (re)written: lifecycle INIT or RESETTING until all is
 *	set up, then READY
 *
 * From any state that firmware or a predecessor left: CC.EN=0, wait CSTS.RDY=0, admin queue,
 * CC.EN=1, Identify, Number of Queues, AER, I/O queues (Base 2.0, 3.5.1). What a predecessor had
 * outstanding is found in the slots and delivered, after the reset, as UDRV_NVME_LOST.
 *
 * Return: 0; -ENODEV: registers read all ones; -ETIMEDOUT: RDY did not follow CC.EN within CAP.TO
 * or, if that is longer and CAP.CRMS has CRWMS, CRTO.CRWMT, but at most 300 s (if not to 0, bus
 * mastering was switched off, so that the controller does no DMA); -EIO: CSTS.CFS, or a set-up
 * command failed (message: which, status); -EOPNOTSUPP: no NVM command set, no 4 KiB memory page
 * size, or queues of fewer than 6 entries; -ENOMEM, -ENOSPC: pool or state too small.
 */
int udrv_nvme_start(struct udrv_device *dev, const struct udrv_nvme_opts *opts,
		    struct udrv_nvme **ret);

/**
 * udrv_nvme_resume() - take a running controller over, in place
 * @opts: timeout_ms and nothing else is taken from here; geometry is the
 *	state's. NULL: the defaults
 *
 * Checks everything before the first store to the device: state, identity, CAP, VS, CC, CSTS,
 * AQA, ASQ, ACQ, every queue's place. Then settles half-done submissions, rings what was not
 * rung, and puts a nudge command behind a doorbell of which nobody knows whether it was
 * written (docs/nvme-resume.md).
 * Interrupts: udrv_nvme_irq_arm() afterwards.
 *
 * Return: 0; -EAGAIN: the state is not READY; -ESTALE: a register or the identity differs from
 * the state; -EBADMSG: damaged state; -EIO: controller not ready or CFS, or a crash loop has used
 * up what is kept for nudges; -ENODEV: gone; -ENOMEM. Nothing was written to the device unless 0
 * is returned.
 */
int udrv_nvme_resume(struct udrv_device *dev, const struct udrv_nvme_opts *opts,
		     struct udrv_nvme **ret);

/**
 * udrv_nvme_resume_begin() - the first step of udrv_nvme_resume(): check the saved state
 * @dev: that of udrv_handle_memory() is enough
 * @opts: as udrv_nvme_resume()
 * @ret: to be finished, or given up with udrv_nvme_detach(). udrv_nvme_info(), udrv_nvme_ns() and
 *	udrv_nvme_each() may be used already, so that an owner can rebuild its tables
 *
 * Nothing is written, and the device is not read.
 *
 * Return: 0; -EAGAIN, -EBADMSG, -ENOMEM as udrv_nvme_resume().
 */
int udrv_nvme_resume_begin(struct udrv_device *dev, const struct udrv_nvme_opts *opts,
			   struct udrv_nvme **ret);

/**
 * udrv_nvme_resume_take() - take in the completions that are in memory
 * @ctrl: between udrv_nvme_resume_begin() and udrv_nvme_resume_finish(), once or more often, or not
 *	at all
 *
 * For owners who should not wait until the device can be used: udrv_nvme_poll() delivers them now,
 * and udrv_nvme_release() releases them. Commands that transfer data to the host (reads) are
 * delivered after udrv_nvme_resume_finish(), since whether the data went into this memory is known
 * once its addresses were compared (udrv_handle_complete()). The device is neither read nor
 * written; it is told by udrv_nvme_resume_finish(). Until then udrv_nvme_submit() says -EAGAIN,
 * udrv_nvme_ring() does nothing, udrv_nvme_poll() returns nothing else and no -ESHUTDOWN, and
 * neither tick, reset, shutdown nor admin commands may be called. It writes to the saved state, in
 * the order from which a successor goes on: no other process may use the memory meanwhile.
 *
 * If a later step refuses, what was delivered has completed all the same; udrv_nvme_start()
 * delivers the rest.
 */
void udrv_nvme_resume_take(struct udrv_nvme *ctrl);

/**
 * udrv_nvme_resume_look() - the second step: compare the controller's
 * registers with the saved state
 * @ctrl: of udrv_nvme_resume_begin(); its device can be read now (udrv_handle_identify())
 *
 * Nothing is written.
 *
 * Return: 0; -ESTALE, -EIO, -ENODEV, -errno as udrv_nvme_resume().
 */
int udrv_nvme_resume_look(struct udrv_nvme *ctrl);

/**
 * udrv_nvme_resume_finish() - the last step: take over
 * @ctrl: after udrv_nvme_resume_look(); its device may be used now (udrv_handle_complete())
 *
 * Return: 0; -EIO as udrv_nvme_resume(): nothing was written to the device.
 */
int udrv_nvme_resume_finish(struct udrv_nvme *ctrl);

/**
 * udrv_nvme_set_timeout() - of commands from now on, as udrv_nvme_opts::timeout_ms: 0 means 30000
 */
void udrv_nvme_set_timeout(struct udrv_nvme *ctrl, unsigned int timeout_ms);

/**
 * udrv_nvme_detach() - free this process's memory and leave the controller running for a successor.
 * NULL is allowed.
 */
void udrv_nvme_detach(struct udrv_nvme *ctrl);

/**
 * udrv_nvme_shutdown() - stop cleanly: delete the queues, CC.SHN, wait CSTS.SHST (Base 2.0, 3.6.1);
 * frees @ctrl
 *
 * Return: 0; -EBUSY: commands are outstanding (@ctrl stays); -EAGAIN: an update is under way (@ctrl
 * stays); -ETIMEDOUT: SHST did not come; the controller was disabled instead; -EIO: it could not be
 * disabled either, so bus mastering was switched off (or not even that: message): it is to be
 * started before the memory is used for anything else; -ENODEV: gone.
 */
int udrv_nvme_shutdown(struct udrv_nvme *ctrl);

/**
 * udrv_nvme_reset() - controller reset and new set-up with the same geometry
 *
 * Every outstanding command is delivered as UDRV_NVME_LOST after CSTS.RDY=0 was seen, never before,
 * by the next udrv_nvme_poll(): no interrupt tells of it. What was delivered and not released yet
 * is not delivered again.
 * Return: as udrv_nvme_start(); -EAGAIN: an update is under way.
 */
int udrv_nvme_reset(struct udrv_nvme *ctrl);

/** struct udrv_nvme_info - controller facts, fixed since the set-up */
struct udrv_nvme_info {
	uint64_t cap;
	uint32_t vs;
	uint16_t vid, ssvid, cntlid;
	char sn[21], mn[41], fr[9];
	uint16_t oncs;
	uint8_t vwc;
	uint32_t max_transfer; /* bytes */
	unsigned int io_queues;
	unsigned int depth; /* commands in flight a queue */
	unsigned int nn;    /* namespaces in use, see udrv_nvme_ns() */
};

/** struct udrv_nvme_ns_info - an active namespace */
struct udrv_nvme_ns_info {
	uint32_t nsid;
	uint64_t nsze;	   /* logical blocks */
	uint32_t lba_size; /* bytes */
	uint8_t eui64[8], nguid[16];
	bool usable; /* false: LBA format with metadata, or gone; I/O is refused */
};

const struct udrv_nvme_info *udrv_nvme_info(const struct udrv_nvme *ctrl);
/** udrv_nvme_ns() - namespace number @i of udrv_nvme_info::nn, by rising NSID; NULL beyond */
const struct udrv_nvme_ns_info *udrv_nvme_ns(const struct udrv_nvme *ctrl, unsigned int i);
/**
 * udrv_nvme_queue() - I/O queue @i of udrv_nvme_info::io_queues (its QID is @i + 1); NULL beyond
 */
struct udrv_nvme_queue *udrv_nvme_queue(struct udrv_nvme *ctrl, unsigned int i);

/**
 * udrv_nvme_irq_arm() - arm the vectors of all queues
 * @loop: where their eventfds are served; @fn runs on its thread
 * @fn: called for an I/O queue whose vector was signalled: poll it. Admin
 *	completions are handled internally
 *
 * Vector 0 is the admin queue's, vector i + 1 I/O queue i's, wrapping if the device has fewer.
 * Return: 0; -EOPNOTSUPP: the queues were made for polling; -EBUSY, -errno
 * of udrv_device_irq_arm().
 */
int udrv_nvme_irq_arm(struct udrv_nvme *ctrl, struct udrv_loop *loop,
		      void (*fn)(void *ctx, struct udrv_nvme_queue *q), void *ctx);

/**
 * struct udrv_nvme_seg - a piece of a transfer: pool offset and bytes
 *
 * All pieces but the first begin, and all but the last end, at a multiple of 4096 of the device
 * address (PRP, Base 2.0, 4.1.1); the first begins at a multiple of 4.
 */
struct udrv_nvme_seg {
	uint64_t off;
	uint64_t len;
};

/**
 * struct udrv_nvme_io - one I/O command
 * @opcode: NVME_CMD_* of udrv/nvme_spec.h: read, write, flush, write zeroes,
 *	dataset management, compare
 * @rsvd: 0
 * @nseg: number of pieces at @seg
 * @nsid: namespace
 * @slba: first logical block
 * @nlb: logical blocks, 1-based; ignored for flush; for dataset management the number of ranges
 * @cdw12_flags: FUA and the like, bits 16–31 of CDW12
 * @seg: transfer: pieces whose lengths add up to the command's; not kept
 * @cookie: the owner's, returned with the completion, also to a successor process
 */
struct udrv_nvme_io {
	uint8_t opcode;
	uint8_t rsvd;
	uint16_t nseg;
	uint32_t nsid;
	uint64_t slba;
	uint32_t nlb;
	uint32_t cdw12_flags;
	const struct udrv_nvme_seg *seg;
	uint64_t cookie[2];
};

/**
 * udrv_nvme_submit() - put a command into the submission queue; the doorbell
 * waits for udrv_nvme_ring()
 *
 * Return: 0; -EAGAIN: the queue is full (poll and release first); -EINVAL: bad segments or range
 * (message); -EMSGSIZE: larger than max_transfer; -ENODEV: no such usable namespace; -EOPNOTSUPP:
 * the controller does not offer the command (ONCS); -ESHUTDOWN: the controller failed, reset it.
 */
int udrv_nvme_submit(struct udrv_nvme_queue *q, const struct udrv_nvme_io *io);

/**
 * udrv_nvme_submit_batch() - udrv_nvme_submit() for @n commands, for fewer instructions each
 *
 * Return: how many were submitted, from the beginning on. If the first one was not: its error, as
 * udrv_nvme_submit(). A command that is refused behind others gets its error when it is the first
 * of the next call.
 */
int udrv_nvme_submit_batch(struct udrv_nvme_queue *q, const struct udrv_nvme_io *io,
			   unsigned int n);

/**
 * udrv_nvme_ring() - hand what was submitted to the device: one doorbell write, none if there is
 * nothing new
 */
void udrv_nvme_ring(struct udrv_nvme_queue *q);

/** Not an NVMe status: the command was lost in a reset; a write may or may not have happened. */
#define UDRV_NVME_LOST 0x10000u

/**
 * struct udrv_nvme_done - a completion
 * @slot: for udrv_nvme_release()
 * @opcode: of the command
 * @status: 0, or (SCT << 8 | SC) with DNR in bit 14 as in the completion's status
 *	field, or UDRV_NVME_LOST
 * @result: dword 0
 * @cookie: the owner's
 * @resumed: a predecessor process gave the command to the device, and did not see it complete: one
 *	of udrv_nvme_resume_report::in_flight
 */
struct udrv_nvme_done {
	uint16_t slot;
	uint8_t opcode;
	bool resumed;
	uint32_t status;
	uint32_t result;
	uint64_t cookie[2];
};

/**
 * udrv_nvme_poll() - take completions
 * @done: @max of them
 *
 * Never blocks. Return: how many were stored; -ESHUTDOWN: the controller failed (CFS, gone, or its
 * completions make no sense), call udrv_nvme_reset().
 */
int udrv_nvme_poll(struct udrv_nvme_queue *q, struct udrv_nvme_done *done, unsigned int max);

/**
 * udrv_nvme_release() - the owner has recorded the completion: free the slot. -EINVAL: not a
 * delivered slot
 */
int udrv_nvme_release(struct udrv_nvme_queue *q, uint16_t slot);

/**
 * udrv_nvme_release_batch() - udrv_nvme_release() for @n completions that have all been recorded
 *
 * -EINVAL: one of them is not a delivered slot; those before it are free, it and those behind it
 * are not touched.
 */
int udrv_nvme_release_batch(struct udrv_nvme_queue *q, const struct udrv_nvme_done *done,
			    unsigned int n);

/** udrv_nvme_outstanding() - commands submitted and not yet released */
unsigned int udrv_nvme_outstanding(const struct udrv_nvme_queue *q);

/**
 * udrv_nvme_each() - call @fn for each slot that is not free, until it returns other than 0
 *
 * For a returning owner that rebuilds its tables: @delivered tells a command that has completed
 * (and will be or was handed out by udrv_nvme_poll()) from one that the device still has.
 */
int udrv_nvme_each(const struct udrv_nvme_queue *q,
		   int (*fn)(void *ctx, uint16_t slot, const uint64_t cookie[2], bool delivered),
		   void *ctx);

/**
 * struct udrv_nvme_resume_report - what udrv_nvme_resume() found; constant afterwards
 *
 * Of a resume in steps, in_flight, never_submitted and redelivered are there after
 * udrv_nvme_resume_begin(), the rest after udrv_nvme_resume_finish().
 */
struct udrv_nvme_resume_report {
	/* given to the device, completion not yet consumed by the predecessor */
	uint32_t in_flight;
	uint32_t completed; /* of those, completions that were waiting at the resume */
	/* half-done submissions that the resume submits for the first time */
	uint32_t never_submitted;
	uint32_t rung;	      /* doorbells that had not been written and now were */
	uint32_t nudges;      /* doorbells settled with a nudge */
	uint32_t redelivered; /* completed and not released by the predecessor */
};

/** udrv_nvme_resume_report() - all zero after a start */
const struct udrv_nvme_resume_report *udrv_nvme_resume_report(const struct udrv_nvme *ctrl);

/**
 * struct udrv_nvme_counters - of one queue (0 is the admin queue), kept in the
 * state memfd over restarts
 */
struct udrv_nvme_counters {
	uint64_t submitted, completed, errors, lost, reissued;
	uint64_t sq_doorbells, cq_doorbells, nudges, spurious_cqes, bad_cqes, timeouts, aborts;
};

/**
 * struct udrv_nvme_snapshot - a running controller seen through its state memfd, without touching
 * the device
 */
struct udrv_nvme_snapshot {
	char sn[21], mn[41], fr[9];
	unsigned int io_queues, depth, nn;
	uint64_t resets, starts, resumes;
	unsigned int outstanding[UDRV_NVME_MAX_QUEUES + 1];
	struct udrv_nvme_counters q[UDRV_NVME_MAX_QUEUES + 1];
	struct udrv_nvme_ns_info ns[UDRV_NVME_MAX_NS];
};

/**
 * udrv_nvme_inspect() - read a snapshot; any process, beside the running driver
 * @st: opened read-only
 *
 * Return: 0; -ENOENT: not an NVMe state; -EBADMSG: damaged.
 */
int udrv_nvme_inspect(const struct udrv_state *st, struct udrv_nvme_snapshot *ret);

/**
 * udrv_nvme_tick() - timeouts; call it a few times a second with CLOCK_MONOTONIC nanoseconds
 *
 * A command that is overdue is aborted; if that does not help within the same time again, the
 * controller is reset. Commands' clocks start at the first tick after the submit or the resume.
 * Admin completions and events are handled here too. Does nothing while an update is under way.
 * Because it may reset, the queues' threads have to stand still.
 * Return: 0; 1: the controller was reset; -ENODEV: it is gone; -errno of udrv_nvme_reset(), or -EIO
 * while a reset that failed waits for its next attempt (1 s after the first, up to a minute later):
 * a caller that sees errors for long gives the device up.
 */
int udrv_nvme_tick(struct udrv_nvme *ctrl, uint64_t now_ns);

/**
 * udrv_nvme_admin() - one admin command, waited for
 * @opcode: NVME_ADMIN_*; those that create, delete or change queues are refused
 * @data: @len bytes to (or from) the device, a multiple of 4, at most 4096;
 *	may be NULL if @len is 0
 * @cdw: CDW10–CDW15. What they make the controller transfer must not be more than @len: it is given
 *	one page, and no other, and without an IOMMU nothing keeps it from what it takes for the
 *	second one. Of Get Log Page and Identify that is checked
 * @result: dword 0; may be NULL
 *
 * Return: 0; a positive status as in &struct udrv_nvme_done; -ETIMEDOUT; -EAGAIN: no free slot;
 * -EINVAL: @len or @data, or the command transfers more than @len; -EPERM: refused opcode; -EBUSY:
 * called from the callback of udrv_nvme_on_event(); -ESHUTDOWN.
 */
int udrv_nvme_admin(struct udrv_nvme *ctrl, uint8_t opcode, uint32_t nsid, void *data, uint32_t len,
		    bool to_device, const uint32_t cdw[6], uint32_t *result);

/**
 * udrv_nvme_smart() - SMART / Health Information log (Base 2.0, 5.16.1.3), 512
 * bytes; as udrv_nvme_admin()
 */
int udrv_nvme_smart(struct udrv_nvme *ctrl, void *buf);
/**
 * udrv_nvme_error_log() - newest @n entries of 64 bytes each of the Error
 * Information log (5.16.1.2)
 */
int udrv_nvme_error_log(struct udrv_nvme *ctrl, void *buf, unsigned int n);

/**
 * udrv_nvme_on_event() - tell about changes that the device reports (AER, Base 2.0, 5.2)
 * @fn: @nsid is the changed namespace, 0 for an event about the controller; runs on the thread that
 *      serves the admin queue (udrv_nvme_irq_arm()'s loop, udrv_nvme_tick(), or an admin command
 *      that is waited for). It sends no admin commands itself (-EBUSY), and neither resets nor
 *      closes the controller
 */
void udrv_nvme_on_event(struct udrv_nvme *ctrl, void (*fn)(void *ctx, uint32_t nsid), void *ctx);

#ifdef __cplusplus
}
#endif
#endif
