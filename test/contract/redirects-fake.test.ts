import { createFakeRedirects } from '../fakes/redirects.js';
import { redirectsContract } from './redirects.js';

redirectsContract('in memory', () => {
  const redirects = createFakeRedirects();
  return { redirects, table: async () => redirects.table, async [Symbol.asyncDispose]() {} };
});
