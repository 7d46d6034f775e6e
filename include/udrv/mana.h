/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: MANA driver
 *
 * Microsoft's Azure network adapter on top of a &struct udrv_device: layouts and request codes are
 * in udrv/gdma_spec.h, udrv/gdma_hwc_spec.h and udrv/mana_spec.h.
 *
 * The adapter is either *started* (from any state, with a function-level reset) or *resumed* in
 * place from the state that a predecessor left: the hardware channel is not established again, no
 * queue is created, posted receive buffers stay posted and unfinished sends go on.
 * udrv_mana_resume() is for a state that is UDRV_READY; when it refuses (-ESTALE, -EBADMSG, -EIO,
 * -ENODEV: it says why), udrv_mana_start() begins anew.
 *
 * Vports and queues. Each vport is a network port with a MAC address of its own and
 * &udrv_mana_info.queues queue pairs; received packets are spread over them by RSS.
 *
 * Sending. A packet is pieces of the pool and a cookie. The order of completions is the order
 * of sending. udrv_mana_sent() shows completions, udrv_mana_sent_release() lets go of them:
 * only then is a send over. What was shown but not released when a process dies is shown again
 * to its successor.
 *
 * Receiving. The buffers are the driver's, in the pool; packets are shown by udrv_mana_recv() where
 * the device put them, without a copy. When its consumer has recorded them, it calls
 * udrv_mana_recv_release(): one store, after which they are never shown again, and before which a
 * successor is shown them again. *Exactly once* is defined at this store, on either side. The
 * buffers go back to the device then. A consumer that needs them for longer (to send them on, say)
 * splits the call: udrv_mana_recv_take() is the store, udrv_mana_recv_repost() gives the oldest
 * buffers back.
 *
 * Threads. A queue pair belongs to one thread at a time; different ones may be used by different
 * threads. Functions on the adapter (start, tick, reset, statistics, RSS, close) belong to one
 * thread, and those that touch all queues (tick, reset, shutdown) need the queues' threads to
 * stand still.
 */
#ifndef UDRV_MANA_H
#define UDRV_MANA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct udrv_device;
struct udrv_loop;
struct udrv_mana;
struct udrv_mana_queue;
struct udrv_state;

#define UDRV_MANA_MAX_VPORTS 2
#define UDRV_MANA_MAX_QUEUES 16	 /* pairs a vport */
#define UDRV_MANA_MAX_SEGS   30	 /* pieces of memory a send, as the device sees them */
#define UDRV_MANA_RSS_KEY    40	 /* bytes */
#define UDRV_MANA_MAX_INDIR  512 /* entries of an RSS table */

/**
 * struct udrv_mana_opts - how to set an adapter up
 * @size: sizeof(struct udrv_mana_opts)
 * @vports: vports to use; fewer if the device has fewer. 0: as many as it has,
 *	up to UDRV_MANA_MAX_VPORTS
 * @queues: queue pairs a vport; fewer if the device grants fewer. 0 means 1
 * @tx_depth: sends in flight a queue, and one more: rounded up to a power of two, 64 to 4096. 0
 *	means 256. The first start fixes it for the state, as it does the largest number of vports
 *	and queues
 * @rx_depth: receive buffers a queue, rounded up to a power of two, 128 to 8192. 0 means 512.
 *	Packets that arrive while no process runs go into these: at R packets a second they last for
 *	rx_depth / R seconds
 * @mtu: largest MTU that is going to be used (without the Ethernet header), at most 9216; it sizes
 *	the receive buffers. 0 means 1500. The smaller of this and the adapter's counts
 * @timeout_ms: of a request to the hardware channel; 0 means 30000
 * @poll: no interrupts, the owner polls
 */
struct udrv_mana_opts {
	size_t size;
	unsigned int vports;
	unsigned int queues;
	unsigned int tx_depth;
	unsigned int rx_depth;
	unsigned int mtu;
	unsigned int timeout_ms;
	bool poll;
};

/**
 * udrv_mana_requirements() - sizes for udrv_handle_create()
 * @state_size: bytes of the state memfd, with a book of the default capacity
 * @dma_size: bytes of DMA memory that the driver itself uses (rings and receive
 *	buffers); add the consumers'
 *
 * Return: 0; -EINVAL: an option is out of its bounds.
 */
int udrv_mana_requirements(const struct udrv_mana_opts *opts, uint64_t *state_size,
			   uint64_t *dma_size);

