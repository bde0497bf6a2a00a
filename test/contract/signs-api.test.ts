import { after, before, describe } from 'node:test';
import { type ApiUnderTest, embeddedServer } from './api-servers.js';
import { signsApiContract } from './signs-api.js';

describe('the embedded Kubernetes API', () => {
  let api: ApiUnderTest;
  before(async () => {
    api = await embeddedServer.start();
  });
  after(() => api[Symbol.asyncDispose]());
  signsApiContract('embedded', () => api);
});
