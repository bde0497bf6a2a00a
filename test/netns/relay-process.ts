// A relay in a process of its own, for tests that lower its limits or end it. Arguments: the backend's name, address and port, and
// the connect timeout in ms (5000).
// Prints its port; at the end of its input prints what it counted and the CPU time it used since, and exits without disposing.
import { loadAddon } from '../../src/kernel/linux/addon.js';
import { createRelay } from '../../src/kernel/linux/relay.js';
import { type Ip, parseIp } from '../../src/net/ip.js';
import { millis } from '../../src/time/instant.js';

const [name = '', ip = '', port = '', timeout = '5000'] = process.argv.slice(2);
const listener = createRelay(loadAddon()).listen({ ip: parseIp('127.0.0.1') as Ip, port: 0, freebind: false });
listener.setBackends([{ name, ip: parseIp(ip) as Ip, port: Number(port), weight: 1 }], {
  scheduler: 'roundrobin',
  proxyProtocol: 'off',
  connectTimeout: millis(Number(timeout)),
});
const began = process.cpuUsage();
console.log(listener.port);
process.stdin.resume().on('end', () => {
  const { user, system } = process.cpuUsage(began);
  const { refused, backends } = listener.stats();
  console.log(
    JSON.stringify({ refused, total: backends[0]?.total, open: backends[0]?.open, cpu: (user + system) / 1e6 }),
  );
  process.exit(0);
});
