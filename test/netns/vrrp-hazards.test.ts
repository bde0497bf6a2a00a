import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Ip } from '../../src/net/ip.js';
import { millis } from '../../src/time/instant.js';
import { skewTime } from '../../src/vrrp/config.js';
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
  for (const interval of [100, 1000]) {
    const title = `a master that was stopped for five seconds, ${interval} ms`;
    it(`${title}: another took over, and it reads before it speaks`, async (context) => {
      await besideKeepalived({ ...fast, interval }, { vipd: 150, keepalived: 100 }, async (place) => {
        const { ours, theirs, vip, held, seen, isBy } = place;
        const vipd = await place.startVipd();
        await until(() => place.holds(ours), { what: 'vipd to have the VIP' });
        const keepalived = await place.startTheirs();
        await until(async () => (await keepalived.states()).at(-1) === 'BACKUP', { what: 'keepalived to be backup' });
        // One advertisement that keepalived hears too.
        const spoken = seen.length;
        await until(() => seen.length > spoken, { what: 'another advertisement' });
        vipd.signal('SIGSTOP');
        const stoppedAt = Date.now();
        await until(() => place.holds(theirs), { what: 'keepalived to take over' });
        await until(() => Date.now() - stoppedAt > 5000, { what: 'five seconds' });
        assert.equal(await place.holds(ours), false, 'the kernel took it from the stopped one');
        // The kernel's least lifetime is a second: with longer intervals the address is gone before anybody takes over.
        const overlap = held.longestOverlap(vip, stoppedAt);
        context.diagnostic(`on both for ${overlap.toFixed(0)} ms after the stop`);
        assert.ok(overlap < (interval < 1000 ? 1000 : 1), `on both for ${overlap} ms`);

        const wokenAt = Date.now();
        vipd.signal('SIGCONT');
        const next = () => seen.find((one) => isBy(ours, one) && one.at > wokenAt);
        await until(() => next() !== undefined, { what: 'vipd to speak again' });
        // It listens for one advertisement of whoever took over, and preempts him then: never at once.
        const waited = (next()?.at ?? 0) - wokenAt;
        const listening = interval + skewTime(3, 150, millis(interval));
        assert.ok(waited > listening - 20, `${waited} ms, listening ${listening} ms`);
        await until(async () => !(await place.holds(theirs)), { what: 'keepalived to yield' });
        await until(() => place.holds(ours), { what: 'vipd to have the VIP' });
        const since = held.longestOverlap(vip, wokenAt);
        assert.ok(since < interval, `on both for ${since} ms after it woke`);
        // What it thought meanwhile: that another leads, which it has read. (That it was paused is told if nothing was to be read.)
        const log = await readFile(vipd.log, 'utf8');
        const reasons = [...log.matchAll(/ leadership .* because=(\S+)/g)].map(([, reason]) => reason);
        assert.deepEqual(reasons.slice(-2), ['held-by-other', 'lower-priority-master']);
      });
    });
  }

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
