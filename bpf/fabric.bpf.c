// The fabric: what happens to a frame that a node sends. Attached at tc ingress of every port, which is the fabric's end of a node's veth.
//
// Its twin in Python is src/dualhome/fabric/memory.py: the same steps in the same order, and the same hash (fabric/flow.py). Who changes one changes both;
// tests/fabric compares them packet by packet. The maps' layouts are those of crates/fabric/src/layout.rs.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>

#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MOST_HOPS 64
#define REASONS 16
#define AF_INET6_BYTES 16
#define HEARD bpf_htonl(0xC6120000) // 198.18.0.0/15: how the Internet hears ports, by number
#define HEARD_MASK bpf_htonl(0xFFFE0000)
#define HEARD_NUMBER 0x1FFFF
#define OFFSET_MASK bpf_htons(0x1FFF) // of a fragment
#define ARPOP_REQUEST 1 // RFC 826
#define ARPOP_REPLY 2
#define ND_SOLICITATION 135
#define ND_ADVERTISEMENT 136
#define SOURCE_LINK_LAYER 1
#define TARGET_LINK_LAYER 2

enum reason { FORWARDED, NO_ROUTE, IP_FORWARDING, FORWARDED_TRAFFIC, NETWORK_ACCESS, DOWN, UNTRANSLATED, NOT_IP, SESSION, ANSWERED };
enum kind { ABSENT, NIC, WIRE, INTERNET };
enum state { UP, DEAD, CONTROL_ONLY };
enum flag { MAY_FORWARD = 1, CORE = 2, HAS_INTERNET = 4, PLAIN = 8, HAS_ADDRESS = 16 };
enum group_kind { NEXT_HOPS = 1, LOCAL, LOOKUP, DROP };

#define HOP_BALANCER (1u << 31)
#define HOP_OWN_ONLY (1u << 30)
#define HOP_NUMBER ((1u << 30) - 1)

struct address { // IPv4 as ::ffff:a.b.c.d
	__u8 bytes[AF_INET6_BYTES];
};

struct port {
	__u32 kind, state, flags, network, table, far, bonus;
	__u8 mac[8];
	struct address address;
};

struct group {
	__u32 kind, argument, count; // argument: of LOCAL a network (with HOP_OWN_ONLY), of LOOKUP a table, of DROP a reason
	__u32 hops[MOST_HOPS];
};

struct balancer {
	__u32 count;
	__u32 ports[MOST_HOPS];
};

struct key4 { // of longest-match maps: table or network, then the address, both big endian
	__u32 length, table, address;
};

struct key6 {
	__u32 length, table;
	struct address address;
};

struct place { // a network's address, or a port's far address
	__u32 number;
	struct address address;
};

struct counter {
	__u64 packets, bytes;
};

#define MAP(NAME, TYPE, KEY, VALUE, ENTRIES, FLAGS)                                                                                                  \
	struct {                                                                                                                                        \
		__uint(type, TYPE);                                                                                                                     \
		__type(key, KEY);                                                                                                                       \
		__type(value, VALUE);                                                                                                                   \
		__uint(max_entries, ENTRIES);                                                                                                           \
		__uint(map_flags, FLAGS);                                                                                                               \
	} NAME SEC(".maps")

// Entries are set anew when the object is loaded.
MAP(ports, BPF_MAP_TYPE_ARRAY, __u32, struct port, 1, 0);
MAP(routes4, BPF_MAP_TYPE_LPM_TRIE, struct key4, __u32, 1, BPF_F_NO_PREALLOC);
MAP(routes6, BPF_MAP_TYPE_LPM_TRIE, struct key6, __u32, 1, BPF_F_NO_PREALLOC);
MAP(spaces4, BPF_MAP_TYPE_LPM_TRIE, struct key4, __u32, 1, BPF_F_NO_PREALLOC);
MAP(spaces6, BPF_MAP_TYPE_LPM_TRIE, struct key6, __u32, 1, BPF_F_NO_PREALLOC);
MAP(groups, BPF_MAP_TYPE_HASH, __u32, struct group, 1, BPF_F_NO_PREALLOC);
MAP(balancers, BPF_MAP_TYPE_HASH, __u32, struct balancer, 1, BPF_F_NO_PREALLOC);
MAP(owners, BPF_MAP_TYPE_HASH, struct place, __u32, 1, BPF_F_NO_PREALLOC);
MAP(controls, BPF_MAP_TYPE_HASH, struct place, __u32, 1, BPF_F_NO_PREALLOC);
MAP(sources, BPF_MAP_TYPE_HASH, struct place, __u32, 1, BPF_F_NO_PREALLOC);
MAP(settings, BPF_MAP_TYPE_ARRAY, __u32, __u32, 1, 0); // 0: whether the hash is symmetric
MAP(counters, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct counter, 1, 0);

