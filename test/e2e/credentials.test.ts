import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createResolver } from '../../src/kernel/linux/resolver.js';
import { createKubernetesClient } from '../../src/kubernetes/client.js';
import { kubeconfigText } from '../../src/lab/api/kubeconfig.js';
import { findRealServer, startRealCluster } from '../../src/lab/api/real-server.js';
import type { Certificate } from '../../src/lab/certificates.js';
import { millis } from '../../src/time/instant.js';
import { clock, realServer } from '../contract/api-servers.js';
import { until } from '../netns/poll.js';

const programs = findRealServer(process.env.KUBEBUILDER_ASSETS) ?? '';
const what =
  'a certificate that is renewed in its file is used when the old one has ended; so is one in files of its own';

test(what, { skip: realServer.missing ?? false }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vipd-credentials-'));
  try {
    await using cluster = await startRealCluster({ clock, programs, folder });
    const { url, caPem } = await cluster.addServer({ name: 'cp1' });
    const issue = (notAfter: Date) =>
      cluster.authority.issue({ commonName: 'kubernetes-admin', organization: 'system:masters', notAfter });
    const inside = join(folder, 'admin.conf');
    const beside = join(folder, 'beside.conf');
    const write = async (certificate: Certificate) => {
      // Whole, as kubeadm and the kubelet do it: never half a file.
      await writeFile(`${inside}.new`, kubeconfigText({ server: url, caPem, certificate }));
      await rename(`${inside}.new`, inside);
      await writeFile(join(folder, 'new.pem'), `${certificate.certPem}${certificate.keyPem}`);
      await rename(join(folder, 'new.pem'), join(folder, 'client.pem'));
    };
    // Certificates end on whole seconds; until then there is time for the first calls.
    const first = await issue(new Date(clock.wall().getTime() + 4_000));
    await write(first);
    const text = kubeconfigText({ server: url, caPem, certificate: first });
    const files = text.replace(/(client-certificate|client-key)-data: .*/g, '$1: client.pem');
    await writeFile(beside, files);
    using client = createKubernetesClient({ resolver: createResolver(), clock, kubeconfig: inside });
    using other = createKubernetesClient({ resolver: createResolver(), clock, kubeconfig: beside });
    const path = '/api/v1/namespaces/kube-system';
    const ask = async (who: typeof client) => {
      const answer = await who.request({ method: 'GET', path, timeout: millis(5_000) });
      return answer.ok ? 'ok' : answer.refusal;
    };
    for (const who of [client, other]) assert.equal(await ask(who), 'ok');
    // The connection is open all the time: the server looks at the certificate with each request.
    for (const who of [client, other]) {
      await until(async () => (await ask(who)) === 'unauthorized', { what: 'the certificate to end' });
    }
    await write(await issue(new Date(clock.wall().getTime() + 3_600_000)));
    for (const who of [client, other]) assert.equal(await ask(who), 'ok');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
