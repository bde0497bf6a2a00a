import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openFilesLimit } from '../../../../src/kernel/linux/open-files.js';

test('the soft limit of open files is read, and "unlimited" or its absence are no limit', () => {
  const of = (soft: string) =>
    `Limit                     Soft Limit           Hard Limit           Units     \nMax processes             95000                95000                processes \nMax open files            ${soft.padEnd(20)} 1048576              files     \n`;
  assert.equal(openFilesLimit(of('1024')), 1024);
  assert.equal(openFilesLimit(of('unlimited')), Number.POSITIVE_INFINITY);
  assert.equal(openFilesLimit(''), Number.POSITIVE_INFINITY);
});