/**
 * udrv_mana_start() - reset the adapter and set it up, up to receiving
 * @dev: borrowed until close; its state is (re)written: lifecycle INIT or RESETTING until all is
 *	set up, then READY
 *
 * What a predecessor had not finished sending is delivered by udrv_mana_sent() as UDRV_MANA_LOST.
 * Blocks, for seconds when the device is slow.
 *
 * Return: 0; -ENODEV: registers read all ones; -EPROTO: the device's answers make no sense;
 * -ETIMEDOUT: the shared memory channel, or a request, stayed unanswered (message: which); -EIO: a
 * request was refused (message: which, status); -EOPNOTSUPP: not a MANA device, or no vectors;
 * -ENOMEM, -ENOSPC: pool or state too small.
 */
int udrv_mana_start(struct udrv_device *dev, const struct udrv_mana_opts *opts,
		    struct udrv_mana **ret);

/**
 * udrv_mana_resume() - take a running adapter over, in place
 * @opts: timeout_ms and nothing else is taken from here; geometry is the state's
 *
 * Checks everything before the first store to the device: state, identity, registers, every queue's
 * place and counters. Then doorbells are rung and queues armed from the saved counters
 * (docs/mana-resume.md). Interrupts: udrv_mana_irq_arm() afterwards. No request is sent.
 *
 * Return: 0; -EAGAIN: the state is not READY; -ESTALE: a register or the identity differs from the
 * state; -EBADMSG: damaged state; -EIO: the device's rings make no sense; -ENODEV: gone; -ENOMEM.
 * Nothing was written to the device unless 0 is returned.
 */
int udrv_mana_resume(struct udrv_device *dev, const struct udrv_mana_opts *opts,
		     struct udrv_mana **ret);

/**
 * udrv_mana_resume_begin() - the first step of udrv_mana_resume(): check the saved state
 * @dev: that of udrv_handle_memory() (udrv/handle.h) is enough
 * @opts: as udrv_mana_resume()
 * @ret: to be finished, or given up with udrv_mana_detach(). udrv_mana_info(), udrv_mana_vport(),
 *	udrv_mana_queue(), udrv_mana_each_send() and udrv_mana_recv_held() may be used already, so
 *	that an owner can rebuild its tables
 *
 * Nothing is written, and the device is not read.
 *
 * Return: 0; -EAGAIN, -EBADMSG, -ENOMEM as udrv_mana_resume().
 */
int udrv_mana_resume_begin(struct udrv_device *dev, const struct udrv_mana_opts *opts,
			   struct udrv_mana **ret);

/**
 * udrv_mana_resume_look() - the second step: compare the adapter's registers with the saved state
 * @mana: of udrv_mana_resume_begin(); its device can be read now (udrv_handle_identify())
 *
 * Nothing is written. Return: 0; -ESTALE, -ENODEV, -errno as udrv_mana_resume().
 */
int udrv_mana_resume_look(struct udrv_mana *mana);

/**
 * udrv_mana_resume_finish() - the last step: take over
 * @mana: after udrv_mana_resume_look(); its device may be used now (udrv_handle_complete())
 *
 * Return: 0; -EIO as udrv_mana_resume(): nothing was written to the device.
 */
int udrv_mana_resume_finish(struct udrv_mana *mana);

/** udrv_mana_set_timeout() - as udrv_mana_opts::timeout_ms: 0 means 30000 */
void udrv_mana_set_timeout(struct udrv_mana *mana, unsigned int timeout_ms);

/**
 * udrv_mana_detach() - free this process's memory and leave the adapter running for a successor.
 * NULL is allowed.
 */
void udrv_mana_detach(struct udrv_mana *mana);

/**
 * udrv_mana_shutdown() - stop cleanly and free @mana: receiving off, queues destroyed, device
 * deregistered, hardware channel destroyed; the pool's memory is given back. Received packets that
 * were not taken are dropped
 *
 * Return: 0; -EBUSY: sends are unfinished or not released (@mana stays); -EAGAIN: an update is
 * under way (@mana stays); -ETIMEDOUT: a request failed, the function was reset instead; -EIO: nor
 * could it be reset, so bus mastering is off, and the pool's memory stays allocated (message).
 */
int udrv_mana_shutdown(struct udrv_mana *mana);

