// A peer of the balancing tests in a process of its own, told what to be by its arguments; it prints one JSON value a line.
//   serve NAME PORT            greets every connection with its name and answers what it gets; prints how each ended
//   count IP PORT COUNT        that many connections one after the other; prints the greetings and the failures by number
//   hold IP PORT COUNT         that many connections at once; prints the greetings, then how each ended; "say" on stdin sends
//   stream IP PORT PERSECOND   connections at a rate until stdin ends; prints what count prints
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const [role, first = '', second = '', third = ''] = process.argv.slice(2);
const patience = 5000;

const print = (value: unknown) => console.log(JSON.stringify(value));

if (role === 'serve') serve(first, Number(second));
else if (role === 'count') await count(first, Number(second), Number(third));
else if (role === 'hold') await hold(first, Number(second), Number(third));
else if (role === 'stream') await stream(first, Number(second), Number(third));

function serve(name: string, port: number): void {
  const server = createServer((socket) => {
    let end = 'closed';
    socket.on('error', (error: NodeJS.ErrnoException) => {
      end = error.code ?? 'error';
    });
    socket.on('close', () => print({ ended: end }));
    socket.write(`${name}\n`);
    socket.on('data', () => socket.write(`${name}\n`));
  });
  server.listen(port, '::', () => print('listening'));
}

/** The greeting, or the code of the failure. */
async function greeting(ip: string, port: number): Promise<{ socket: Socket; said: string; ok: boolean }> {
  const socket = connect(port, ip);
  const failed = new Promise<string>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    socket.on('end', () => resolve('ended'));
    socket.setTimeout(patience, () => resolve('timeout'));
  });
  const said = once(socket, 'data').then(
    ([data]) => ({ socket, said: String(data).trim(), ok: true }),
    () => failed.then((code) => ({ socket, said: code, ok: false })),
  );
  const result = await Promise.race([said, failed.then((code) => ({ socket, said: code, ok: false }))]);
  socket.setTimeout(0);
  return result;
}

interface Tally {
  readonly greetings: Record<string, number>;
  readonly failures: Record<string, number>;
  slowest: number;
}

async function one(tally: Tally, ip: string, port: number): Promise<void> {
  const started = performance.now();
  const { socket, said, ok } = await greeting(ip, port);
  const by = ok ? tally.greetings : tally.failures;
  by[said] = (by[said] ?? 0) + 1;
  tally.slowest = Math.max(tally.slowest, Math.round(performance.now() - started));
  socket.destroy();
}

async function count(ip: string, port: number, connections: number): Promise<void> {
  const tally: Tally = { greetings: {}, failures: {}, slowest: 0 };
  for (let i = 0; i < connections; i++) await one(tally, ip, port);
  print(tally);
}

async function hold(ip: string, port: number, connections: number): Promise<void> {
  const held = await Promise.all(Array.from({ length: connections }, () => greeting(ip, port)));
  for (const { socket, said } of held) {
    socket.removeAllListeners('end');
    let end = 'closed';
    socket.on('error', (error: NodeJS.ErrnoException) => {
      end = error.code ?? 'error';
    });
    socket.on('close', () => print({ ended: end, backend: said }));
    socket.on('data', () => print({ answered: said }));
  }
  print(held.map(({ said }) => said));
  createInterface({ input: process.stdin }).on('line', () => {
    for (const { socket } of held) socket.write('hello\n');
  });
}

async function stream(ip: string, port: number, perSecond: number): Promise<void> {
  const tally: Tally = { greetings: {}, failures: {}, slowest: 0 };
  const open = new Set<Promise<void>>();
  const started = performance.now();
  let begun = 0;
  const timer = setInterval(() => {
    for (; begun < ((performance.now() - started) * perSecond) / 1000; begun++) {
      const attempt = one(tally, ip, port).finally(() => open.delete(attempt));
      open.add(attempt);
    }
  }, 1);
  print('streaming');
  process.stdin.resume();
  await once(process.stdin, 'end');
  clearInterval(timer);
  await Promise.all(open);
  print(tally);
}
