import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import type { KernelError } from '../../src/kernel/errors.js';
import { loadAddon } from '../../src/kernel/linux/addon.js';
import { createNetwork } from '../../src/kernel/linux/network.js';
import { createRedirects } from '../../src/kernel/linux/redirects.js';
import type { Redirect } from '../../src/kernel/ports.js';
import { hostPrefix, type Ip } from '../../src/net/ip.js';
import { redirectsContract } from '../contract/redirects.js';
import {
  answerLines,
  clientAddress,
  connect,
  createLan,
  inOwnNamespace,
  type Lan,
  nodeAddress,
  run,
  vipAddress,
} from './network-namespace.js';
import { clock, until } from './poll.js';

interface NftEntry {
  readonly table?: { readonly name: string };
  readonly rule?: NftRule;
}

interface NftRule {
  readonly table: string;
  readonly chain: string;
  readonly expr: readonly Record<string, unknown>[];
}

const families = [4, 6] as const;
const apiPort = 6443;
const proxyPort = 16443;
const redirectsToProxy = families.map((family) => ({ ip: vipAddress[family], port: apiPort, toPort: proxyPort }));

inOwnNamespace(import.meta.filename, () => {
  redirectsContract('nftables', () => {
    const redirects = createRedirects(clock);
    return {
      redirects,
      table: async () => {
        const rules = nftRules();
        if (rules === undefined) return undefined;
        const prerouting = rules.filter(({ chain }) => chain === 'prerouting').map(readRule);
        const output = rules.filter(({ chain }) => chain === 'output').map(readRule);
        assert.deepEqual(output, prerouting);
        return prerouting;
      },
      [Symbol.asyncDispose]: () => redirects.set([]),
    };
  });

  describe('VIP:port redirected by nftables', () => {
    const network = createNetwork(loadAddon(), clock);
    const redirects = createRedirects(clock);
    const servers: AsyncDisposable[] = [];
    let lan: Lan;

    before(async () => {
      lan = createLan();
      const link = (await network.links()).find(({ name }) => name === lan.device)?.index ?? 0;
      for (const family of families) {
        const ip = vipAddress[family];
        await network.putAddress({ ip, prefixLength: hostPrefix(ip), link, lifetime: 'forever' });
        servers.push(await answerLines('proxy', ip, proxyPort));
      }
      servers.push(await answerLines('api', '::' as Ip, apiPort));
    });
    after(async () => {
      await redirects.set([]);
      for (const server of servers) await server[Symbol.asyncDispose]();
      lan[Symbol.dispose]();
    });

    const ask = async (from: 'remote' | 'here', ip: Ip, port = apiPort) => {
      await using connection = connect(from === 'here' ? from : lan.client, ip, port);
      return await connection.ask('hello');
    };

    test('reaches the proxy from another host and from this one; the node’s own address still reaches the API', async () => {
      for (const family of families) {
        assert.equal(await ask('remote', vipAddress[family]), `api ${clientAddress[family]}`);
      }
      await redirects.set(redirectsToProxy);
      for (const family of families) {
        assert.equal(await ask('remote', vipAddress[family]), `proxy ${clientAddress[family]}`);
        assert.match((await ask('here', vipAddress[family])) ?? '', /^proxy /);
        assert.equal(await ask('remote', nodeAddress[family]), `api ${clientAddress[family]}`);
        assert.match((await ask('here', nodeAddress[family])) ?? '', /^api /);
      }
      await redirects.set([]);
      for (const family of families) {
        assert.equal(await ask('remote', vipAddress[family]), `api ${clientAddress[family]}`);
      }
    });

    test('a change leaves open connections where they are', async () => {
      await redirects.set(redirectsToProxy);
      await using remote = connect(lan.client, vipAddress[4], apiPort);
      await using local = connect('here', vipAddress[6], apiPort);
      const answers = async () => [await remote.ask('x'), (await local.ask('x'))?.split(' ')[0]];
      const expected = [`proxy ${clientAddress[4]}`, 'proxy'];
      assert.deepEqual(await answers(), expected);
      await redirects.set(families.map((family) => ({ ip: vipAddress[family], port: 9345, toPort: 19345 })));
      assert.deepEqual(await answers(), expected);
      assert.equal(await ask('remote', vipAddress[4]), `api ${clientAddress[4]}`);
      await redirects.set(redirectsToProxy);
      assert.deepEqual(await answers(), expected);
      await redirects.set([]);
    });

    test('without the address on this host its connections to the VIP go out untouched', async () => {
      const elsewhere = clientAddress[4];
      await redirects.set([{ ip: elsewhere, port: 7000, toPort: 7001 }]);
      const server = lan.client;
      const script = `require('node:net').createServer((s) => s.pipe(s)).listen(7000, '${elsewhere}', () => console.log('up'))`;
      const child = spawn('ip', ['netns', 'exec', server.name, process.execPath, '-e', script]);
      await once(child.stdout, 'data');
      assert.equal(await ask('here', elsewhere, 7000), 'hello');
      child.kill();
      await redirects.set([]);
    });

    test('the table is its owner’s: nobody else changes, flushes or takes it', async () => {
      await redirects.set(redirectsToProxy);
      const before = nftRules();
      assert.throws(() => run('nft', 'delete', 'table', 'inet', 'vipd'), /Operation not permitted/);
      run('nft', 'flush', 'ruleset');
      assert.deepEqual(nftRules(), before);
      for (const wanted of [redirectsToProxy, []]) {
        await assert.rejects(createRedirects(clock).set(wanted), (error: KernelError) => {
          assert.equal(error.message, 'set nftables redirects: table vipd: EPERM');
          return true;
        });
      }
      await redirects.set([]);
      assert.equal(nftRules(), undefined);
    });

    test('a leftover table that nobody owns is replaced, or removed when nothing is wanted', async () => {
      const leftover = () => run('nft', 'add table inet vipd; add chain inet vipd old; add rule inet vipd old drop');
      leftover();
      await redirects.set(redirectsToProxy);
      assert.deepEqual([...new Set(nftRules()?.map(({ chain }) => chain))], ['prerouting', 'output']);
      await redirects.set([]);
      leftover();
      await redirects.set([]);
      assert.equal(nftRules(), undefined);
    });

    test('the table ends with the process', async () => {
      const script = `
        const { createRedirects } = await import(${JSON.stringify(import.meta.resolve('../../src/kernel/linux/redirects.js'))});
        const { createSystemClock } = await import(${JSON.stringify(import.meta.resolve('../../src/time/system-clock.js'))});
        await createRedirects(createSystemClock(() => performance.now())).set(${JSON.stringify(redirectsToProxy)});
        console.log('set');`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      assert.equal(nftRules()?.length, 4);
      child.kill('SIGKILL');
      await until(() => nftRules() === undefined, { what: 'the table of a killed process is gone' });
    });
  });
});