/**
 * udrv_mana_reset() - function-level reset and new set-up with the same geometry, MAC addresses,
 * MTU and RSS
 *
 * Unfinished sends are delivered as UDRV_MANA_LOST, after the reset, also those whose completion
 * was shown and not released; received packets that were not taken are gone
 * (&udrv_mana_counters.rx_lost), also those that were shown. Buffers that were taken and not
 * reposted yet are the driver's again: forget them. Pointers to queues stay valid.
 * Return: as udrv_mana_start(); -EAGAIN: an update is under way.
 */
int udrv_mana_reset(struct udrv_mana *mana);

/**
 * udrv_mana_tick() - timeouts, events and resets; call it a few times a second with
 * CLOCK_MONOTONIC nanoseconds
 *
 * Serves the hardware channel, and calls udrv_mana_irq_arm()'s @fn for a queue pair whose interrupt
 * was lost. Resets the adapter when it asks for that, when a request stays unanswered, or when a
 * queue has failed; does none of this while an update is under way. Since it may reset, the queues'
 * threads have to stand still.
 *
 * Return: 0; 1: the adapter was reset; -ENODEV: it is gone; -errno of udrv_mana_reset(), or -EIO
 * while a reset waits for its turn (at once for the first, then 1 s after the last one, up to a
 * minute): a caller that sees errors for long gives the device up.
 */
int udrv_mana_tick(struct udrv_mana *mana, uint64_t now_ns);

/** struct udrv_mana_info - facts about the adapter, fixed since the set-up */
struct udrv_mana_info {
	unsigned int vports;
	unsigned int queues;   /* pairs of each vport */
	unsigned int tx_depth; /* sends in flight a queue */
	unsigned int rx_depth; /* receive buffers a queue */
	uint32_t rx_buf_size;  /* bytes of one */
	unsigned int max_mtu;  /* for udrv_mana_set_mtu() */
	unsigned int vectors;  /* 0: polling */
};

/** struct udrv_mana_vport_info - a vport */
struct udrv_mana_vport_info {
	uint8_t mac[6];
	unsigned int mtu;	    /* without the Ethernet header */
	unsigned int indir_entries; /* of the RSS table */
	bool link;		    /* links are up until the device says otherwise */
	uint32_t speed_mbps;	    /* 0: not known */
};

const struct udrv_mana_info *udrv_mana_info(const struct udrv_mana *mana);
/** udrv_mana_vport() - vport number @i of &udrv_mana_info.vports; NULL beyond */
const struct udrv_mana_vport_info *udrv_mana_vport(const struct udrv_mana *mana, unsigned int i);
/**
 * udrv_mana_queue() - queue pair @i of vport @vport; NULL beyond. Valid until detach or shutdown
 */
struct udrv_mana_queue *udrv_mana_queue(struct udrv_mana *mana, unsigned int vport, unsigned int i);
/** udrv_mana_queue_vport(), udrv_mana_queue_index() - which one a queue pair is */
unsigned int udrv_mana_queue_vport(const struct udrv_mana_queue *q);
unsigned int udrv_mana_queue_index(const struct udrv_mana_queue *q);

/* ---- Interrupts ------------------------------------------------------------------------------ */

/**
 * udrv_mana_irq_arm() - arm the vectors of all queues
 * @loop: where their eventfds are served; @fn runs on its thread
 * @fn: called for a queue pair whose vector was signalled: receive, take completions, and when both
 *	are dry udrv_mana_queue_arm(). Called once for each after a resume. The hardware channel is
 *	served internally
 *
 * Vector 0 is the hardware channel's, the queue pairs share the others (vport by
 * vport, wrapping around).
 * Return: 0; -EOPNOTSUPP: set up for polling; -ENOMEM; -EBUSY, -errno of udrv_device_irq_arm().
 */
int udrv_mana_irq_arm(struct udrv_mana *mana, struct udrv_loop *loop,
		      void (*fn)(void *ctx, struct udrv_mana_queue *q), void *ctx);

/**
 * udrv_mana_queue_arm() - ask for an interrupt at the next completion, of either direction
 *
 * If one is there already that has not been released, the interrupt comes at
 * once: nothing is missed.
 * Return: 0; -EAGAIN: something that was shown has not been released (arming now would interrupt
 * for ever); -ESHUTDOWN: the queue failed.
 */
int udrv_mana_queue_arm(struct udrv_mana_queue *q);

/* ---- Sending --------------------------------------------------------------------------------- */

/** struct udrv_mana_seg - a piece of a packet: pool offset and bytes (not 0) */
struct udrv_mana_seg {
	uint64_t off;
	uint32_t len;
};

