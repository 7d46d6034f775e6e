// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "tests/model/net/csum.h"
#include "tests/model/net/lso.h"
#include "tests/model/net/tx.h"

int net_tx_deliver(struct net_backend *b, const uint8_t *frame, size_t len,
		   struct net_tx_result *result)
{
	int err = net_send(b, frame, len);

	if (err == -ENOBUFS || err == -EMSGSIZE) {
		result->lost++;
		return 0;
	}
	if (err)
		return err;
	result->frames++;
	result->bytes += len;
	return 0;
}

/* What the driver says about a frame against what it is; NULL if they agree. */
static const char *contradiction(const struct net_tx *tx, const struct net_frame *f)
{
	uint8_t wanted = tx->flags & NET_TX_CSUM_TCP ? NET_IP_TCP : NET_IP_UDP;
	bool sums = tx->flags & (NET_TX_CSUM_TCP | NET_TX_CSUM_UDP);

	if ((tx->flags & NET_TX_IPV4 && f->ip_version != 4) ||
	    (tx->flags & NET_TX_IPV6 && f->ip_version != 6))
		return "the frame is not of the IP version that the flags say";
	if (tx->flags & NET_TX_CSUM_TCP && tx->flags & NET_TX_CSUM_UDP)
		return "both a TCP and a UDP checksum are wanted";
	if (sums && (!f->payload || f->protocol != wanted))
		return "a checksum is wanted for a transport protocol that the frame has not";
	if (sums && tx->l4 && tx->l4 != f->l4)
		return "the transport offset is not that of the transport header";
	if (!(tx->flags & NET_TX_LSO))
		return tx->flags & NET_TX_CSUM_IP && f->ip_version != 4 ?
			       "an IPv4 checksum is wanted, the frame is not IPv4" :
			       NULL;
	if (!(tx->flags & NET_TX_CSUM_TCP) || (f->ip_version == 4 && !(tx->flags & NET_TX_CSUM_IP)))
		return "large send without checksum offload";
	if (tx->headers && tx->headers != f->payload)
		return "large send: the first buffer is not the headers alone";
	return NULL;
}

/* A sum that the device goes on from: the driver puts the pseudo header's there. */
static bool seeded(const struct net_tx *tx, const struct net_frame *f)
{
	uint32_t len = tx->flags & NET_TX_LSO ? 0 : (uint32_t)(f->end - f->l4);
	uint16_t found = net_get16(f->data + f->l4 + net_csum_offset(f->protocol));

	return net_csum_same(found, net_csum_fold(net_csum_pseudo(f, f->protocol, len)));
}

static void insert_checksums(const struct net_tx *tx, const struct net_frame *f)
{
	if (tx->flags & NET_TX_CSUM_IP)
		net_put16(tx->frame + f->l3 + 10, net_csum_ipv4(f));
	if (tx->flags & (NET_TX_CSUM_TCP | NET_TX_CSUM_UDP))
		net_put16(tx->frame + f->l4 + net_csum_offset(f->protocol), net_csum_l4(f));
}

/* Into the headroom; the frame then starts earlier. */
static void insert_vlan(struct net_tx *tx)
{
	memmove(tx->frame - NET_VLAN_HLEN, tx->frame, 2 * NET_ETH_ALEN);
	tx->frame -= NET_VLAN_HLEN;
	tx->len += NET_VLAN_HLEN;
	net_put16(tx->frame + 2 * NET_ETH_ALEN, NET_ETH_VLAN);
	net_put16(tx->frame + 2 * NET_ETH_ALEN + 2, tx->vlan_tci);
}

int net_tx(struct net_backend *b, struct net_tx *tx, struct net_tx_result *result)
{
	bool large = tx->flags & NET_TX_LSO;
	struct net_frame f;

	*result = (struct net_tx_result){ 0 };
	if (net_parse(&f, tx->frame, tx->len, large))
		result->error = "shorter than an Ethernet header";
	else if (!large && tx->len + (tx->flags & NET_TX_VLAN ? NET_VLAN_HLEN : 0) > NET_FRAME_MAX)
		result->error = "longer than a frame can be";
	else
		result->error = contradiction(tx, &f);
	if (!result->error && tx->flags & (NET_TX_CSUM_TCP | NET_TX_CSUM_UDP) && !seeded(tx, &f))
		result->error = "the checksum to be inserted does not hold the pseudo header's sum";
	if (result->error)
		return -EINVAL;

	if (!large)
		insert_checksums(tx, &f);
	if (tx->flags & NET_TX_VLAN) {
		insert_vlan(tx);
		net_parse(&f, tx->frame, tx->len, large);
	}
	if (large)
		return net_lso(b, tx->frame, &f, tx->mss, result);
	return net_tx_deliver(b, tx->frame, tx->len, result);
}
