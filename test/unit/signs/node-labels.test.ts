import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Ip, parseIp } from '../../../src/net/ip.js';
import type { Labels, NodeLabelApi, Refusal } from '../../../src/signs/api.js';
import { createNodeLabels, pauseAfter } from '../../../src/signs/node-labels.js';
import { createFakeClock } from '../../fakes/clock.js';

const api = { name: 'api', ips: [parseIp('10.0.0.9') as Ip] };
const mine = { 'kube-vip.io/has-ip': '10.0.0.9', 'vip.vipd/api': '10.0.0.9' };
const none = { 'kube-vip.io/has-ip': null, 'vip.vipd/api': null };

/** Labels of a Node that does what it is told, or what the test says. */
function open(node: Record<string, string> = {}) {
  const clock = createFakeClock();
  const patches: Labels[] = [];
  const lines: string[] = [];
  const world = { node, refusal: undefined as Refusal | undefined, hanging: false };
  const server: NodeLabelApi = {
    async patch(labels) {
      patches.push(labels);
      if (world.hanging) return new Promise(() => {});
      if (world.refusal !== undefined) return world.refusal;
      const kept = Object.entries({ ...world.node, ...labels }).filter((entry) => entry[1] !== null);
      world.node = Object.fromEntries(kept) as Record<string, string>;
      return { ok: true, labels: world.node };
    },
  };
  const note = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  const log = { debug() {}, info: note('info'), warn: note('warn'), error: note('error') };
  const labels = createNodeLabels({ api: server, vips: ['api'], clock, log, random: () => 1 });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const pass = async (milliseconds: number) => {
    clock.advance(milliseconds);
    await settle();
  };
  return { labels, world, patches, lines, clock, settle, pass, taken: () => patches.splice(0) };
}

const forbidden: Refusal = { ok: false, refusal: 'forbidden', detail: 'no' };
const unreachable: Refusal = { ok: false, refusal: 'unreachable', detail: 'broken' };

describe('node labels', () => {
  test('nothing is asked before the start; then what an earlier life left goes, of other VIPs too', async () => {
    const at = open({ ...mine, 'vip.vipd/old': '10.0.0.8', os: 'linux' });
    await at.pass(10_000);
    assert.deepEqual(at.taken(), []);
    at.labels.start();
    await at.pass(0);
    assert.deepEqual(at.taken(), [none]);
    // The answer told of the other.
    await at.pass(1000);
    assert.deepEqual(at.taken(), [{ ...none, 'vip.vipd/old': null }]);
    assert.deepEqual(at.world.node, { os: 'linux' });
    assert.deepEqual(at.lines, ['info node labels']);
  });

  test('a VIP that is taken shows after a moment of calm, one that only flaps does not', async () => {
    const at = open();
    at.labels.start();
    await at.pass(0);
    at.taken();
    at.labels.held([api]);
    await at.pass(499);
    assert.deepEqual(at.taken(), []);
    await at.pass(1);
    assert.deepEqual(at.taken(), [mine]);
    assert.deepEqual(at.lines, ['info node labels']);
    at.labels.held([]);
    at.labels.held([api]);
    await at.pass(500);
    assert.deepEqual(at.world.node, mine);
    at.labels.held([]);
    await at.pass(500);
    assert.deepEqual(at.world.node, {});
  });

  test('what others change is set right within five minutes', async () => {
    const at = open();
    at.labels.start();
    at.labels.held([api]);
    await at.pass(500);
    at.world.node = {};
    await at.pass(5 * 60_000);
    assert.deepEqual(at.world.node, mine);
  });

  test('a change while the API is asked is asked about next', async () => {
    const at = open();
    at.labels.start();
    at.clock.advance(0);
    at.labels.held([api]);
    await at.settle();
    await at.pass(500);
    assert.deepEqual(at.world.node, mine);
  });

  test('failures are told once, tried again ever more slowly, and a change does not hurry them', async () => {
    const at = open();
    at.world.refusal = unreachable;
    at.labels.start();
    await at.pass(0);
    at.labels.held([api]);
    await at.pass(999);
    assert.equal(at.taken().length, 1);
    await at.pass(1);
    await at.pass(2000);
    await at.pass(4000);
    assert.equal(at.taken().length, 3);
    assert.deepEqual(at.lines, ['warn the node cannot be labelled']);
    at.world.refusal = undefined;
    await at.pass(8000);
    assert.deepEqual(at.world.node, mine);
  });

  test('who may not asks again every few minutes, and says so once', async () => {
    const at = open();
    at.world.refusal = forbidden;
    at.labels.start();
    await at.pass(0);
    for (let i = 0; i < 60; i++) await at.pass(60_000);
    assert.ok(at.taken().length < 25);
    assert.deepEqual(at.lines, ['warn the node cannot be labelled']);
    assert.deepEqual(
      [1, 2, 7, 30].map((failures) => pauseAfter(failures, 'forbidden', 1)),
      [1000, 2000, 64_000, 300_000],
    );
    assert.equal(pauseAfter(30, 'unreachable', 1), 60_000);
  });

  test('an API that takes labels away from what it is told is no endless loop', async () => {
    const at = open();
    at.labels.start();
    await at.pass(0);
    at.taken();
    Object.defineProperty(at.world, 'node', { get: () => ({}), set() {} });
    at.labels.held([api]);
    for (let i = 0; i < 60; i++) await at.pass(1000);
    assert.ok(at.taken().length < 10);
  });

  test('at the end what was held is taken off at once', async () => {
    const at = open();
    at.labels.start();
    at.labels.held([api]);
    await at.pass(500);
    at.labels.held([]);
    const settled = at.labels.settled();
    await at.pass(0);
    await settled;
    assert.deepEqual(at.world.node, {});
    at.taken();
    await at.labels.settled();
    at.labels[Symbol.dispose]();
    await at.pass(10 * 60_000);
    assert.deepEqual(at.taken(), []);
  });

  test('the end does not wait for an API that refuses, or longer than two seconds for one that hangs', async () => {
    const at = open();
    at.labels.start();
    at.labels.held([api]);
    await at.pass(500);
    at.world.refusal = unreachable;
    at.labels.held([]);
    const refused = at.labels.settled();
    await at.pass(0);
    await refused;
    at.world.hanging = true;
    let ended = false;
    void at.labels.settled().then(() => {
      ended = true;
    });
    await at.pass(1999);
    assert.equal(ended, false);
    await at.pass(1);
    assert.equal(ended, true);
  });
});