#define UDRV_MANA_TX_IPV4     0x01u /* what the packet is; needed for the offloads */
#define UDRV_MANA_TX_IPV6     0x02u
#define UDRV_MANA_TX_IP_CSUM  0x04u /* fill in the IPv4 header's checksum */
#define UDRV_MANA_TX_TCP_CSUM 0x08u /* TCP's; the field holds the sum of the pseudo-header */
#define UDRV_MANA_TX_UDP_CSUM 0x10u /* UDP's; likewise */
#define UDRV_MANA_TX_LSO      0x20u /* cut into TCP segments of @mss bytes */
#define UDRV_MANA_TX_VLAN     0x40u /* insert a tag with @vlan_tci */

/**
 * struct udrv_mana_tx - one packet to be sent
 * @seg: @nseg pieces, not kept. Memory stays the device's until the completion is released. The
 *	device sees a piece as one if it is contiguous for it, otherwise it is cut at pages; up to
 *	UDRV_MANA_MAX_SEGS in all
 * @cookie: the owner's, returned with the completion, also to a successor process
 * @flags: UDRV_MANA_TX_*
 * @l4_off: where the TCP or UDP header begins, bytes from the frame's beginning, below 1024; for
 *	TCP_CSUM and LSO
 * @hdr_len: for LSO: bytes of Ethernet, IP and TCP headers, at most 255, all within the first piece
 * @mss: for LSO: payload bytes of a segment
 * @vlan_tci: for VLAN: PCP 15:13, DEI 12, VID 11:0
 */
struct udrv_mana_tx {
	const struct udrv_mana_seg *seg;
	unsigned int nseg;
	uint32_t flags;
	uint64_t cookie;
	uint16_t l4_off;
	uint16_t hdr_len;
	uint16_t mss;
	uint16_t vlan_tci;
};

/**
 * udrv_mana_send() - hand packets to the device: one doorbell write for all of them
 * @pkts: @n of them
 *
 * Return: how many were taken, from the beginning on; 0: the queue is full (release completions
 * first). If the first one is not taken for another reason: -EINVAL: bad pieces or flags (message);
 * -EMSGSIZE: longer than the MTU allows; -E2BIG: too many pieces; -ESHUTDOWN: the queue failed. A
 * packet that is refused behind others that were taken gets its error when it is the first of the
 * next call.
 */
int udrv_mana_send(struct udrv_mana_queue *q, const struct udrv_mana_tx *pkts, unsigned int n);

/**
 * Not a completion of the device: the send was lost in a reset; the packet may
 * or may not have gone out.
 */
#define UDRV_MANA_LOST 0x100u

/**
 * struct udrv_mana_sent - a completion
 * @cookie: the owner's
 * @status: 0, MANA_CQE_TX_* of udrv/mana_spec.h if the device dropped it, or UDRV_MANA_LOST
 * @resumed: a predecessor process had handed it to the device and not seen it complete: one of
 *	udrv_mana_resume_report::tx_in_flight
 */
struct udrv_mana_sent {
	uint64_t cookie;
	uint32_t status;
	bool resumed;
};

/**
 * udrv_mana_sent() - look at completions
 * @done: @max of them. Each call shows the ones behind those it has shown before
 *
 * Never blocks. Return: how many were stored; 0 also if what comes next is not a send's and earlier
 * ones have to be released first; -ESHUTDOWN: the queue failed, and udrv_mana_tick() is going to
 * reset the adapter.
 */
int udrv_mana_sent(struct udrv_mana_queue *q, struct udrv_mana_sent *done, unsigned int max);

/**
 * udrv_mana_sent_release() - the owner has done with the oldest @n that were shown. -EINVAL: there
 * are fewer
 */
int udrv_mana_sent_release(struct udrv_mana_queue *q, unsigned int n);

/** udrv_mana_sending() - sends that are not released yet */
unsigned int udrv_mana_sending(const struct udrv_mana_queue *q);

/**
 * udrv_mana_each_send() - call @fn for each of these, oldest first, until it returns other than 0.
 * For a returning owner
 */
int udrv_mana_each_send(const struct udrv_mana_queue *q, int (*fn)(void *ctx, uint64_t cookie),
			void *ctx);

/* ---- Receiving ------------------------------------------------------------------------------- */