struct packet {
	struct address source, destination;
	__u32 number; // of the port that it came in at
	__u16 source_port, destination_port; // of an ICMP echo the identifier, and 0
	__u8 protocol, ttl;
	bool six, later, control; // IPv6; a later fragment; of BGP or BFD
};

static __always_inline int count(struct __sk_buff *skb, __u32 number, enum reason reason, int verdict)
{
	__u32 index = number * REASONS + reason;
	struct counter *each = bpf_map_lookup_elem(&counters, &index);
	if (each) {
		each->packets++;
		each->bytes += skb->len;
	}
	return verdict;
}

static __always_inline int drop(struct __sk_buff *skb, __u32 number, enum reason reason)
{
	return count(skb, number, reason, TC_ACT_SHOT);
}

static __always_inline bool same(const struct address *a, const struct address *b)
{
	const __u64 *x = (const void *)a, *y = (const void *)b;
	return x[0] == y[0] && x[1] == y[1];
}

static __always_inline void of_four(struct address *to, __u32 four)
{
	__builtin_memset(to->bytes, 0, 10);
	to->bytes[10] = to->bytes[11] = 0xff;
	__builtin_memcpy(to->bytes + 12, &four, 4);
}

static __always_inline __u32 four(const struct address *from)
{
	__u32 bits;
	__builtin_memcpy(&bits, from->bytes + 12, 4);
	return bits;
}

// --- the hash -----------------------------------------------------------------------------------------------------------

static __always_inline __u32 mix(__u32 x)
{
	x ^= x >> 16;
	x *= 0x7feb352d;
	x ^= x >> 15;
	x *= 0x846ca68b;
	return x ^ x >> 16;
}

static __always_inline __u32 folded(const struct packet *p, const struct address *a)
{
	__u32 words[4];
	if (!p->six)
		return bpf_ntohl(four(a));
	__builtin_memcpy(words, a, sizeof(words));
	return bpf_ntohl(words[0] ^ words[1] ^ words[2] ^ words[3]);
}

static __always_inline __u32 flow_hash(const struct packet *p)
{
	bool has_ports = p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP;
	__u32 ports = has_ports ? (__u32)p->source_port << 16 | p->destination_port : p->source_port;
	__u32 inner = mix(folded(p, &p->destination) + 0x85ebca77) ^ mix(ports + 0xc2b2ae3d);
	return mix((folded(p, &p->source) * 0x9e3779b1) ^ inner ^ p->protocol ^ mix(p->number));
}

static __always_inline __u32 symmetric_hash(const struct packet *p)
{
	__u32 ends = mix(folded(p, &p->source) ^ folded(p, &p->destination));
	return mix(ends ^ mix((__u32)p->source_port ^ p->destination_port) ^ p->protocol);
}

// --- reading a packet ---------------------------------------------------------------------------------------------------

static __always_inline bool read_four(struct __sk_buff *skb, struct packet *p, __u32 *transport)
{
	struct iphdr ip;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0 || ip.version != 4 || ip.ihl < 5)
		return false;
	of_four(&p->source, ip.saddr);
	of_four(&p->destination, ip.daddr);
	p->protocol = ip.protocol;
	p->ttl = ip.ttl;
	p->later = (ip.frag_off & OFFSET_MASK) != 0;
	*transport = ETH_HLEN + ip.ihl * 4;
	return true;
}

