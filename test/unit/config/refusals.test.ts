import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileName, load, problemsOf } from './load-text.js';

const good = '  - name: api\n    addresses: [10.0.0.9]\n';

/** Each file is wrong in one way; the line is the whole line that is printed. */
const inFiles: readonly (readonly [name: string, file: string, line: string])[] = [
  ['unknown key at the top', `vips:\n${good}vip: 1`, '4:1: vip: no such key; did you mean vips?'],
  ['unknown key in a VIP', `vips:\n${good}    adress: 1`, '4:5: vips[0].adress: no such key; did you mean addresses?'],
  [
    'unknown key like nothing',
    `vips:\n${good}    zzzzzzzz: 1`,
    '4:5: vips[0].zzzzzzzz: no such key; known here: name, addresses, dnsMode, dnsInterval, interface, deadManSwitch, election, announce, loadBalancer',
  ],
  ['a section that is none', `vips:\n${good}metrics: 3`, '4:1: metrics: 3 is not a section; write its keys below it'],
  [
    'vips that are no list',
    'vips: { a: 1 }',
    '1:1: vips: a map is not a list; write each VIP as an item of a list AND FILE vips[0].addresses (--address, VIPD_ADDRESS): no address is given; name the virtual IP, such as 192.168.1.100',
  ],
  [
    'a plain number as duration',
    `vips:\n${good}    announce: { interval: 3 }`,
    '4:17: vips[0].announce.interval (--announce-interval, VIPD_ANNOUNCE_INTERVAL): 3 has no unit; write 3s for seconds or 3ms for milliseconds',
  ],
  [
    'a word as duration',
    `vips:\n${good}    announce: { interval: soon }`,
    '4:17: vips[0].announce.interval (--announce-interval, VIPD_ANNOUNCE_INTERVAL): "soon" is not a duration; write a number with its unit, such as 5s, 300ms or 1m',
  ],
  [
    'too short an interval',
    `vips:\n${good}    announce: { interval: 99ms }`,
    '4:17: vips[0].announce.interval (--announce-interval, VIPD_ANNOUNCE_INTERVAL): 99ms is too short; write at least 100ms',
  ],
  [
    'too long a duration',
    `vips:\n${good}    announce: { interval: 25h }`,
    '4:17: vips[0].announce.interval (--announce-interval, VIPD_ANNOUNCE_INTERVAL): 25h is too long; write at most 24h',
  ],
  [
    'a broken second in the switch',
    `vips:\n${good}    deadManSwitch: 1500ms`,
    '4:5: vips[0].deadManSwitch (--dead-man-switch, VIPD_DEAD_MAN_SWITCH): 1500ms is not a number of whole seconds; write 2s',
  ],
  [
    'a broken second in the lease',
    `vips:\n${good}    election: { lease: { duration: 4.5s } }`,
    '4:26: vips[0].election.lease.duration (--lease-duration, VIPD_LEASE_DURATION): 4.5s is not a number of whole seconds; write 5s',
  ],
  [
    'a switch of no time',
    `vips:\n${good}    deadManSwitch: 0s`,
    '4:5: vips[0].deadManSwitch (--dead-man-switch, VIPD_DEAD_MAN_SWITCH): 0s is too short; write at least 1s',
  ],
  [
    'too many announcements',
    `vips:\n${good}    announce: { burst: 21 }`,
    '4:17: vips[0].announce.burst (--announce-burst, VIPD_ANNOUNCE_BURST): 21 is not a whole number from 1 to 20; write one, such as 1',
  ],
  [
    'no number of a virtual router',
    `vips:\n${good}    election: { type: vrrp, vrrp: { virtualRouterId: 256 } }`,
    '4:37: vips[0].election.vrrp.virtualRouterId (--vrrp-virtual-router-id, VIPD_VRRP_VIRTUAL_ROUTER_ID): 256 is not a whole number from 1 to 255; write one, such as 1',
  ],
  [
    'an interval that VRRP version 2 cannot say',
    `vips:\n${good}    election: { type: vrrp, vrrp: { version: 2, advertInterval: 300ms } }`,
    '4:49: vips[0].election.vrrp.advertInterval (--vrrp-advert-interval, VIPD_VRRP_ADVERT_INTERVAL): VRRP version 2 has whole seconds, at most 255s; write 1s, or set election.vrrp.version to 3',
  ],
  [
    'an interval that VRRP version 3 cannot say',
    `vips:\n${good}    election: { type: vrrp, vrrp: { advertInterval: 41s } }`,
    '4:37: vips[0].election.vrrp.advertInterval (--vrrp-advert-interval, VIPD_VRRP_ADVERT_INTERVAL): VRRP version 3 has hundredths of a second, at most 40.95s; write 40950ms',
  ],
  [
    'a password that is no text, which is not shown',
    `vips:\n${good}    election: { type: vrrp, vrrp: { version: 2, authPass: 1111 } }`,
    '4:49: vips[0].election.vrrp.authPass (--vrrp-auth-pass, VIPD_VRRP_AUTH_PASS): what is written is not a text; write it as one, in quotes if need be',
  ],
  [
    'a password in VRRP version 3',
    `vips:\n${good}    election: { type: vrrp, vrrp: { authPass: "1111" } }`,
    '4:37: vips[0].election.vrrp.authPass (--vrrp-auth-pass, VIPD_VRRP_AUTH_PASS): VRRP version 3 has no passwords; remove it, or set election.vrrp.version to 2',
  ],
  [
    'a delay of what is not done',
    `vips:\n${good}    election: { type: vrrp, vrrp: { preempt: false, preemptDelay: 5s } }`,
    '4:53: vips[0].election.vrrp.preemptDelay (--vrrp-preempt-delay, VIPD_VRRP_PREEMPT_DELAY): this router does not preempt, so there is nothing to delay; remove it, or set election.vrrp.preempt to true',
  ],
  [
    'peers of another family',
    `vips:\n${good}    election: { type: vrrp, vrrp: { unicastPeers: ["fe80::2"] } }`,
    '4:37: vips[0].election.vrrp.unicastPeers (--vrrp-unicast-peers, VIPD_VRRP_UNICAST_PEERS): no peer has an address of the same family as the VIP, so nothing could be sent; give the peers’ other addresses',
  ],
  [
    'a peer that is this host',
    `vips:\n${good}    election: { type: vrrp, vrrp: { unicastSource: 10.0.0.1, unicastPeers: [10.0.0.1] } }`,
    '4:62: vips[0].election.vrrp.unicastPeers (--vrrp-unicast-peers, VIPD_VRRP_UNICAST_PEERS): 10.0.0.1 is this host itself (election.vrrp.unicastSource); list the other routers only',
  ],
  [
    'a mode that nobody knows',
    `vips:\n${good}    loadBalancer: { mode: lvs }`,
    '4:21: vips[0].loadBalancer.mode (--load-balancer, VIPD_LOAD_BALANCER): "lvs" is not known; write one of auto, ipvs, nftables, proxy, off',
  ],
  [
    'least connection by nftables',
    `vips:\n${good}    loadBalancer: { mode: nftables, scheduler: leastconn }`,
    '4:37: vips[0].loadBalancer.scheduler (--scheduler, VIPD_SCHEDULER): nftables gives connections in turns only; write roundrobin, or set loadBalancer.mode to ipvs or proxy',
  ],
  [
    'a backend that the kernel does not send anybody to',
    `vips:\n${good}    loadBalancer: { mode: ipvs, backends: { from: static, servers: [{ name: a, address: "127.0.0.1:80" }] } }`,
    '4:59: vips[0].loadBalancer.backends.servers (--backends, VIPD_BACKENDS): backend a has a loopback address, which ipvs does not reach; give another address, or set loadBalancer.mode to proxy',
  ],
  [
    'settings of https checks for tcp checks',
    `vips:\n${good}    loadBalancer: { healthCheck: { type: tcp, path: /healthz } }`,
    '4:47: vips[0].loadBalancer.healthCheck.path (--health-check-path, VIPD_HEALTH_CHECK_PATH): checks are tcp, which do not have this; set loadBalancer.healthCheck.type to https, or remove it',
  ],
  [
    'a fast interval that is not',
    `vips:\n${good}    loadBalancer: { healthCheck: { interval: 1s, fastInterval: 3s } }`,
    '4:50: vips[0].loadBalancer.healthCheck.fastInterval (--health-check-fast-interval, VIPD_HEALTH_CHECK_FAST_INTERVAL): 3s is longer than the interval, 1s; shorten it',
  ],
  [
    'a CA for certificates that nobody verifies',
    `vips:\n${good}    loadBalancer: { healthCheck: { insecure: true, ca: /ca.crt } }`,
    '4:36: vips[0].loadBalancer.healthCheck.insecure (--health-check-insecure, VIPD_HEALTH_CHECK_INSECURE): certificates are verified with the CA that is given, or not at all; remove this or loadBalancer.healthCheck.ca',
  ],
  [
    'https checks of static backends without a CA',
    `vips:\n${good}    election: { type: none }\n    loadBalancer: { healthCheck: { type: https }, backends: { from: static, servers: [{ name: a, address: "10.0.0.1:443" }] } }`,
    "5:36: vips[0].loadBalancer.healthCheck.ca (--health-check-ca, VIPD_HEALTH_CHECK_CA): https checks have nothing to verify certificates with; name the file of the backends' CA, or a kubernetes.kubeconfig that has it",
  ],
  [
    'the path of a URL',
    `vips:\n${good}    loadBalancer: { healthCheck: { path: readyz } }`,
    '4:36: vips[0].loadBalancer.healthCheck.path (--health-check-path, VIPD_HEALTH_CHECK_PATH): "readyz" is not the path of a URL; write one that begins with /, such as /readyz',
  ],
  [
    'an HTTP status',
    `vips:\n${good}    loadBalancer: { healthCheck: { aliveStatuses: [200, 100] } }`,
    '4:57: vips[0].loadBalancer.healthCheck.aliveStatuses[1] (--health-check-alive-statuses, VIPD_HEALTH_CHECK_ALIVE_STATUSES): 100 is not a whole number from 200 to 599; write one, such as 200',
  ],
  [
    'a server name',
    `vips:\n${good}    loadBalancer: { healthCheck: { serverName: "https://cp1" } }`,
    '4:36: vips[0].loadBalancer.healthCheck.serverName (--health-check-server-name, VIPD_HEALTH_CHECK_SERVER_NAME): "https://cp1" is neither a DNS name nor an address; write one, such as kubernetes or 192.168.1.101',
  ],
  [
    'a text for a boolean',
    `vips:\n${good}    loadBalancer: { healthCheck: { insecure: "yes" } }`,
    '4:36: vips[0].loadBalancer.healthCheck.insecure (--health-check-insecure, VIPD_HEALTH_CHECK_INSECURE): "yes" is neither true nor false; write one of them',
  ],
  [
    'an unknown mode',
    `vips:\n${good}    loadBalancer: { mode: on }`,
    '4:21: vips[0].loadBalancer.mode (--load-balancer, VIPD_LOAD_BALANCER): "on" is not known; write one of auto, ipvs, nftables, proxy, off',
  ],
  [
    'an empty list of ports',
    `vips:\n${good}    loadBalancer: { ports: [] }`,
    '4:21: vips[0].loadBalancer.ports (--ports, VIPD_PORTS): the list is empty; write a list, such as [6443]',
  ],
  [
    'one port that is no list',
    `vips:\n${good}    loadBalancer: { ports: 6443 }`,
    '4:21: vips[0].loadBalancer.ports (--ports, VIPD_PORTS): 6443 is not a list; write a list, such as [6443]',
  ],
  [
    'a port twice',
    `vips:\n${good}    loadBalancer: { ports: [6443, 6443] }`,
    '4:35: vips[0].loadBalancer.ports[1] (--ports, VIPD_PORTS): port 6443 is given twice; name each port once',
  ],
  [
    'port 0',
    `vips:\n${good}    loadBalancer: { ports: [0] }`,
    '4:29: vips[0].loadBalancer.ports[0] (--ports, VIPD_PORTS): 0 is not a whole number from 1 to 65535; write one, such as 1',
  ],
  [
    'port 65536',
    `vips:\n${good}    loadBalancer: { backends: { port: 65536 } }`,
    '4:33: vips[0].loadBalancer.backends.port (--backends-port, VIPD_BACKENDS_PORT): 65536 is not a whole number from 1 to 65535; write one, such as 1',
  ],
  [
    'static without servers',
    `vips:\n${good}    loadBalancer: { backends: { from: static } }`,
    'FILE vips[0].loadBalancer.backends.servers (--backends, VIPD_BACKENDS): no servers are given; list each as { name, address: "ip:port" }',
  ],
  [
    'static with a port',
    `vips:\n${good}    loadBalancer: { backends: { from: static, port: 1, servers: [{ name: a, address: "10.0.0.1:1" }] } }`,
    '4:47: vips[0].loadBalancer.backends.port (--backends-port, VIPD_BACKENDS_PORT): each static server has its own port; remove this one',
  ],
  [
    'servers that nobody uses',
    `vips:\n${good}    loadBalancer: { backends: { servers: [{ name: a, address: "10.0.0.1:1" }] } }`,
    '4:33: vips[0].loadBalancer.backends.servers (--backends, VIPD_BACKENDS): servers are given, but the backends come from nodes; set loadBalancer.backends.from to static, or remove them',
  ],
  [
    'two servers of a name',
    `vips:\n${good}    loadBalancer: { backends: { from: static, servers: [{ name: a, address: "10.0.0.1:1" }, { name: a, address: "10.0.0.2:1" }] } }`,
    '4:93: vips[0].loadBalancer.backends.servers[1] (--backends, VIPD_BACKENDS): the name "a" is given to two servers; give each its own',
  ],
  [
    'two servers at an address',
    `vips:\n${good}    loadBalancer: { backends: { from: static, servers: [{ name: a, address: "10.0.0.1:1" }, { name: b, address: "10.0.0.1:1" }] } }`,
    '4:93: vips[0].loadBalancer.backends.servers[1] (--backends, VIPD_BACKENDS): 10.0.0.1:1 is the address of a already; list each once',
  ],
  [
    'a server without address',
    `vips:\n${good}    loadBalancer: { backends: { from: static, servers: [{ name: a }] } }`,
    '4:57: vips[0].loadBalancer.backends.servers[0].address (--backends, VIPD_BACKENDS): it is missing; write it',
  ],
  [
    'a server with more',
    `vips:\n${good}    loadBalancer: { backends: { from: static, servers: [{ name: a, address: "10.0.0.1:1", backup: true }] } }`,
    '4:57: vips[0].loadBalancer.backends.servers[0] (--backends, VIPD_BACKENDS): a server has the keys name, address and weight, not "backup"; remove it',
  ],
  [
    'a server of weight 0',
    `vips:\n${good}    loadBalancer: { backends: { from: static, servers: [{ name: a, address: "10.0.0.1:1", weight: 0 }] } }`,
    '4:91: vips[0].loadBalancer.backends.servers[0].weight (--backends, VIPD_BACKENDS): 0 is no weight; for no new connections write one from 1 to 256, or leave it out, and run `vipd backend drain`',
  ],
  [
    'a server that is too heavy',
    `vips:\n${good}    loadBalancer: { backends: { from: static, servers: [{ name: a, address: "10.0.0.1:1", weight: 257 }] } }`,
    '4:91: vips[0].loadBalancer.backends.servers[0].weight (--backends, VIPD_BACKENDS): 257 is not a whole number from 1 to 256; write one, such as 1',
  ],
  [
    'half a weight',
    `vips:\n${good}    loadBalancer: { backends: { from: static, servers: [{ name: a, address: "10.0.0.1:1", weight: 1.5 }] } }`,
    '4:91: vips[0].loadBalancer.backends.servers[0].weight (--backends, VIPD_BACKENDS): 1.5 is not a whole number from 1 to 256; write one, such as 1',
  ],
  [
    'a server that is a text',
    `vips:\n${good}    loadBalancer: { backends: { from: static, servers: [a] } }`,
    '4:57: vips[0].loadBalancer.backends.servers[0] (--backends, VIPD_BACKENDS): "a" is not a server; write { name: cp1, address: "192.168.1.101:6443" }',
  ],
  [
    'an upper-case node',
    `node: { name: CP1 }\nvips:\n${good}`,
    '1:9: node.name (--node-name, VIPD_NODE_NAME): "CP1" is not a name as Kubernetes wants it (RFC 1123); write "cp1"',
  ],
  [
    'a node that is a number',
    `node: { name: 7 }\nvips:\n${good}`,
    '1:9: node.name (--node-name, VIPD_NODE_NAME): 7 is not a text; write it as one, in quotes if need be',
  ],
  [
    'a log level',
    `log: { level: trace }\nvips:\n${good}`,
    '1:8: log.level (--log-level, VIPD_LOG_LEVEL): "trace" is not known; write one of debug, info, warn, error',
  ],
  [
    'a relative socket',
    `admin: { socket: a.sock }\nvips:\n${good}`,
    '1:10: admin.socket (--admin-socket, VIPD_ADMIN_SOCKET): "a.sock" is not an absolute path; write one, such as /run/vipd/vipd.sock',
  ],
  [
    'a long socket',
    `admin: { socket: /${'a'.repeat(94)} }\nvips:\n${good}`,
    '1:10: admin.socket (--admin-socket, VIPD_ADMIN_SOCKET): the path is longer than the 94 bytes that a socket of vipd may have; use a shorter one',
  ],
  [
    'no address',
    'vips:\n  - name: api',
    'FILE vips[0].addresses (--address, VIPD_ADDRESS): no address is given; name the virtual IP, such as 192.168.1.100',
  ],
  [
    'an empty file',
    '',
    'FILE vips[0].addresses (--address, VIPD_ADDRESS): no address is given; name the virtual IP, such as 192.168.1.100',
  ],
  [
    'a VIP without a name',
    `vips:\n${good}  - { addresses: [10.0.0.8], election: { type: none } }`,
    'FILE vips[1].name: the VIP has no name; give it one',
  ],
  [
    'two VIPs of a name',
    `vips:\n${good}  - { name: api, addresses: [10.0.0.8], election: { type: none } }`,
    '4:7: vips[1].name: vips[0] is also called "api"; give each VIP its own name',
  ],
  [
    'an address in two VIPs',
    `vips:\n${good}  - { name: b, addresses: [10.0.0.9/24], election: { type: none } }`,
    '4:16: vips[1].addresses: 10.0.0.9/24 is also an address of vips[0]; give each address once',
  ],
  [
    'an address twice',
    'vips: [{ addresses: [10.0.0.9, 10.0.0.9] }]',
    '1:10: vips[0].addresses (--address, VIPD_ADDRESS): 10.0.0.9/32 is given twice; give each address once',
  ],
  [
    'two VIPs on one Lease',
    `vips:\n${good}  - { name: b, addresses: [10.0.0.8] }`,
    'FILE vips[1].election.lease.name: vips[0] has the Lease plndr-cp-lock already; give each VIP its own Lease',
  ],
  [
    'a deadline as long as the lease',
    `vips:\n${good}    election: { lease: { renewDeadline: 5s } }`,
    '4:26: vips[0].election.lease.renewDeadline (--lease-renew-deadline, VIPD_LEASE_RENEW_DEADLINE): 5s is not less than the lease duration, 5s; shorten it or lengthen election.lease.duration',
  ],
  [
    'too slow a retry',
    `vips:\n${good}    deadManSwitch: 2s\n    election: { lease: { retryPeriod: 2500ms } }`,
    '5:26: vips[0].election.lease.retryPeriod (--lease-retry-period, VIPD_LEASE_RETRY_PERIOD): 1.2 times 2500ms is not less than the renew deadline, 3s; shorten it or lengthen election.lease.renewDeadline',
  ],
  [
    'a switch that outlives the lease',
    `vips:\n${good}    deadManSwitch: 5s`,
    '4:5: vips[0].deadManSwitch (--dead-man-switch, VIPD_DEAD_MAN_SWITCH): 5s is more than the lease duration less the retry period, 4s: a dead leader could keep the address after another took it; shorten it or lengthen election.lease.duration',
  ],
];