#define UDRV_MANA_RX_VLAN     0x01u /* a tag was taken out: @vlan_tci */
#define UDRV_MANA_RX_IP_OK    0x02u /* the IPv4 header's checksum was found right */
#define UDRV_MANA_RX_L4_OK    0x04u /* TCP's or UDP's was */
#define UDRV_MANA_RX_CSUM_BAD 0x08u /* one of them was found wrong */
#define UDRV_MANA_RX_HASH     0x10u /* @hash is valid, over @hash_type */
/* not a packet (truncated, or an error): @len is 0; release it like one */
#define UDRV_MANA_RX_ERROR 0x20u
/* arrived while there was no driver, or before: it was there at the resume */
#define UDRV_MANA_RX_RESUMED 0x40u

/**
 * struct udrv_mana_rx - a received packet
 * @off: pool offset of its first byte; the packet is in one piece there
 * @len: bytes, from the Ethernet header on
 */
struct udrv_mana_rx {
	uint64_t off;
	uint32_t len;
	uint32_t hash;
	uint16_t flags;	    /* UDRV_MANA_RX_* */
	uint16_t hash_type; /* MANA_HASH_* of udrv/mana_spec.h */
	uint16_t vlan_tci;  /* VID only, the device does not tell more */
	uint16_t rsvd;
};

/**
 * udrv_mana_recv() - look at received packets
 * @pkts: @max of them. Each call shows the ones behind those it has shown before
 *
 * Never blocks. Return: how many were stored; 0 also if what comes next is not a packet and earlier
 * ones have to be taken first; -ESHUTDOWN: the queue failed, and udrv_mana_tick() is going to reset
 * the adapter.
 */
int udrv_mana_recv(struct udrv_mana_queue *q, struct udrv_mana_rx *pkts, unsigned int max);

/** udrv_mana_recv_release() - recv_take() and recv_repost(), for consumers that keep no buffers */
int udrv_mana_recv_release(struct udrv_mana_queue *q, unsigned int n);

/**
 * udrv_mana_recv_take() - the oldest @n packets that were shown are the
 * consumer's: never shown again
 *
 * Their buffers stay the consumer's until udrv_mana_recv_repost(). -EINVAL: fewer were shown.
 */
int udrv_mana_recv_take(struct udrv_mana_queue *q, unsigned int n);

/**
 * udrv_mana_recv_taken() - how many packets were taken, modulo 2^32, since the adapter was set up;
 * also by predecessors
 *
 * The packet that udrv_mana_recv() shows first after a resume has this number: a consumer that
 * records numbers recognises what its predecessor had recorded and not taken.
 */
uint32_t udrv_mana_recv_taken(const struct udrv_mana_queue *q);

/**
 * udrv_mana_recv_repost() - give the oldest @n buffers that were taken back to the device
 *
 * The doorbell is written for a batch of them (an eighth of the ring at most), or when
 * udrv_mana_recv() has found nothing for a while: so the device may lack that many.
 * -EINVAL: fewer were taken.
 */
int udrv_mana_recv_repost(struct udrv_mana_queue *q, unsigned int n);

/**
 * udrv_mana_recv_held() - buffers taken and not reposted
 *
 * After a resume: those that the predecessor held. The successor reposts them, as soon as nothing
 * uses them any more (sends out of them, udrv_mana_each_send()).
 */
unsigned int udrv_mana_recv_held(const struct udrv_mana_queue *q);

/* ---- Settings -------------------------------------------------------------------------------- */

/**
 * struct udrv_mana_rss - how received packets are spread
 * @hash_types: MANA_HASH_* of udrv/mana_spec.h
 * @key: of the Toeplitz hash
 * @entries: of @table: all of &udrv_mana_vport_info.indir_entries
 * @table: queue of each entry
 */
struct udrv_mana_rss {
	uint32_t hash_types;
	uint8_t key[UDRV_MANA_RSS_KEY];
	unsigned int entries;
	uint8_t table[UDRV_MANA_MAX_INDIR];
};

/**
 * udrv_mana_get_rss() - what is set; after a start: a random key, all hash types, the queues in
 * turn. -EINVAL: no such vport
 */
int udrv_mana_get_rss(const struct udrv_mana *mana, unsigned int vport, struct udrv_mana_rss *ret);

/**
 * udrv_mana_set_rss() - change it, under traffic
 *
 * Recorded before the device is told, and told again by a successor if nobody knows whether it was.
 * Blocks for one request. Return: 0; -EINVAL: bad entry or vport; -ETIMEDOUT, -EIO: as for all
 * requests; -ESHUTDOWN.
 */
int udrv_mana_set_rss(struct udrv_mana *mana, unsigned int vport, const struct udrv_mana_rss *rss);