static __always_inline bool read_six(struct __sk_buff *skb, struct packet *p, __u32 *transport)
{
	struct ipv6hdr ip;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0 || ip.version != 6)
		return false;
	__builtin_memcpy(&p->source, &ip.saddr, sizeof(p->source));
	__builtin_memcpy(&p->destination, &ip.daddr, sizeof(p->destination));
	p->protocol = ip.nexthdr;
	p->ttl = ip.hop_limit;
	p->six = true;
	*transport = ETH_HLEN + sizeof(ip);
	return true;
}

static __always_inline void read_ports(struct __sk_buff *skb, struct packet *p, __u32 transport)
{
	__be16 words[4];
	if (p->later || bpf_skb_load_bytes(skb, transport, words, sizeof(words)) < 0)
		return;
	__u8 type = *(__u8 *)words;
	switch (p->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		p->source_port = bpf_ntohs(words[0]);
		p->destination_port = bpf_ntohs(words[1]);
		break;
	case IPPROTO_ICMP:
		p->source_port = type == 0 || type == 8 ? bpf_ntohs(words[2]) : 0;
		break;
	case IPPROTO_ICMPV6:
		p->source_port = type == 128 || type == 129 ? bpf_ntohs(words[2]) : 0;
		break;
	}
	if (p->protocol == IPPROTO_TCP)
		p->control = p->source_port == 179 || p->destination_port == 179;
	else if (p->protocol == IPPROTO_UDP)
		p->control = p->destination_port == 3784 || p->destination_port == 3785 || p->destination_port == 4784;
}

// --- questions that the fabric answers itself ---------------------------------------------------------------------------

struct arp { // of IPv4 over Ethernet
	__be16 hardware, protocol;
	__u8 hardware_length, protocol_length;
	__be16 operation;
	__u8 sender_mac[ETH_ALEN], sender[4], target_mac[ETH_ALEN], target[4];
} __attribute__((packed));

static const __u8 GATEWAY[ETH_ALEN] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc};

// Whoever asks for anybody's address gets the gateway's; who asks for its own address, or has none yet, checks that nobody else has it.
static __always_inline int answer_arp(struct __sk_buff *skb, __u32 number, const struct port *port)
{
	struct arp arp;
	struct ethhdr ethernet;
	struct address asked;
	__u32 target, sender;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &arp, sizeof(arp)) < 0 || bpf_skb_load_bytes(skb, 0, &ethernet, sizeof(ethernet)) < 0)
		return drop(skb, number, NOT_IP);
	__builtin_memcpy(&target, arp.target, 4);
	__builtin_memcpy(&sender, arp.sender, 4);
	of_four(&asked, target);
	if (arp.operation != bpf_htons(ARPOP_REQUEST) || !sender || ((port->flags & HAS_ADDRESS) && same(&asked, &port->address)))
		return drop(skb, number, NOT_IP);
	arp.operation = bpf_htons(ARPOP_REPLY);
	__builtin_memcpy(arp.target_mac, arp.sender_mac, ETH_ALEN);
	__builtin_memcpy(arp.target, arp.sender, 4);
	__builtin_memcpy(arp.sender_mac, GATEWAY, ETH_ALEN);
	__builtin_memcpy(arp.sender, &target, 4);
	__builtin_memcpy(ethernet.h_dest, ethernet.h_source, ETH_ALEN);
	__builtin_memcpy(ethernet.h_source, GATEWAY, ETH_ALEN);
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &arp, sizeof(arp), 0) < 0 || bpf_skb_store_bytes(skb, 0, &ethernet, sizeof(ethernet), 0) < 0)
		return drop(skb, number, NOT_IP);
	count(skb, number, ANSWERED, 0);
	return bpf_redirect(skb->ifindex, 0);
}

struct neighbor { // RFC 4861 sections 4.3 and 4.4, with one option
	__u8 type, code;
	__u16 checksum;
	__u32 flags;
	struct address target;
	__u8 option, option_length, mac[ETH_ALEN];
};

struct pseudo { // RFC 8200 section 8.1
	struct address source, destination;
	__u32 length, protocol;
};

