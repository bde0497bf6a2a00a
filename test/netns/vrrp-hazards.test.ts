import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Ip } from '../../src/net/ip.js';
import { besideKeepalived, type Variant } from './beside-keepalived.js';
import type { KeepalivedSettings } from './keepalived.js';
import { clock, until } from './poll.js';

const fast: Variant = { version: 3, family: 4, interval: 100, isUnicast: false };
const withPassword: Variant = { version: 2, family: 4, interval: 1000, isUnicast: false, authPass: '1111' };

const addon = join(import.meta.dirname, '../../../native/build/vipd.node');

/** Sends advertisements of all virtual routers but 51, as many as asked for in every millisecond, and says each second how many. */
const flooder = `
  const addon = require(process.argv[1]);
  const socket = addon.vrrpOpen(Number(process.argv[2]), 4, 1, true, () => {}, () => {});
  const packet = (vrid) => Uint8Array.of(0x45, 0xc0, 0, 32, 0, 0, 0, 0, 255, 112, 0, 0, 10, 77, 0, 66, 224, 0, 0, 18,
    0x31, vrid, 100, 1, 0, 1, 0, 0, 10, 77, 0, 100);
  const packets = Array.from({ length: 256 }, (_, vrid) => packet(vrid)).filter((_, vrid) => vrid !== 51);
  const began = Date.now();
  let sent = 0, told = 0;
  const flood = () => {
    for (const due = (Date.now() - began) * 60; sent < due; sent++) {
      try { addon.vrrpSend(socket, packets[sent % packets.length]); } catch {}
    }
    if (sent - told > 50_000) console.log(told = sent);
    setImmediate(flood);
  };
  flood();`;

/** Clock ticks (hundredths of a second) of processor time that a process has used. */
async function ticksOf(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

describe('what two masters come of', { concurrency: 2 }, () => {
  it('a master that was stopped for five seconds: another took over, and it reads before it speaks', async () => {
    await besideKeepalived(fast, { vipd: 150, keepalived: 100 }, async (place) => {
      const { ours, theirs, seen, isBy } = place;
      const vipd = await place.startVipd();
      await until(() => place.holds(ours), { what: 'vipd to have the VIP' });
      const keepalived = await place.startTheirs();
      await until(async () => (await keepalived.states()).at(-1) === 'BACKUP', { what: 'keepalived to be backup' });
      vipd.signal('SIGSTOP');
      const stoppedAt = Date.now();
      await until(() => place.holds(theirs), { what: 'keepalived to take over' });
      await until(() => Date.now() - stoppedAt > 5000, { what: 'five seconds' });
      assert.equal(await place.holds(ours), false, 'the kernel took it from the stopped one');
      const wokenAt = Date.now();
      vipd.signal('SIGCONT');
      await until(() => seen.some((one) => isBy(ours, one) && one.at > wokenAt), { what: 'vipd to speak again' });
      const first = seen.find((one) => isBy(ours, one) && one.at > wokenAt);
      // It preempts by the protocol's timer, which a queue that was read had left running: never at once.
      assert.ok((first?.at ?? 0) - wokenAt > 250, `${(first?.at ?? 0) - wokenAt} ms`);
      await until(async () => !(await place.holds(theirs)), { what: 'keepalived to yield' });
      assert.equal(await place.holds(ours), true);
    });
  });

  const misfits: readonly (readonly [string, Variant, Partial<KeepalivedSettings>, RegExp])[] = [
    ['version', fast, { version: 2, advertInterval: 1 }, /refused: version \(10\.77\.0\.12: version 2, \d+ so far\)/],
    ['addresses', fast, { vips: ['10.77.0.101' as Ip] }, /refused: address-list \(10\.77\.0\.12: 10\.77\.0\.101, /],
    ['password', withPassword, { authPass: '2222' }, /refused: auth \(10\.77\.0\.12: another password, /],
    ['interval', withPassword, { advertInterval: 2 }, /refused: interval \(10\.77\.0\.12: 2000 ms, /],
  ];
  for (const [what, variant, differences, alarm] of misfits) {
    it(`a peer with another ${what} is an alarm`, async () => {
      await besideKeepalived(variant, { vipd: 100, keepalived: 150 }, async (place) => {
        await place.startVipd();
        await until(() => place.holds(place.ours), { what: 'vipd to have the VIP' });
        assert.equal((await place.status()).alarm, undefined);
        await place.startTheirs(differences);
        const seen = await until(async () => (await place.status()).alarm, { within: 20_000, what: 'the alarm' });
        assert.match(seen, /^a peer on this VRID is being refused: /);
        assert.match(seen, alarm);
      });
    });
  }

  it('50,000 foreign advertisements a second change nothing', async () => {
    await besideKeepalived(fast, { vipd: 150, keepalived: 100 }, async (place) => {
      const { ours, seen, isBy } = place;
      const stranger = await place.addHost('stranger', 66);
      const vipd = await place.startVipd();
      await until(() => place.holds(ours), { what: 'vipd to have the VIP' });
      const before = { ticks: await ticksOf(vipd.pid), at: clock.now(), advertisements: seen.length };
      const link = String(Number.parseInt(await stranger.run('ip', ['-o', 'link', 'show', 'eth0']), 10));
      const child = stranger.spawn(process.execPath, ['-e', flooder, addon, link], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let sent = 0;
      let first: { readonly at: number; readonly sent: number } | undefined;
      child.stdout?.on('data', (text: Buffer) => {
        sent = Number(text.toString().trim().split('\n').at(-1));
        first ??= { at: clock.now(), sent };
      });
      await until(() => sent >= 250_000, { within: 60_000, what: 'five seconds of flood' });
      const endedAt = clock.now();
      const seconds = (endedAt - before.at) / 1000;
      const busy = ((await ticksOf(vipd.pid)) - before.ticks) / 100 / seconds;
      child.kill();
      const { role, alarm } = await place.status();
      assert.deepEqual({ role, alarm }, { role: 'leader', alarm: undefined });
      // Its own work is a few per cent; reading 50,000 packets a second would be most of a processor.
      assert.ok(busy < 0.3, `${(100 * busy).toFixed(0)} % of a processor`);
      const beats = seen.slice(before.advertisements).filter((one) => isBy(ours, one));
      const gaps = beats.slice(1).map((one, i) => one.at - (beats[i]?.at ?? 0));
      assert.ok(beats.length > 10 && Math.max(...gaps) < 300, `${Math.max(...gaps)} ms between advertisements`);
      const rate = (sent - (first?.sent ?? 0)) / ((endedAt - (first?.at ?? 0)) / 1000);
      assert.ok(rate > 50_000, `${rate.toFixed(0)} a second`);
    });
  });
});