test('every mistake in a file is one line with its place, its names and the mend', async () => {
  const printed: string[] = [];
  for (const [name, file] of inFiles) {
    const problems = await problemsOf(file);
    printed.push(`${name}: ${problems.map((problem) => problem.replace(/^ /, 'FILE ')).join(' AND ')}`);
  }
  assert.deepEqual(
    printed,
    inFiles.map(([name, , line]) => `${name}: ${line}`),
  );
});

test('virtual routers are told apart by interface, number and address family, where the interface is written', async () => {
  const vip = (keys: string, vrrp = '') =>
    `- { ${keys}, election: { type: vrrp, vrrp: { virtualRouterId: 7, ${vrrp} } }, loadBalancer: { mode: "off" } }`;
  const a = vip('name: a, interface: eth0, addresses: [10.0.0.9]');
  const b = (addresses: string, vrrp = '', where = ', interface: eth0') =>
    vip(`name: b, addresses: [${addresses}]${where}`, vrrp);
  const both = '10.0.0.8, "2001:db8::8"';
  const problem =
    /vips\[1\]\.election\.vrrp\.virtualRouterId: vips\[0\] is virtual router 7 on eth0 already; give each/;
  for (const other of [b('10.0.0.8'), b(both), b('10.0.0.8', 'version: 2')]) {
    const problems = await problemsOf(`vips:\n${a}\n${other}`);
    assert.equal(problems.length, 1, problems.join());
    assert.match(problems[0] ?? '', problem);
  }
  const sixOfBoth = b(both, 'unicastPeers: ["fe80::2"]');
  for (const other of [b('"2001:db8::8"'), sixOfBoth, b('10.0.0.8', '', ', interface: eth1'), b('10.0.0.8', '', '')])
    assert.deepEqual(await problemsOf(`vips:\n${a}\n${other}`), []);
  const nowhere = vip('name: e, addresses: [10.0.0.7]');
  const [unwritten] = await problemsOf(`vips:\n${nowhere}\n${b('10.0.0.8', '', '')}`);
  assert.match(unwritten ?? '', /is virtual router 7 already; give each VIP its own number, or write their interfaces/);
  const second = vip('name: d, interface: eth0, addresses: ["2001:db8::9"]');
  const versionTwo = b(both, 'version: 2').replace('name: b', 'name: c');
  assert.deepEqual(await problemsOf(`vips:\n${versionTwo}\n${second}`), []);
});