static __always_inline int answer_neighbor(struct __sk_buff *skb, __u32 number, const struct port *port, const struct packet *p)
{
	struct neighbor said;
	struct ethhdr ethernet;
	struct ipv6hdr ip;
	__u64 *source = (void *)&p->source;
	if (bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(ip), &said, sizeof(said)) < 0 || said.type != ND_SOLICITATION || said.option != SOURCE_LINK_LAYER ||
	    said.option_length != 1 || bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0 || bpf_ntohs(ip.payload_len) != sizeof(said) ||
	    bpf_skb_load_bytes(skb, 0, &ethernet, sizeof(ethernet)) < 0 || (source[0] | source[1]) == 0 ||
	    ((port->flags & HAS_ADDRESS) && same(&said.target, &port->address)))
		return drop(skb, number, NOT_IP);
	said.type = ND_ADVERTISEMENT;
	said.checksum = 0;
	said.flags = bpf_htonl(0x60000000); // solicited, override
	said.option = TARGET_LINK_LAYER;
	__builtin_memcpy(said.mac, GATEWAY, ETH_ALEN);
	struct pseudo header = {.source = said.target, .destination = p->source, .length = bpf_htonl(sizeof(said)), .protocol = bpf_htonl(IPPROTO_ICMPV6)};
	__u64 sum = bpf_csum_diff(0, 0, (void *)&header, sizeof(header), 0);
	sum = bpf_csum_diff(0, 0, (void *)&said, sizeof(said), sum);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff);
	sum = (sum & 0xffff) + (sum >> 16);
	said.checksum = ~(__u16)sum;
	__builtin_memcpy(&ip.saddr, &said.target, sizeof(ip.saddr));
	__builtin_memcpy(&ip.daddr, &p->source, sizeof(ip.daddr));
	ip.hop_limit = 255;
	__builtin_memcpy(ethernet.h_dest, ethernet.h_source, ETH_ALEN);
	__builtin_memcpy(ethernet.h_source, GATEWAY, ETH_ALEN);
	if (bpf_skb_store_bytes(skb, ETH_HLEN + sizeof(ip), &said, sizeof(said), 0) < 0 || bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0) < 0 ||
	    bpf_skb_store_bytes(skb, 0, &ethernet, sizeof(ethernet), 0) < 0)
		return drop(skb, number, NOT_IP);
	count(skb, number, ANSWERED, 0);
	return bpf_redirect(skb->ifindex, 0);
}

// --- handing over -------------------------------------------------------------------------------------------------------

static __always_inline bool passes(const struct port *port, const struct packet *p)
{
	return port->kind != ABSENT && (port->state == UP || (port->state == CONTROL_ONLY && p->control));
}

// Hops of Azure's core take from the TTL, and no traceroute shall see that: what they will take is added where a packet enters.
static __always_inline void add_to_ttl(struct __sk_buff *skb, const struct packet *p, __u32 bonus)
{
	__u32 raised = p->ttl + bonus;
	__u8 ttl = raised > 255 ? 255 : raised;
	if (p->six) {
		bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, hop_limit), &ttl, 1, 0);
		return;
	}
	__be16 before = bpf_htons((__u16)p->ttl << 8 | p->protocol), after = bpf_htons((__u16)ttl << 8 | p->protocol);
	bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), before, after, 2);
	bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct iphdr, ttl), &ttl, 1, 0);
}

static __always_inline int deliver(struct __sk_buff *skb, const struct port *port, const struct packet *p, __u32 number)
{
	struct port *target = bpf_map_lookup_elem(&ports, &number);
	if (!target || !passes(target, p))
		return drop(skb, p->number, DOWN);
	if ((target->flags & CORE) && !(port->flags & CORE))
		add_to_ttl(skb, p, target->bonus);
	__u8 macs[2 * ETH_ALEN];
	__builtin_memcpy(macs, target->mac, ETH_ALEN);
	__builtin_memcpy(macs + ETH_ALEN, GATEWAY, ETH_ALEN);
	bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0);
	count(skb, p->number, FORWARDED, 0);
	return target->flags & PLAIN ? bpf_redirect(number, 0) : bpf_redirect_peer(number, 0);
}