/** The rules of vipd's table as the nft binary reads them; undefined when there is no table. */
function nftRules(): readonly NftRule[] | undefined {
  const { nftables } = JSON.parse(run('nft', '-j', 'list', 'ruleset')) as { readonly nftables: readonly NftEntry[] };
  if (!nftables.some(({ table }) => table?.name === 'vipd')) return undefined;
  return nftables.flatMap(({ rule }) => (rule?.table === 'vipd' ? [rule] : []));
}

/** The redirect that a rule says; fails when the rule says anything else. */
function readRule({ expr }: NftRule): Redirect {
  // biome-ignore lint/suspicious/noExplicitAny: nft's JSON is compared as a whole below
  const parts = expr as any;
  const redirect = { ip: parts[0].match.right, port: parts[1].match.right, toPort: parts[3].dnat.port };
  const protocol = redirect.ip.includes(':') ? 'ip6' : 'ip';
  const match = (left: object, right: unknown) => ({ match: { op: '==', left, right } });
  assert.deepEqual(expr, [
    match({ payload: { protocol, field: 'daddr' } }, redirect.ip),
    match({ payload: { protocol: 'tcp', field: 'dport' } }, redirect.port),
    match({ fib: { result: 'type', flags: ['daddr'] } }, 'local'),
    { dnat: { family: protocol, port: redirect.toPort } },
  ]);
  return redirect;
}
