import { connect, createServer, type Socket } from 'node:net';

/** A TCP proxy on 127.0.0.1 that misbehaves when told to: for any server, without the server's help. */
export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  /** What the server says takes this many milliseconds longer. */
  delay: number;
  /** Resets every connection, and every new one until `restore`. */
  cut(): void;
  /** As a cable pulled out: nothing passes and nothing is closed; `restore` helps only connections that are new then. */
  silence(): void;
  restore(): void;
}

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  lost: boolean;
}

export async function startFaultProxy(target: { host: string; port: number }): Promise<FaultProxy> {
  const pairs = new Set<Pair>();
  let state: 'open' | 'cut' | 'silent' = 'open';

  const server = createServer((near) => {
    near.on('error', () => near.destroy());
    if (state === 'cut') {
      near.resetAndDestroy();
      return;
    }
    const far = connect(target);
    const pair: Pair = { near, far, lost: state === 'silent' };
    let due = 0;
    pairs.add(pair);
    near.on('data', (chunk) => pair.lost || far.write(chunk));
    far.on('data', (chunk) => {
      due = Math.max(due, performance.now() + proxy.delay);
      const wait = due - performance.now();
      const pass = () => pair.lost || near.write(chunk);
      if (wait <= 0) pass();
      else setTimeout(pass, wait);
    });
    far.on('error', () => near.destroy());
    near.on('end', () => far.end());
    far.on('end', () => pair.lost || near.end());
    const close = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    near.on('close', close);
    far.on('close', () => pair.lost || close());
  });

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const reset = () => {
    for (const { near, far } of pairs) {
      near.resetAndDestroy();
      far.destroy();
    }
  };
  const proxy: FaultProxy = {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    delay: 0,
    cut() {
      state = 'cut';
      reset();
    },
    silence() {
      state = 'silent';
      for (const pair of pairs) pair.lost = true;
    },
    restore() {
      state = 'open';
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      reset();
      await closed;
    },
  };
  return proxy;
}