/**
 * udrv_mana_set_mtu() - largest packet that is sent, without the Ethernet header: 68 to
 * &udrv_mana_info.max_mtu, or -EINVAL
 */
int udrv_mana_set_mtu(struct udrv_mana *mana, unsigned int vport, unsigned int mtu);

/** enum udrv_mana_event - what the device tells */
enum udrv_mana_event {
	UDRV_MANA_LINK_UP,
	UDRV_MANA_LINK_DOWN,
	UDRV_MANA_RESET_REQUEST, /* the next udrv_mana_tick() resets the adapter */
};

/**
 * udrv_mana_on_event() - tell about events
 * @fn: runs on the thread that serves the hardware channel (udrv_mana_irq_arm()'s loop,
 *	udrv_mana_tick(), and every function that sends a request); calls nothing that does
 */
void udrv_mana_on_event(struct udrv_mana *mana, void (*fn)(void *ctx, enum udrv_mana_event event),
			void *ctx);

/* ---- Statistics ------------------------------------------------------------------------------ */

/** struct udrv_mana_hw_stats - the device's own counters (MANA_QUERY_GF_STAT), of all vports */
struct udrv_mana_hw_stats {
	uint64_t rx_bytes, rx_ucast, rx_bcast, rx_mcast;
	uint64_t tx_bytes, tx_ucast, tx_bcast, tx_mcast;
	uint64_t rx_no_buffer, rx_vport_disabled;
	uint64_t tx_errors;
};

/** udrv_mana_hw_stats() - ask for them: blocks for one request; as udrv_mana_set_rss() */
int udrv_mana_hw_stats(struct udrv_mana *mana, struct udrv_mana_hw_stats *ret);

/**
 * udrv_mana_link_speed() - ask for a vport's speed, also into &udrv_mana_vport_info; -EOPNOTSUPP:
 * it does not tell
 */
int udrv_mana_link_speed(struct udrv_mana *mana, unsigned int vport, uint32_t *ret_mbps);

/** struct udrv_mana_counters - of one queue pair, kept in the state memfd over restarts */
struct udrv_mana_counters {
	uint64_t tx_packets, tx_bytes, tx_completed, tx_errors, tx_lost;
	uint64_t rx_packets, rx_bytes, rx_errors, rx_csum_bad, rx_lost;
	uint64_t sq_doorbells, rq_doorbells, cq_doorbells, eq_doorbells;
	uint64_t events, bad_cqes;
};

void udrv_mana_counters(const struct udrv_mana_queue *q, struct udrv_mana_counters *ret);

/**
 * struct udrv_mana_resume_report - what udrv_mana_resume() found; counted
 * there, constant afterwards
 */
struct udrv_mana_resume_report {
	uint32_t tx_in_flight; /* posted, completion not yet released by the predecessor */
	uint32_t tx_completed; /* of those, completions that were waiting at the resume */
	uint32_t rx_waiting;   /* received packets that were waiting at the resume */
	uint32_t rx_posted;    /* buffers that the device still had */
	uint32_t rx_held;      /* buffers that the predecessor held */
	uint32_t hwc_pending;  /* requests without an answer */
	uint32_t hwc_finished; /* of those, half-done ones that were sent now for the first time */
};

/** udrv_mana_resume_report() - all zero after a start */
const struct udrv_mana_resume_report *udrv_mana_resume_report(const struct udrv_mana *mana);

/**
 * struct udrv_mana_snapshot - a running adapter seen through its state memfd,
 * without touching the device
 */
struct udrv_mana_snapshot {
	struct udrv_mana_info info;
	struct udrv_mana_vport_info vport[UDRV_MANA_MAX_VPORTS];
	uint64_t starts, resumes, resets, reset_requests, link_events, hwc_requests, hwc_timeouts;
	struct {
		unsigned int sending; /* not released */
		unsigned int posted;  /* receive buffers at the device, or not looked at yet */
		unsigned int held;    /* by the consumer */
		struct udrv_mana_counters counters;
	} queue[UDRV_MANA_MAX_VPORTS][UDRV_MANA_MAX_QUEUES];
};

/**
 * udrv_mana_inspect() - read a snapshot; any process, beside the running driver
 * @st: opened read-only
 *
 * Return: 0; -ENOENT: not a MANA state; -EBADMSG: damaged.
 */
int udrv_mana_inspect(const struct udrv_state *st, struct udrv_mana_snapshot *ret);

#ifdef __cplusplus
}
#endif
#endif
