import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { arch, platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { kernelError, loadAddon } from '../../../src/kernel/linux/addon.js';

const repository = join(import.meta.dirname, '../../../..');
const built = join(repository, 'native/build/vipd.node');
const prebuild = `prebuilds/${platform()}-${arch()}`;

describe('loadAddon', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'vipd-addon-'));
    writeFileSync(join(root, 'package.json'), '{ "name": "vipd" }');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const put = (folder: string, from?: string) => {
    mkdirSync(join(root, folder), { recursive: true });
    const file = join(root, folder, 'vipd.node');
    if (from === undefined) writeFileSync(file, 'not a library');
    else copyFileSync(from, file);
  };

  it('finds the addon of this repository', () => {
    assert.equal(typeof loadAddon().packetOpen, 'function');
  });

  it('reads CLOCK_BOOTTIME in milliseconds', () => {
    const { boottime } = loadAddon();
    const uptime = Number(execFileSync('cat', ['/proc/uptime'], { encoding: 'utf8' }).split(' ')[0]) * 1000;
    assert.ok(Math.abs(boottime() - uptime) < 1000);
  });

  it('loads the prebuilt one, with no compiler and nothing compiled', () => {
    put(prebuild, built);
    assert.equal(typeof loadAddon(root).boottime(), 'number');
  });

  it('takes the compiled one when the prebuilt one does not load', () => {
    put(prebuild);
    put('native/build', built);
    assert.equal(typeof loadAddon(root).boottime(), 'number');
  });

  it('says in one sentence what is missing and how to mend it', () => {
    put(prebuild);
    assert.throws(() => loadAddon(root), {
      message: new RegExp(
        `^vipd has no native addon for ${platform()}-${arch()} in ${root}: ${prebuild}/vipd.node does not load \\(.+\\), ` +
          'native/build/vipd.node does not exist; install a C compiler \\(.+\\) and run "node scripts/install-native.mjs" there$',
      ),
    });
  });
});

describe('kernelError', () => {
  it('names the operation, its object and the kernel’s word', () => {
    const error = kernelError(Object.assign(new Error('bind'), { errno: 19 }), 'interface 7');
    assert.equal(String(error), 'KernelError: bind on interface 7: ENODEV');
  });

  it('leaves other errors as they are', () => {
    const bug = new TypeError('wrong argument');
    assert.equal(kernelError(bug, 'interface 7'), bug);
  });
});
