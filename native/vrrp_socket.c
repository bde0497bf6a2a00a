#define _GNU_SOURCE /* in6_pktinfo */
#include "vrrp_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event_socket.h"
#include "raw_packets.h"

enum { IPPROTO_VRRP = 112, VRID = 1 };

/* Bytes, doubled by the kernel: some hundred advertisements, however long nobody reads. */
static const int receive_buffer = 128 * 1024;
/* Since Linux 4.20; older headers lack it. */
#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

static bool set(int fd, int level, int option, const void *value, socklen_t length) {
  return setsockopt(fd, level, option, value, length) == 0;
}

static bool set_int(int fd, int level, int option, int value) {
  return set(fd, level, option, &value, sizeof value);
}

/*
 * Passes one virtual router, before anything is stored: others' advertisements cost no memory and no wake-up. A raw socket of IPv4
 * sees the IP header first (raw_rcv), one of IPv6 the message (rawv6_rcv). What ends before the VRID is not passed.
 */
static bool attach_filter(int fd, int family, uint8_t vrid) {
  struct sock_filter ipv4[] = {
      BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_IND, VRID),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, vrid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  struct sock_filter ipv6[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, VRID),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, vrid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  const struct sock_fprog program = family == AF_INET
                                        ? (struct sock_fprog){sizeof ipv4 / sizeof ipv4[0], ipv4}
                                        : (struct sock_fprog){sizeof ipv6 / sizeof ipv6[0], ipv6};
  return set(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/* What is sent carries its own header; the group's packets leave by the interface and do not come back to this host. */
static bool configure_ipv4(int fd, int ifindex, bool in_group) {
  const struct ip_mreqn group = {.imr_multiaddr.s_addr = htonl(0xe0000012), .imr_ifindex = ifindex};
  return set_int(fd, IPPROTO_IP, IP_HDRINCL, 1) && set_int(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0) &&
         set_int(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0) && set(fd, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof group) &&
         (!in_group || set(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
}

static bool configure_ipv6(int fd, int ifindex, bool in_group) {
  struct ipv6_mreq group = {.ipv6mr_interface = (unsigned)ifindex};
  inet_pton(AF_INET6, "ff02::12", &group.ipv6mr_multiaddr);
  set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0); /* Without it strangers' groups are heard; their packets are refused later. */
  return set_int(fd, IPPROTO_IPV6, IPV6_HDRINCL, 1) && set_int(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) &&
         set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) && set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0) &&
         set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, ifindex) &&
         (!in_group || set(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group, sizeof group));
}

/* Filtered and bound to the interface before it hears: a raw socket of protocol 112 hears from its first moment on. */
static int open_socket(int ifindex, int family, uint8_t vrid, bool in_group, const char **operation) {
  *operation = "socket";
  int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_VRRP);
  if (fd < 0) return -1;
  unsigned char stray;
  char name[IF_NAMESIZE];
  *operation = "setsockopt SO_ATTACH_FILTER";
  if (!attach_filter(fd, family, vrid)) goto failed;
  *operation = "setsockopt SO_RCVBUF";
  if (!set_int(fd, SOL_SOCKET, SO_RCVBUF, receive_buffer)) goto failed;
  *operation = "setsockopt SO_BINDTOIFINDEX";
  /* 0 would mean every interface; of others the kernel does not ask whether they exist. */
  if (ifindex <= 0 || if_indextoname((unsigned)ifindex, name) == NULL) {
    errno = ENODEV;
    goto failed;
  }
  if (!set_int(fd, SOL_SOCKET, SO_BINDTOIFINDEX, ifindex)) goto failed;
  *operation = "setsockopt IP_ADD_MEMBERSHIP";
  if (!(family == AF_INET ? configure_ipv4 : configure_ipv6)(fd, ifindex, in_group)) goto failed;
  /* What came by other interfaces, or without its hop limit, before all was set. */
  while (recv(fd, &stray, sizeof stray, 0) >= 0 || errno == EINTR) continue;
  return fd;

failed:;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

/* The header of IPv6 is not handed out: put together from what is told beside the message. */
static ssize_t receive_ipv6(int fd, void *buffer, size_t size) {
  struct ip6_hdr *header = buffer;
  struct sockaddr_in6 from;
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec payload = {(char *)buffer + sizeof *header, size - sizeof *header};
  struct msghdr message = {.msg_name = &from,
                           .msg_namelen = sizeof from,
                           .msg_iov = &payload,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  ssize_t length = recvmsg(fd, &message, 0);
  if (length < 0) return length;
  memset(header, 0, sizeof *header);
  header->ip6_vfc = 0x60;
  header->ip6_plen = htons((uint16_t)length);
  header->ip6_nxt = IPPROTO_VRRP;
  header->ip6_src = from.sin6_addr;
  for (struct cmsghdr *told = CMSG_FIRSTHDR(&message); told != NULL; told = CMSG_NXTHDR(&message, told)) {
    if (told->cmsg_level != IPPROTO_IPV6) continue;
    if (told->cmsg_type == IPV6_PKTINFO)
      memcpy(&header->ip6_dst, &((struct in6_pktinfo *)CMSG_DATA(told))->ipi6_addr, sizeof header->ip6_dst);
    if (told->cmsg_type == IPV6_HOPLIMIT) {
      int hops;
      memcpy(&hops, CMSG_DATA(told), sizeof hops);
      header->ip6_hlim = (uint8_t)hops;
    }
  }
  return (ssize_t)sizeof *header + length;
}

napi_value vipd_vrrp_socket_open(napi_env env, napi_callback_info info) {
  napi_value arguments[6];
  size_t count = 6;
  int32_t ifindex;
  uint32_t family, vrid;
  bool in_group;
  const char *operation;
  TRY(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  TRY(env, napi_get_value_int32(env, arguments[0], &ifindex));
  TRY(env, napi_get_value_uint32(env, arguments[1], &family));
  TRY(env, napi_get_value_uint32(env, arguments[2], &vrid));
  TRY(env, napi_get_value_bool(env, arguments[3], &in_group));
  if ((family != 4 && family != 6) || vrid > 255) return vipd_throw_argument(env), NULL;
  int fd = open_socket(ifindex, family == 4 ? AF_INET : AF_INET6, (uint8_t)vrid, in_group, &operation);
  if (fd < 0) return vipd_throw_errno(env, operation, errno), NULL;
  napi_value handle = vipd_event_socket(env, fd, arguments[4], arguments[5]);
  if (handle != NULL && family == 6) vipd_event_socket_receive_by(env, handle, receive_ipv6);
  return handle;
}

napi_value vipd_vrrp_socket_send(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t count = 2, length;
  napi_typedarray_type type;
  void *packet;
  TRY(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  int fd = vipd_event_socket_fd(env, arguments[0]);
  TRY(env, napi_get_typedarray_info(env, arguments[1], &type, &length, &packet, NULL, NULL));
  if (type != napi_uint8_array) return vipd_throw_argument(env), NULL;
  if (fd < 0) errno = EBADF;
  if (fd < 0 || !vipd_raw_send_packet(fd, packet, length)) vipd_throw_errno(env, "send", errno);
  return NULL;
}
