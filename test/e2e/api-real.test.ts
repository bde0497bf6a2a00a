import { after, before, describe } from 'node:test';
import { type ApiUnderTest, realServer } from '../contract/api-servers.js';
import { leaseApiContract } from '../contract/lease-api.js';
import { nodeApiContract } from '../contract/node-api.js';

describe('the real Kubernetes API', { skip: realServer.missing ?? false }, () => {
  let api: ApiUnderTest;
  before(async () => {
    api = await realServer.start();
  });
  after(() => api[Symbol.asyncDispose]());
  leaseApiContract('real', () => api);
  nodeApiContract('real', () => api);
});