/** What cannot be a VIP, and what is said of it. */
const addresses: Readonly<Record<string, RegExp>> = {
  '224.0.0.18': /is a multicast address, which cannot/,
  '127.0.0.1': /is a loopback address, which cannot/,
  '0.0.0.0': /is unspecified, which cannot/,
  '255.255.255.255': /is the broadcast address, which cannot/,
  '192.168.1.255/24': /is the broadcast address of its \/24 network/,
  '192.168.1.0/24': /is the network address of its \/24 network/,
  '::': /is unspecified, which cannot/,
  '::1': /is a loopback address, which cannot/,
  'ff02::12': /is a multicast address, which cannot/,
  'fe80::1': /is a link-local address, which cannot/,
  'febf::1/64': /is a link-local address, which cannot/,
  '::ffff:10.0.0.9': /is an IPv4 address in the guise of IPv6; write 10\.0\.0\.9$/,
  '2001:db8::/64': /is the routers' anycast address of its \/64 network/,
  '2001:db8::9/129': /is neither an address nor a DNS name; write one, such as 192\.168\.1\.100, 2001:db8::100 or api/,
  'fe80::1%eth0': /is neither an address nor a DNS name/,
  '10.0.0': /is neither an address nor a DNS name/,
  '10.0.0.9/33': /is neither an address nor a DNS name/,
  '': /is neither an address nor a DNS name/,
  // Slips of the pen are no names.
  '10.0.0.300': /is neither an address nor a DNS name/,
  '10.0.0.1O0': /is neither an address nor a DNS name/,
  '10.0.0.l00': /is neither an address nor a DNS name/,
  '10.0.0.9.': /is neither an address nor a DNS name/,
  '010.0.0.9': /is neither an address nor a DNS name/,
  'api.example.org..': /is neither an address nor a DNS name/,
  'api.example.org/24': /is neither an address nor a DNS name/,
  'https://api.example.org': /is neither an address nor a DNS name/,
  'Api.example.org': /write "api\.example\.org"/,
  'api..example': /is not a name as Kubernetes wants it/,
};

