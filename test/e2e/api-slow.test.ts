import { after, before, describe, test } from 'node:test';
import { type ApiServerKind, type ApiUnderTest, embeddedServer, realServer } from '../contract/api-servers.js';
import { slowApiContract } from '../contract/lease-election.js';

function slow(server: ApiServerKind): void {
  if (server.missing !== undefined) {
    test(`a slow ${server.name} API`, { skip: server.missing }, () => {});
    return;
  }
  describe(`a slow ${server.name} API`, { concurrency: true }, () => {
    let api: ApiUnderTest;
    before(async () => {
      api = await server.start();
    });
    after(() => api[Symbol.asyncDispose]());
    slowApiContract(server.name, () => api);
  });
}

describe('slow APIs', { concurrency: true }, () => {
  slow(embeddedServer);
  slow(realServer);
});
