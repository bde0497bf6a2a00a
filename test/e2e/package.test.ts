import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { askStatus } from '../../src/admin/client.js';
import { startDaemon } from '../../src/lab/daemon.js';
import { createNetwork } from '../../src/lab/network.js';
import { until } from '../netns/poll.js';

const root = join(import.meta.dirname, '../../..');
const exec = promisify(execFile);

test('the packed package runs where there is no compiler: bundle, prebuilt addon and netlink are all it needs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-'));
  const network = await createNetwork('package', process.pid);
  try {
    await exec('npm', ['pack', '--pack-destination', folder], { cwd: root });
    const [archive] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
    assert.ok(archive !== undefined);
    await exec('tar', ['xzf', archive], { cwd: folder });
    const installed = join(folder, 'package');
    const contents = await readdir(installed, { recursive: true });
    assert.ok(contents.includes(`prebuilds/${process.platform}-${process.arch}/vipd.node`));
    assert.ok(
      !contents.some((name) => name.startsWith('native/build') || name.startsWith('src') || name.startsWith('test')),
    );
    // What npm would install beside it, and nothing else.
    const { dependencies } = JSON.parse(await readFile(join(root, 'node_modules/netlink/package.json'), 'utf8'));
    for (const name of ['netlink', ...Object.keys(dependencies)]) {
      const place = join(installed, 'node_modules', name);
      await mkdir(dirname(place), { recursive: true });
      await symlink(join(root, 'node_modules', name), place);
    }
    const host = await network.addHost('host', '10.77.0.11/24');
    const socket = join(folder, 'vipd.sock');
    const config = join(folder, 'vipd.yaml');
    const vips = [
      { name: 'web', addresses: ['10.77.0.100'], election: { type: 'none' }, loadBalancer: { mode: 'off' } },
    ];
    await writeFile(config, JSON.stringify({ vips, metrics: { listen: 'off' }, admin: { socket } }));
    const empty = join(folder, 'empty');
    await mkdir(empty);
    const daemon = await startDaemon(
      host,
      'env',
      ['-i', `PATH=${empty}`, process.execPath, join(installed, 'dist/vipd.js'), 'start', '--config', config],
      join(folder, 'log'),
    );
    await until(
      async () => {
        if (!daemon.running()) throw new Error(await readFile(daemon.log, 'utf8'));
        const answer = await askStatus(socket);
        return answer.ok && answer.status.vips[0]?.held;
      },
      { what: 'the VIP held' },
    );
  } finally {
    await network[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }
});
