import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { environmentName, globalSettings, vipSettings } from '../../../src/config/schema.js';

const repository = join(import.meta.dirname, '../../../..');

test('docs/configuration.md and docs/metrics.md say what the tables say', () => {
  const { status, stderr } = spawnSync('node', [join(repository, 'scripts/generate-docs.mjs'), '--check'], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
});

test('no two settings share a flag, and no variable looks like a link to a Service called vipd', () => {
  const flags = [globalSettings, vipSettings].flatMap((table) => Object.values(table).map(({ flag }) => flag));
  assert.equal(new Set(flags).size, flags.length);
  for (const flag of flags) assert.doesNotMatch(environmentName(flag), /^VIPD_(PORT(_|$)|SERVICE_)/);
});