// --- translation for the Internet: each NIC has one address there, by its port's number -----------------------------------

static __always_inline void replace_address(struct __sk_buff *skb, const struct packet *p, __u32 transport, __u32 offset, __u32 before, __u32 after)
{
	if (!p->later && p->protocol == IPPROTO_TCP)
		bpf_l4_csum_replace(skb, transport + 16, before, after, BPF_F_PSEUDO_HDR | sizeof(after));
	else if (!p->later && p->protocol == IPPROTO_UDP)
		bpf_l4_csum_replace(skb, transport + 6, before, after, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0 | sizeof(after));
	bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), before, after, sizeof(after));
	bpf_skb_store_bytes(skb, ETH_HLEN + offset, &after, sizeof(after), 0);
}

// An ICMP error holds the packet that caused it, with the address that the Internet heard.
static __always_inline void replace_in_error(struct __sk_buff *skb, __u32 transport, __u32 heard, __u32 own)
{
	__u8 type;
	__u32 inside = 0, offset = transport + 8 + offsetof(struct iphdr, saddr);
	if (bpf_skb_load_bytes(skb, transport, &type, 1) < 0 || (type != 3 && type != 11 && type != 12))
		return;
	if (bpf_skb_load_bytes(skb, offset, &inside, sizeof(inside)) < 0 || inside != heard)
		return;
	bpf_l4_csum_replace(skb, transport + 2, heard, own, sizeof(own));
	bpf_skb_store_bytes(skb, offset, &own, sizeof(own), 0);
}

static __always_inline int from_internet(struct __sk_buff *skb, const struct port *port, struct packet *p, __u32 transport)
{
	__u32 heard = four(&p->destination), number = bpf_ntohl(heard) & HEARD_NUMBER;
	struct port *target = bpf_map_lookup_elem(&ports, &number);
	if (p->six || (heard & HEARD_MASK) != HEARD || !target || target->kind != NIC || !(target->flags & HAS_ADDRESS) || target->address.bytes[10] != 0xff)
		return drop(skb, p->number, UNTRANSLATED);
	__u32 own = four(&target->address);
	replace_address(skb, p, transport, offsetof(struct iphdr, daddr), heard, own);
	if (p->protocol == IPPROTO_ICMP && !p->later)
		replace_in_error(skb, transport, heard, own);
	return deliver(skb, port, p, number);
}

// --- from a NIC ---------------------------------------------------------------------------------------------------------

static __always_inline struct group *longest(const struct packet *p, __u32 table)
{
	__u32 *id;
	if (p->six) {
		struct key6 key = {.length = 32 + 128, .table = bpf_htonl(table), .address = p->destination};
		id = bpf_map_lookup_elem(&routes6, &key);
	} else {
		struct key4 key = {.length = 32 + 32, .table = bpf_htonl(table), .address = four(&p->destination)};
		id = bpf_map_lookup_elem(&routes4, &key);
	}
	return id ? bpf_map_lookup_elem(&groups, id) : 0;
}

static __always_inline bool in_space(const struct packet *p, __u32 network)
{
	if (p->six) {
		struct key6 key = {.length = 32 + 128, .table = bpf_htonl(network), .address = p->source};
		return bpf_map_lookup_elem(&spaces6, &key) != 0;
	}
	struct key4 key = {.length = 32 + 32, .table = bpf_htonl(network), .address = four(&p->source)};
	return bpf_map_lookup_elem(&spaces4, &key) != 0;
}

