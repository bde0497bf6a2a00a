#include "boottime.h"
#include "descriptor.h"
#include "event_socket.h"
#include "exit.h"
#include "host_lock.h"
#include "memory.h"
#include "packet_socket.h"
#include "raw_packets.h"
#include "route_socket.h"
#include "relay.h"
#include "unix_channel.h"
#include "unix_datagram.h"
#include "values.h"
#include "vrrp_socket.h"

/* The functions of the addon by name; src/kernel/linux/addon.ts has their types. */
static const struct {
  const char *name;
  napi_callback function;
} functions[] = {
    {"boottime", vipd_boottime},
    {"packetOpen", vipd_packet_socket_open},
    {"packetSend", vipd_event_socket_send},
    {"packetClose", vipd_event_socket_close},
    {"rawSend", vipd_raw_send},
    {"vrrpOpen", vipd_vrrp_socket_open},
    {"vrrpSend", vipd_vrrp_socket_send},
    {"vrrpDrain", vipd_event_socket_drain},
    {"vrrpClose", vipd_event_socket_close},
    {"routeOpen", vipd_route_socket_open},
    {"routeClose", vipd_event_socket_close},
    {"relayCreate", vipd_relay_create},
    {"relayDispose", vipd_relay_dispose},
    {"relayTurns", vipd_relay_turns},
    {"relayListen", vipd_relay_listen},
    {"relayAdopt", vipd_relay_adopt},
    {"relayDescriptor", vipd_relay_descriptor},
    {"relayLeave", vipd_relay_leave},
    {"relayPort", vipd_relay_port},
    {"relaySetBackends", vipd_relay_set_backends},
    {"relayReset", vipd_relay_reset},
    {"relayStats", vipd_relay_stats},
    {"relayUnlisten", vipd_relay_unlisten},
    {"unixSend", vipd_unix_send},
    {"exit", vipd_exit},
    {"hostLock", vipd_host_lock},
    {"channelListen", vipd_channel_listen},
    {"channelConnect", vipd_channel_connect},
    {"channelOpen", vipd_channel_open},
    {"channelSend", vipd_channel_send},
    {"channelClose", vipd_event_socket_close},
    {"descriptorClose", vipd_descriptor_close},
};

NAPI_MODULE_INIT() {
  vipd_keep_memory_small();
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    napi_value function;
    TRY(env, napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function));
    TRY(env, napi_set_named_property(env, exports, functions[i].name, function));
  }
  return exports;
}
