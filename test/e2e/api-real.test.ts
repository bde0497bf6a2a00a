import { after, before, describe, test } from 'node:test';
import { type ApiUnderTest, realServer } from '../contract/api-servers.js';
import { leaseApiContract } from '../contract/lease-api.js';
import { leaseElectionContract } from '../contract/lease-election.js';
import { nodeApiContract } from '../contract/node-api.js';
import { signsApiContract } from '../contract/signs-api.js';

if (realServer.missing !== undefined) {
  // A suite that is skipped is not counted, a test is.
  test('the real Kubernetes API', { skip: realServer.missing }, () => {});
} else {
  describe('the real Kubernetes API', () => {
    let api: ApiUnderTest;
    before(async () => {
      api = await realServer.start();
    });
    after(() => api[Symbol.asyncDispose]());
    leaseApiContract('real', () => api);
    nodeApiContract('real', () => api);
    signsApiContract('real', () => api);
    leaseElectionContract('real', () => api);
  });
}