test('an address that cannot be a VIP is refused with the reason', async () => {
  for (const [address, reason] of Object.entries(addresses)) {
    const problems = await problemsOf(`vips: [{ addresses: [${JSON.stringify(address)}] }]`);
    assert.equal(problems.length, 1, address);
    assert.match(problems[0] ?? '', reason);
    assert.match(problems[0] ?? '', /^1:22: vips\[0\]\.addresses\[0\] \(--address, VIPD_ADDRESS\): /);
  }
});

/** Flags beside a good address, each wrong. */
const flags: readonly (readonly [flag: string, text: string, reason: RegExp])[] = [
  ['backends', 'a=10.0.0.1', /servers\[0\]\.address .*"10\.0\.0\.1" has no port/],
  ['backends', 'a=2001:db8::1:6443', /"2001:db8::1:6443" has no brackets.*; write \[2001:db8::101\]:6443/],
  ['backends', 'a=[2001:db8::1]', /"\[2001:db8::1\]" has no port/],
  ['backends', 'a=[2001:db8::1]:0', /is not an address; write one, such as/],
  ['backends', 'a=[10.0.0.1]:6443', /is not an address; write one, such as/],
  ['backends', 'a=[fe80::1]:6443', /is link-local, which no other host knows the way to/],
  ['backends', 'a=[::ffff:10.0.0.1]:6443', /is IPv4 in the guise of IPv6; write 10\.0\.0\.1:6443/],
  ['backends', 'a=node.example:6443', /is a DNS name, which this version does not resolve for a backend/],
  ['backends', 'a=10.0.0.1:0', /is not an address; write one, such as 192\.168\.1\.101:6443/],
  ['backends', '10.0.0.1:6443', /is not a server; write/],
  ['interface', 'a-much-too-long-name', /cannot be an interface/],
  ['interface', '..', /cannot be an interface/],
  ['interface', '/en(/', /Invalid regular expression: .*; write one such as \/\^en\//],
  ['kubeconfig', '', /"" is not a path/],
  ['lease-name', 'A_B', /write "a_b"|is not a name as Kubernetes wants it/],
  ['lease-name', 'a_b', /use lower-case letters, digits, inner hyphens and dots/],
  ['lease-namespace', 'a.b', /is not a DNS label/],
  ['lease-duration', '5', /5 has no unit; write 5s for seconds/],
  ['lease-duration', '5 s', /is not a duration/],
  ['metrics-listen', '2112', /is not an address to listen on; write :2112, 127\.0\.0\.1:2112 or off/],
  ['metrics-listen', ':0', /is not an address to listen on/],
  ['metrics-listen', 'localhost:2112', /is not an address to listen on/],
  ['metrics-listen', '::1:2112', /is not an address to listen on/],
  ['health-listen', '2112', /is not an address to listen on/],
  ['kubernetes-server', 'http://10.0.0.1', /is not an API server; write one, such as https:/],
  ['kubernetes-server', '', /is not an API server/],
  ['kubernetes-server', 'https://a:b@c', /is not an API server/],
  ['node-name', `${'a'.repeat(254)}`, /is not a name as Kubernetes wants it/],
  ['ports', '6443,x', /ports\[1\] .*"x" is not a whole number/],
  ['ports', '6443,', /ports\[1\] .*"" is not a whole number/],
  ['vip-name', 'Api', /is not a DNS label/],
  ['health-check-rise', '1.5', /1\.5 is not a whole number from 1 to 100/],
];

test('every mistake in a flag names the flag, and the same in the environment the variable', async () => {
  for (const [flag, text, reason] of flags) {
    const from = flag === 'backends' ? { 'backends-from': 'static' } : {};
    const inFlag = await problemsOf(undefined, { flags: { address: '10.0.0.9', ...from, [flag]: text } });
    assert.equal(inFlag.length, 1, `${flag} ${text}: ${inFlag.join('; ')}`);
    assert.match(inFlag[0] ?? '', new RegExp(`^flag --${flag}: .*${reason.source}`));
    if (text === '') continue;
    const name = `VIPD_${flag.toUpperCase().replaceAll('-', '_')}`;
    const inEnvironment = await problemsOf(undefined, {
      flags: { address: '10.0.0.9', ...from },
      environment: { [name]: text },
    });
    assert.match(inEnvironment[0] ?? '', new RegExp(`^environment ${name}: .*${reason.source}`));
  }
});

test('a flag that is no list is given once', async () => {
  assert.deepEqual(await problemsOf(undefined, { flags: { address: '10.0.0.9', interface: ['a', 'b'] } }), [
    'flag --interface: vips[0].interface (--interface, VIPD_INTERFACE): given 2 times; give it once',
  ]);
  assert.deepEqual(await problemsOf(undefined, { flags: { config: ['a', 'b'] } }), [
    'flag --config: given 2 times; name one file',
  ]);
});

test('a host name that cannot be a node name is refused with the setting to use', async () => {
  assert.deepEqual(await problemsOf(undefined, { flags: { address: '10.0.0.9' }, hostname: 'my_host' }), [
    'node.name (--node-name, VIPD_NODE_NAME): "my_host" is not a name as Kubernetes wants it (RFC 1123); use lower-case letters, digits, inner hyphens and dots',
  ]);
});

test('an unknown variable that begins like ours is refused', async () => {
  assert.deepEqual(
    await problemsOf(undefined, {
      environment: { VIPD_ADDRESS: '10.0.0.9', VIPD_INTERFCE: 'eth0', VIPD_QQQQQQQQQQ: '1' },
    }),
    [
      'environment: VIPD_INTERFCE is not a setting; did you mean VIPD_INTERFACE?',
      'environment: VIPD_QQQQQQQQQQ is not a setting; remove it',
    ],
  );
});

test('a mistake between settings is placed where the one that was written stands', async () => {
  assert.deepEqual(await problemsOf(`vips:\n${good}    election: { lease: { duration: 3s } }\n    deadManSwitch: 1s`), [
    '4:26: vips[0].election.lease.renewDeadline (--lease-renew-deadline, VIPD_LEASE_RENEW_DEADLINE): 3s is not less than the lease duration, 3s; shorten it or lengthen election.lease.duration',
  ]);
});

test('bad YAML is placed, and a file that is not there named', async () => {
  for (const text of ['vips: [', 'a: 1\na: 2', 'vips: !!nonsense 3', 'a: *b', '--- 1\n--- 2']) {
    const problems = await problemsOf(text);
    assert.match(problems[0] ?? '', /^\d+:\d+: .*; mend the YAML$/, text);
  }
  assert.deepEqual(await problemsOf(undefined, { flags: { config: '/nonexistent/vipd.yaml' } }), [
    '/nonexistent/vipd.yaml: the file cannot be read (ENOENT) (--config, VIPD_CONFIG); name one that can',
  ]);
});

test('all problems come at once', async () => {
  const loaded = await load(
    `vips: [{ addresses: [fe80::1], announce: { burst: 0 } }]\nlog: { level: loud, colour: red }`,
    {
      flags: { 'dead-man-switch': '7' },
      environment: { VIPD_NONSENSE: '1' },
    },
  );
  assert.equal(loaded.ok, false);
  assert.equal(!loaded.ok && loaded.problems.length, 6);
  assert.equal(!loaded.ok && loaded.problems.filter((line) => line.startsWith(`${fileName}:`)).length, 4);
});
