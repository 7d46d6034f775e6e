// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>

#include "tests/model/net/csum.h"
#include "tests/model/net/rx.h"

static unsigned int verify(const struct net_frame *f)
{
	unsigned int flags = 0;

	if (f->ip_version == 4)
		flags = net_csum_ipv4_ok(f) ? NET_RX_IP_OK : NET_RX_IP_FAIL;
	else if (f->ip_version == 6)
		flags = NET_RX_IP_OK;
	if (!f->payload)
		return flags;
	if (f->protocol == NET_IP_TCP)
		return flags | (net_csum_l4_ok(f) ? NET_RX_TCP_OK : NET_RX_TCP_FAIL);
	/* Over IPv4 a UDP checksum may be left out (RFC 768), over IPv6 not (RFC 8200 8.1). */
	if (f->ip_version == 4 && !net_get16(f->data + f->l4 + 6))
		return flags;
	/* A length of its own that disagrees with IP's makes it another checksum. */
	if (net_get16(f->data + f->l4 + 4) != f->end - f->l4)
		return flags | NET_RX_UDP_FAIL;
	return flags | (net_csum_l4_ok(f) ? NET_RX_UDP_OK : NET_RX_UDP_FAIL);
}

int net_rx(struct net_rx *rx, uint8_t *frame, size_t len, bool strip_vlan)
{
	uint16_t tci;
	int err;

	rx->flags = 0;
	err = net_parse(&rx->f, frame, len, false);
	if (err)
		return err;
	if (strip_vlan && rx->f.vlan) {
		tci = rx->f.vlan_tci;
		memmove(frame + NET_VLAN_HLEN, frame, 2 * NET_ETH_ALEN);
		err = net_parse(&rx->f, frame + NET_VLAN_HLEN, len - NET_VLAN_HLEN, false);
		if (err)
			return err;
		rx->f.vlan_tci = tci;
		rx->flags = NET_RX_VLAN;
	}
	rx->flags |= verify(&rx->f);
	return 0;
}
