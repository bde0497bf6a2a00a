// Clients in a namespace. Arguments: `echo IP PORT`, or `ask IP PORT RATE HELD`, which says `held` when so many connections are open that stay open,
// and at the end of its input, in JSON, what became of everybody.
import { once } from 'node:events';
import { connect } from 'node:net';
import { holdOpen, startClients, startEcho } from '../contract/answered-clients.js';

const [role, ip = '', port, rate, count] = process.argv.slice(2);
if (role === 'echo') {
  await startEcho(ip, Number(port));
  console.log('up');
} else {
  const dial = () => connect({ port: Number(port), host: ip, allowHalfOpen: true, noDelay: true });
  const held = await Promise.all(Array.from({ length: Number(count) }, (_, i) => holdOpen(dial, i)));
  const clients = startClients(dial, Number(rate));
  console.log('held');
  process.stdin.resume();
  await once(process.stdin, 'end');
  const served = await clients.stop();
  console.log(JSON.stringify({ ...served, held: await Promise.all(held.map((one) => one.end())) }));
  process.exit(0);
}