static __always_inline int from_nic(struct __sk_buff *skb, const struct port *port, struct packet *p, __u32 transport)
{
	__u32 hop, zero = 0;
	if (!(port->flags & MAY_FORWARD) && !((port->flags & HAS_ADDRESS) && same(&p->source, &port->address))) {
		struct place own = {.number = p->number, .address = p->source};
		if (!bpf_map_lookup_elem(&sources, &own))
			return drop(skb, p->number, IP_FORWARDING);
	}
	struct group *group = longest(p, port->table);
	if (group && group->kind == LOOKUP)
		group = longest(p, group->argument);
	if (!group || group->kind == LOOKUP)
		return drop(skb, p->number, NO_ROUTE);
	if (group->kind == DROP)
		return drop(skb, p->number, group->argument);
	if (group->kind == LOCAL) {
		struct place where = {.number = group->argument & HOP_NUMBER, .address = p->destination};
		__u32 *owner = bpf_map_lookup_elem(&owners, &where);
		if (!owner)
			return drop(skb, p->number, NO_ROUTE);
		hop = *owner | (group->argument & HOP_OWN_ONLY);
	} else {
		__u32 *symmetric = bpf_map_lookup_elem(&settings, &zero);
		__u32 hash = symmetric && *symmetric ? symmetric_hash(p) : flow_hash(p);
		hop = group->hops[(group->count ? hash % group->count : 0) & (MOST_HOPS - 1)];
	}
	if ((hop & HOP_OWN_ONLY) && !in_space(p, port->network))
		return drop(skb, p->number, FORWARDED_TRAFFIC);
	__u32 number = hop & HOP_NUMBER;
	if (hop & HOP_BALANCER) {
		struct balancer *balancer = bpf_map_lookup_elem(&balancers, &number);
		if (!balancer || !balancer->count)
			return drop(skb, p->number, DOWN);
		number = balancer->ports[(symmetric_hash(p) % balancer->count) & (MOST_HOPS - 1)];
	}
	struct port *target = bpf_map_lookup_elem(&ports, &number);
	if (target && target->kind == INTERNET) {
		if (!(port->flags & HAS_INTERNET))
			return drop(skb, p->number, DOWN);
		if (!p->six && (port->flags & HAS_ADDRESS) && same(&p->source, &port->address)) {
			__u32 heard = HEARD | bpf_htonl(p->number & HEARD_NUMBER);
			replace_address(skb, p, transport, offsetof(struct iphdr, saddr), four(&p->source), heard);
		}
	}
	return deliver(skb, port, p, number);
}

SEC("classifier")
int fabric(struct __sk_buff *skb)
{
	__u32 transport = 0, number = skb->ifindex;
	struct packet p = {.number = number};
	struct port *port = bpf_map_lookup_elem(&ports, &number);
	if (!port || port->kind == ABSENT)
		return TC_ACT_SHOT;
	switch (skb->protocol) {
	case bpf_htons(ETH_P_ARP):
		return port->state == DEAD ? drop(skb, number, DOWN) : answer_arp(skb, number, port);
	case bpf_htons(ETH_P_IP):
		if (!read_four(skb, &p, &transport))
			return drop(skb, number, NOT_IP);
		break;
	case bpf_htons(ETH_P_IPV6):
		if (!read_six(skb, &p, &transport))
			return drop(skb, number, NOT_IP);
		break;
	default:
		return drop(skb, number, NOT_IP);
	}
	read_ports(skb, &p, transport);
	if (!passes(port, &p))
		return drop(skb, number, DOWN);
	if (p.six && p.protocol == IPPROTO_ICMPV6) {
		__u8 type = 0;
		bpf_skb_load_bytes(skb, transport, &type, 1);
		if (type == ND_SOLICITATION)
			return answer_neighbor(skb, number, port, &p);
	}
	if (p.six && (p.destination.bytes[0] == 0xff || (p.destination.bytes[0] == 0xfe && (p.destination.bytes[1] & 0xc0) == 0x80)))
		return drop(skb, number, NOT_IP); // multicast and link-local: nobody is on this link but the fabric
	if (p.control) {
		struct place far = {.number = number, .address = p.destination};
		__u32 *fixed = bpf_map_lookup_elem(&controls, &far);
		if (fixed)
			return *fixed ? deliver(skb, port, &p, *fixed) : drop(skb, number, SESSION);
	}
	switch (port->kind) {
	case WIRE:
		return deliver(skb, port, &p, port->far);
	case INTERNET:
		return from_internet(skb, port, &p, transport);
	default:
		return from_nic(skb, port, &p, transport);
	}
}

char LICENSE[] SEC("license") = "GPL";
