#include "packet_filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* Enough for some hundred frames while the event loop is busy; a flood is dropped by the kernel, not stored. */
static const int receive_buffer = 256 * 1024;

/* ICMPv6 types (RFC 4861 sections 4.3 and 4.4). */
enum { NEIGHBOUR_SOLICITATION = 135, NEIGHBOUR_ADVERTISEMENT = 136 };

/* Bytes from a frame's start. */
enum { ETHERTYPE = 12, NEXT_HEADER = 14 + 6, ICMPV6_TYPE = 14 + 40 };

/*
 * Both filters pass host, broadcast and multicast frames only, as the kernel's own arp_rcv() and ipv6_rcv() take them. That leaves
 * out what this host sends (PACKET_OUTGOING, PACKET_LOOPBACK), and PACKET_OTHERHOST: frames seen by promiscuous mode, and those of
 * VLANs that have no interface here (__netif_receive_skb_core), which are another network's.
 */
static struct sock_filter arp_instructions[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (__u32)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, PACKET_MULTICAST, 3, 0),
    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, ETHERTYPE),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, VIPD_FRAME_MAX),
    BPF_STMT(BPF_RET | BPF_K, 0),
};

/* Of neighbour discovery, what has no extension headers before it; a frame that ends before the type is not passed. */
static struct sock_filter ndp_instructions[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (__u32)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, PACKET_MULTICAST, 8, 0),
    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, ETHERTYPE),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, 6),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NEXT_HEADER),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 4),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, ICMPV6_TYPE),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NEIGHBOUR_SOLICITATION, 1, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NEIGHBOUR_ADVERTISEMENT, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, VIPD_FRAME_MAX),
    BPF_STMT(BPF_RET | BPF_K, 0),
};

static const struct sock_fprog arp_filter = {sizeof arp_instructions / sizeof arp_instructions[0], arp_instructions};
static const struct sock_fprog ndp_filter = {sizeof ndp_instructions / sizeof ndp_instructions[0], ndp_instructions};

/* Opened with protocol 0 the socket hears nothing (packet(7)); only bind() starts it, when the filter is there already. */
int vipd_packet_open(int ifindex, uint16_t ethertype, const char **operation) {
  const struct sock_fprog *filter = ethertype == ETH_P_ARP ? &arp_filter : &ndp_filter;
  *operation = "socket";
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  const struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ethertype), .sll_ifindex = ifindex};
  *operation = "setsockopt SO_RCVBUF";
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer) < 0) goto failed;
  *operation = "setsockopt SO_ATTACH_FILTER";
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, filter, sizeof *filter) < 0) goto failed;
  *operation = "bind";
  if (ifindex <= 0) { /* 0 would mean every interface. */
    errno = ENODEV;
    goto failed;
  }
  if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0) goto failed;
  return fd;

failed:;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}
