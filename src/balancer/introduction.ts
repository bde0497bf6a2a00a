/**
 * What a check says first to a backend that expects the PROXY protocol, version 2: that the connection is the proxy's own (LOCAL; section
 * 2.2 of HAProxy's doc/proxy-protocol.txt).
 */
export const introduction = Uint8Array.of(
  ...[0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a],
  ...[0x20, 0x00, 0x00, 0x00],
);
